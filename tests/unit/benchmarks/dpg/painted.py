"""An answerer that reads its answers off the picture: the red of the first pixel says which list is meant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from tessera.scorers.vlm.answerer import Written
from tessera.scorers.vlm.rows import Verdict, missing

NO = (0.25, "")
YES = (0.75, "")
UNKNOWN = missing("it cannot be told")


@dataclass
class PaintedAnswerer:
    """Says yes to the questions listed for a picture, and writes the text listed for it."""

    says_yes: Mapping[int, Sequence[str]] = field(default_factory=dict)
    cannot_tell: Sequence[str] = ()
    writes: Mapping[int, Written] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    name: str = "painter"

    def yes(
        self, images_BHWC: UInt8[ndarray, "B H W 3"], questions_B: Sequence[Sequence[str]]
    ) -> list[list[Verdict]]:
        return [
            [
                UNKNOWN if question in self.cannot_tell else YES if question in self._of(image) else NO
                for question in questions
            ]
            for image, questions in zip(images_BHWC, questions_B, strict=True)
        ]

    def write(self, images_BHWC: UInt8[ndarray, "B H W 3"], prompts: Sequence[str]) -> list[Written]:
        self.asked += prompts
        return [self.writes[int(image[0, 0, 0])] for image in images_BHWC]

    def digest(self) -> str:
        return "painter"

    def _of(self, image_HWC: ndarray) -> Sequence[str]:
        return self.says_yes.get(int(image_HWC[0, 0, 0]), ())


def open_painter() -> PaintedAnswerer:
    """What `module:function` names in the tests."""
    return PaintedAnswerer()


def open_nobody() -> str:
    """What is no answerer."""
    return "nobody"


def painted(*values: int) -> UInt8[ndarray, "B 8 8 3"]:
    """Returns pictures of these reds."""
    pictures = np.zeros((len(values), 8, 8, 3), dtype=np.uint8)
    pictures[:, :, :, 0] = np.array(values)[:, None, None]
    return pictures
