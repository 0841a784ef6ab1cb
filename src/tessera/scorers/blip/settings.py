"""The scorers on BLIP as configuration: read by every process, so nothing of a model is loaded with it."""

from typing import Literal

from tessera.config import config
from tessera.scorers.placed import Placement


@config
class ImageRewardConfig:
    """Names ImageReward v1.0 (1.8 GB)."""

    kind: Literal["imagereward"] = "imagereward"
    weights: str | None = None  # folder with ImageReward.pt, or a hub id; unset: THUDM/ImageReward
    tokenizer: str | None = None  # folder with vocab.txt, or a hub id; unset: google-bert/bert-base-uncased
    place: Placement = Placement()


@config
class BlipVqaConfig:
    """Names BLIP-VQA (1.5 GB)."""

    kind: Literal["blip-vqa"] = "blip-vqa"
    # Folder with the authors' file (480 pixels) or the hub's, or a hub id; unset: the hub's (384 pixels).
    weights: str | None = None
    tokenizer: str | None = None  # folder with vocab.txt, or a hub id; unset: google-bert/bert-base-uncased
    place: Placement = Placement()
