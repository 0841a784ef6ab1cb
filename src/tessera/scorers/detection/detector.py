"""What a detector is to the scorers: pictures and the names to look for go in, boxes come out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import UInt8
from numpy import ndarray


@dataclass(frozen=True, kw_only=True, slots=True)
class Detection:
    """One object seen."""

    name: str  # as it was asked for
    score: float  # in [0, 1], above the detector's threshold
    box: tuple[float, float, float, float]  # left, top, right, bottom in pixels of the picture as given


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """What was seen in one picture. Nothing seen is a finding; not having looked has a reason."""

    detections: tuple[Detection, ...] = ()  # of each name the best first
    reason: str = ""  # why the picture could not be searched for these names


@runtime_checkable  # so that tests check arguments at run time
class Detector(Protocol):
    """Finds what it is told by name. What it says of one picture depends on no other."""

    def detect(
        self, images_BHWC: UInt8[ndarray, "B H W 3"], names_B: Sequence[Sequence[str]]
    ) -> list[Sighting]:
        """Returns what is seen in each picture of its own names."""
        ...

    def digest(self) -> str:
        """Returns a hash of the weights and of what else changes its boxes and scores."""
        ...
