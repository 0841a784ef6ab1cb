"""Boxes, and what published evaluators say of two of them: overlap, duplicates, relative position.

A box is (left, top, right, bottom) in pixels, y downwards. NumPy only, no model: scorers and benchmarks share
these. The rules are those of djghosh13/geneval:evaluation/evaluate_images.py and of Karine-Huang/
T2I-CompBench:UniDet_eval, their oddities included; what a reward mends of them, it mends itself.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Relation = Literal["near", "left", "right", "above", "below"]  # of the first box to the second

# GenEval, evaluate_images.py
MARGIN = 0.1  # POSITION_THRESHOLD: of both boxes' widths (heights), taken off the offset
DIRECTION = 0.5  # share of the whole offset that makes a direction count
STILL = 1e-3  # pixels; an offset below it has no direction

# T2I-CompBench, 2D_spatial_eval.py
FRAME = (479, 480)  # pixels of the shorter side, and at most of the longer: the picture that it measures in
NEAR = 150.0  # pixels of that picture
CLEAR = 0.1  # IoU from which a direction is worth less than 1
LOCALITIES: dict[str, Relation] = {
    "next to": "near",
    "on side of": "near",
    "near": "near",
    "on the right of": "right",
    "on the left of": "left",
    "on the bottom of": "below",
    "on the top of": "above",
}

# T2I-CompBench, numeracy_eval.py
SAME = 0.9  # IoU, or the part of either box that lies in the other


def iou(a_N4: Float[ndarray, "N 4"], b_M4: Float[ndarray, "M 4"], edge: float = 0.0) -> Float[ndarray, "N M"]:
    """Returns the intersection over the union of each pair; 0 where both boxes are empty.

    `edge` is 1 where boxes name their first and last pixel, as in GenEval and in T2I-CompBench's counting.
    """
    shared_NM, area_N1, area_1M = _areas(a_N4, b_M4, edge)
    return _ratio(shared_NM, area_N1 + area_1M - shared_NM)


def nms(boxes_N4: Float[ndarray, "N 4"], scores_N: Float[ndarray, " N"], threshold: float) -> list[int]:
    """Returns the boxes to keep, best first: none overlaps a better one by more than `threshold`.

    Of equal scores the earlier box is the better one; an IoU of exactly `threshold` is kept.
    """
    overlap_NN = iou(boxes_N4, boxes_N4)
    kept: list[int] = []
    for index in np.argsort(-scores_N, kind="stable").tolist():
        if not (overlap_NN[index, kept] > threshold).any():
            kept.append(index)
    return kept


def relative_position(a: Float[ndarray, " 4"], b: Float[ndarray, " 4"]) -> frozenset[str]:
    """Returns where `a` lies from `b`, as GenEval says it: "left of", "right of", "above", "below".

    It may be two of them (a diagonal), or none: boxes overlap too much, or the offset is split evenly
    between the axes after the margins are taken off.
    """
    offset = _centre(a) - _centre(b)
    sizes = (a[2:] - a[:2]) + (b[2:] - b[:2])
    beyond = np.maximum(np.abs(offset) - MARGIN * sizes, 0) * np.sign(offset)
    if (np.abs(beyond) < STILL).all():
        return frozenset()
    dx, dy = beyond / np.linalg.norm(offset)
    says = {
        "left of": dx < -DIRECTION,
        "right of": dx > DIRECTION,
        "above": dy < -DIRECTION,
        "below": dy > DIRECTION,
    }
    return frozenset(name for name, holds in says.items() if holds)


def in_frame(boxes_N4: Float[ndarray, "N 4"], height: int, width: int) -> Float[ndarray, "N 4"]:
    """Returns boxes of a picture of this size in pixels of T2I-CompBench's: the frame of `placement`."""
    shorter, longer = FRAME
    return boxes_N4 * min(shorter / min(height, width), longer / max(height, width))


def placement(relation: Relation, a: Float[ndarray, " 4"], b: Float[ndarray, " 4"]) -> float:
    """Returns how well `a` stands in the relation to `b`, in [0, 1]; boxes in T2I-CompBench's frame.

    Near: 1 if the centres lie within 150 pixels along either axis, as published, however far along the
    other; else 150 over the larger distance. A direction: 0 unless it is the right one and the larger of the
    two offsets; then 1, or less where the boxes overlap by an IoU above 0.1.
    """
    dx, dy = (_centre(b) - _centre(a)).tolist()
    if relation == "near":
        return 1.0 if min(abs(dx), abs(dy)) < NEAR else NEAR / max(abs(dx), abs(dy))
    along, across = (dx, dy) if relation in ("left", "right") else (dy, dx)
    towards = along if relation in ("left", "above") else -along
    if towards <= abs(across):
        return 0.0
    overlap = float(iou(a[None], b[None])[0, 0])
    return 1.0 if overlap < CLEAR else CLEAR / overlap


def compbench_position(locality: str, a: Float[ndarray, " 4"], b: Float[ndarray, " 4"]) -> float:
    """Returns T2I-CompBench's 2D position score; 0 for words that its rule does not handle: "on top of"."""
    return placement(LOCALITIES[locality], a, b) if locality in LOCALITIES else 0.0


def is_duplicate(a: Float[ndarray, " 4"], b: Float[ndarray, " 4"]) -> bool:
    """Returns whether T2I-CompBench's numeracy takes two boxes of one class for the same object."""
    shared_11, area_a, area_b = _areas(a[None], b[None], edge=1.0)
    wholes = (area_a + area_b - shared_11, area_a, area_b)
    return any(bool((_ratio(shared_11, whole) > SAME).all()) for whole in wholes)


def without_duplicates(boxes_N4: Float[ndarray, "N 4"]) -> list[int]:
    """Returns the boxes of one class to keep, in their order: of duplicates, the first."""
    kept: list[int] = []
    for index, box in enumerate(boxes_N4):
        if not any(is_duplicate(box, boxes_N4[other]) for other in kept):
            kept.append(index)
    return kept


def _centre(box: Float[ndarray, " 4"]) -> Float[ndarray, " 2"]:
    return (box[:2] + box[2:]) / 2


def _areas(
    a_N4: Float[ndarray, "N 4"], b_M4: Float[ndarray, "M 4"], edge: float
) -> tuple[Float[ndarray, "N M"], Float[ndarray, "N 1"], Float[ndarray, "1 M"]]:
    """Returns the area that each pair shares, and each box's own."""
    start_NM2 = np.maximum(a_N4[:, None, :2], b_M4[None, :, :2])
    stop_NM2 = np.minimum(a_N4[:, None, 2:], b_M4[None, :, 2:])
    area_N, area_M = (np.clip(box[:, 2:] - box[:, :2] + edge, 0, None).prod(-1) for box in (a_N4, b_M4))
    return np.clip(stop_NM2 - start_NM2 + edge, 0, None).prod(-1), area_N[:, None], area_M[None, :]


def _ratio(part: Float[ndarray, "..."], whole: Float[ndarray, "..."]) -> Float[ndarray, "..."]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
