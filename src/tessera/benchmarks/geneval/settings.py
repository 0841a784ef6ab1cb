"""The configuration of GenEval: its two instruments. Other ones see other things; the digest says so."""

from typing import Literal

from tessera.config import config
from tessera.scorers.detection.geneval_settings import ColourSettings
from tessera.scorers.detection.mask2former.settings import Mask2FormerSettings


@config
class GenEvalSettings:
    """GenEval (arXiv 2310.11513): 553 prompts about objects, counts, colours and places."""

    kind: Literal["geneval"] = "geneval"
    detector: Mask2FormerSettings = Mask2FormerSettings()
    colours: ColourSettings = ColourSettings()
