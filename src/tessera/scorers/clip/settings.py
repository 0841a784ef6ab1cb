"""The CLIP scorers as configuration. `weights` and the like are a folder or a hub id; unset: as published."""

from typing import Literal

from tessera.config import config
from tessera.scorers.clip.homes import Backbone, Version
from tessera.scorers.placed import Placement


@config
class HPS:
    """Human Preference Score v2 (arXiv 2306.09341): cosine in a CLIP ViT-H/14 tuned on people's choices."""

    kind: Literal["hps"] = "hps"
    version: Version = "2.1"
    weights: str | None = None
    tokenizer: str | None = None
    place: Placement = Placement()


@config
class PickScore:
    """PickScore (arXiv 2305.01569): scaled cosine in a CLIP ViT-H/14 tuned on people's choices."""

    kind: Literal["pickscore"] = "pickscore"
    weights: str | None = None
    tokenizer: str | None = None
    place: Placement = Placement()


@config
class ClipScore:
    """Cosine of prompt and picture in a CLIP that nobody tuned; B/32 is the one of T2I-CompBench."""

    kind: Literal["clipscore"] = "clipscore"
    backbone: Backbone = "B/32"
    weights: str | None = None
    place: Placement = Placement()


@config
class Aesthetic:
    """The LAION aesthetic predictor: people's marks for pictures, from features of CLIP L/14; no prompt."""

    kind: Literal["aesthetic"] = "aesthetic"
    weights: str | None = None  # of the predictor
    backbone: str | None = None  # the CLIP below it
    place: Placement = Placement()
