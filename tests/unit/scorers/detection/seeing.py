"""What stands for GenEval's detector and classifier of colours in tests of what comes after them.

The pictures are painted: a rectangle's red channel says its class, its green one how sure the segmenter is,
in percent, and its blue one which colour it will be called.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from tessera.scorers.detection.geneval import COLOURS
from tessera.scorers.detection.geneval_eyes import Eyes, Patch
from tessera.scorers.detection.mask2former.decode import Segment
from tessera.scorers.detection.mask2former.names import OBJECT_NAMES

Painted = tuple[str, tuple[int, int, int, int], int, str]  # class, box, percent, colour


def painted(
    *objects: tuple[str, tuple[int, int, int, int], int, str], side: int = 64
) -> UInt8[ndarray, "H W 3"]:
    """Returns a black picture with these rectangles on it; none may touch another."""
    image = np.zeros((side, side, 3), dtype=np.uint8)
    for name, (left, top, right, bottom), percent, colour in objects:
        image[top:bottom, left:right] = (OBJECT_NAMES.index(name) + 1, percent, COLOURS.index(colour))
    return image


def row(name: str, count: int, percent: int = 95, colour: str = "white", top: int = 0) -> list[Painted]:
    """Returns as many objects side by side, each a little surer than the next."""
    return [
        (name, (4 * place, top, 4 * place + 3, top + 3), percent - place, colour) for place in range(count)
    ]


@dataclass
class Painter:
    """A segmenter that reads painted pictures, in the order of their rows."""

    asked: list[int] = field(default_factory=list)  # pictures at once

    def segment(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[list[Segment]]:
        """Returns the rectangles; those of one class, percentage and colour are one."""
        self.asked.append(len(images_BHWC))
        return [self._one(image) for image in images_BHWC]

    def _one(self, image_HWC: UInt8[ndarray, "H W 3"]) -> list[Segment]:
        paints = np.unique(image_HWC.reshape(-1, 3), axis=0)
        segments = []
        for paint in paints[paints[:, 0] > 0]:
            mask_HW = (image_HWC == paint).all(-1)
            rows, columns = np.nonzero(mask_HW)
            box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            left, top, right, bottom = (float(each) for each in box)
            score = float(paint[1]) / 100
            segments.append(
                Segment(index=int(paint[0]) - 1, score=score, box=(left, top, right, bottom), mask_HW=mask_HW)
            )
        return segments

    def digest(self) -> str:
        """Returns its name."""
        return "painter"


@dataclass
class Reader:
    """A classifier of colours that reads painted pictures."""

    asked: list[str] = field(default_factory=list)  # classes

    def names(self, patches: Sequence[Patch]) -> list[str]:
        """Returns the colours."""
        self.asked += [patch.name for patch in patches]
        return [COLOURS[int(patch.image_HWC[patch.mask_HW][0, 2])] for patch in patches]

    def digest(self) -> str:
        """Returns its name."""
        return "reader"


def painted_eyes() -> Eyes:
    """Returns eyes for painted pictures."""
    return Eyes(segmenter=Painter(), colours=Reader())
