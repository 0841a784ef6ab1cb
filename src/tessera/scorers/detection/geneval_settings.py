"""The configuration of GenEval's instruments, without their models: it is read in every process."""

from typing import Literal

from tessera.config import config
from tessera.scorers.detection.mask2former.settings import Mask2FormerSettings
from tessera.scorers.placed import Placement


@config
class ColourSettings:
    """Names the classifier of colours: OpenAI's CLIP ViT-L/14."""

    weights: str | None = None  # a folder, or another id on the hub
    place: Placement = Placement()


@config
class GenEvalReward:
    """Scores pictures by the share of what a GenEval prompt asks for that is there."""

    kind: Literal["geneval"] = "geneval"
    strict: bool = False  # 1 where all of it is there, exactly; else 0
    detector: Mask2FormerSettings = Mask2FormerSettings()
    colours: ColourSettings = ColourSettings()
