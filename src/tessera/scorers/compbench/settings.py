"""The configuration of T2I-CompBench's evaluators, without their models."""

from typing import Literal, get_args

from tessera.config import config
from tessera.errors import UserError
from tessera.scorers.blip.settings import BlipVqaConfig
from tessera.scorers.clip.settings import ClipScore
from tessera.scorers.depth.settings import DepthSettings
from tessera.scorers.detection.settings import Look
from tessera.scorers.detection.unidet.settings import UniDetSettings
from tessera.scorers.placed import Placement

Category = Literal["color", "shape", "texture", "spatial", "3d_spatial", "numeracy", "non_spatial", "complex"]
CATEGORIES: tuple[Category, ...] = get_args(Category)


@config
class OpenVocabulary:
    """Grounding DINO in UniDet's place: it is asked for the prompt's own nouns.

    Its numbers are not comparable with published ones. UniDet knows 722 labels, and 100 of the 300 spatial
    val prompts name an object that none of them equals, so that they can only score 0; here they need not.
    """

    kind: Literal["grounding-dino"] = "grounding-dino"
    weights: str | None = None  # a folder, or another id on the hub
    look: Look = Look()
    place: Placement = Placement()


DetectorSettings = UniDetSettings | OpenVocabulary


@config
class CompBench:
    """T2I-CompBench's evaluators: a picture is judged by that of its prompt's category."""

    kind: Literal["compbench"] = "compbench"
    # What is judged; the instruments of these are needed, a prompt of another category is NaN.
    categories: tuple[Category, ...] = CATEGORIES
    attributes: BlipVqaConfig = BlipVqaConfig()
    similarity: ClipScore = ClipScore()
    detector: DetectorSettings = UniDetSettings(backbone="rs200")  # of places in the plane
    depth_detector: DetectorSettings = UniDetSettings(backbone="r50")  # of places in depth, and of counts
    depth: DepthSettings = DepthSettings()
    chunks: str | None = None  # file of build_chunks; unset: metadata "chunks", else the own reader
    official_bugs: bool = False  # with the faults of the published scripts (faults.py)

    def __post_init__(self) -> None:
        if not self.categories or len(set(self.categories)) < len(self.categories):
            raise UserError(
                f"categories must name each category once, and one at least, got {list(self.categories)}"
            )
        if isinstance(self.detector, OpenVocabulary) != isinstance(self.depth_detector, OpenVocabulary):
            raise UserError(
                "detector and depth_detector must be of one kind: results of two vocabularies do not add up"
            )
        if self.official_bugs and isinstance(self.detector, OpenVocabulary):
            raise UserError(
                "official_bugs makes published numbers again, which are UniDet's; leave the detectors out"
            )
