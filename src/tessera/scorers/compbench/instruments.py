"""What T2I-CompBench's evaluators look through, and which of it a prompt needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import UInt8
from numpy import ndarray

from tessera.protocols import Scorer
from tessera.scorers.compbench.three_in_one import PARTS, Part
from tessera.scorers.detection.detector import Detector
from tessera.types import Prompt

Need = Literal["attributes", "similarity", "plane", "counts", "depth"]

NEEDS: Mapping[str, frozenset[Need]] = {
    "color": frozenset({"attributes"}),
    "shape": frozenset({"attributes"}),
    "texture": frozenset({"attributes"}),
    "spatial": frozenset({"plane"}),
    "3d_spatial": frozenset({"counts", "depth"}),
    "numeracy": frozenset({"counts"}),
    "non_spatial": frozenset({"similarity"}),
    "complex": frozenset({"attributes", "similarity", "plane"}),
}
OF_PART: Mapping[Part, Need] = {"attributes": "attributes", "place": "plane", "similarity": "similarity"}


@runtime_checkable  # so that tests check arguments at run time
class Answers(Protocol):
    """BLIP-VQA, as far as it is used here."""

    def probability_yes(
        self, images_BHWC: UInt8[ndarray, "B H W 3"], questions: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Returns p(yes) / (p(yes) + p(no)) of each question, by picture."""
        ...

    def digest(self) -> str:
        """Returns a hash of the weights and of what else changes its answers."""
        ...


@runtime_checkable  # so that tests check arguments at run time
class Depths(Protocol):
    """An estimator of depth: larger is nearer."""

    def maps(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[UInt8[ndarray, "480 480"]]:
        """Returns a map of each picture, the whole of it squashed to a square."""
        ...

    def digest(self) -> str:
        """Returns a hash of the weights and of what else changes its maps."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Instruments:
    """Those that the judged categories need; None for the others."""

    attributes: Answers | None = None
    similarity: Scorer | None = None
    plane: Detector | None = None  # of 2D places
    counts: Detector | None = None  # of counts, and of places in depth
    depth: Depths | None = None
    open_vocabulary: bool = False  # of both detectors

    def digests(self) -> list[str]:
        """Returns the digest of each, "" for one that is not there."""
        all_of_them = (self.attributes, self.similarity, self.plane, self.counts, self.depth)
        return [each.digest() if each else "" for each in all_of_them]


def needs(prompt: Prompt) -> frozenset[Need]:
    """Returns what must look at a picture of the prompt: of a complex one, what its kind is judged by."""
    if prompt.category == "complex":
        return frozenset(OF_PART[part] for part in PARTS.get(str(prompt.metadata.get("kind")), ()))
    return NEEDS.get(prompt.category, frozenset())
