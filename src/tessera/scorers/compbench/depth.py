"""Depth inside boxes, as T2I-CompBench++ compares it: the mean of the map over the pixels of each box.

The published script cuts the map as [x, y] where its rows are y (`depth-transposed`); both means are kept, so
that either rule can be applied to what was seen. Maps and boxes are in the frame that the detector measures
in: the shorter side 479, the longer at most 480. Axes: H W a map's.
"""

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from tessera.scorers.detection.unidet.model import frame

LEVELS = 255


def framed(map_HW: UInt8[ndarray, "H W"], height: int, width: int) -> UInt8[ndarray, "_ _"]:
    """Returns the map of a picture of this size in T2I-CompBench's frame."""
    return np.asarray(Image.fromarray(map_HW).resize(frame(width, height), Image.Resampling.BILINEAR))


def depths(
    map_HW: UInt8[ndarray, "H W"], box: tuple[float, float, float, float]
) -> tuple[float | None, float | None]:
    """Returns the mean depth inside a box, in [0, 1], and what the transposed cut gives; None: no pixel."""
    left, top, right, bottom = (max(int(edge), 0) for edge in box)
    return _mean(map_HW[top:bottom, left:right]), _mean(map_HW[left:right, top:bottom])


def _mean(part_HW: UInt8[ndarray, "_ _"]) -> float | None:
    return float(part_HW.mean()) / LEVELS if part_HW.size else None
