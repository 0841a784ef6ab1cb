"""GIT-VQA as configuration: read by every process, so nothing of a model is loaded with it."""

from typing import Literal

from tessera.config import config
from tessera.scorers.placed import Placement


@config
class GitVqaConfig:
    """Names GIT-VQA (1.6 GB)."""

    kind: Literal["git-vqa"] = "git-vqa"
    weights: str | None = (
        None  # folder as transformers saves it, or a hub id; unset: microsoft/git-large-vqav2
    )
    place: Placement = Placement()
