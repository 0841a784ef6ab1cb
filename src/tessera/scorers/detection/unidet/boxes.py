"""Boxes as tensors: anchors, moves, overlap, and which of overlapping ones are kept.

A box is (left, top, right, bottom) in pixels of the picture that the model sees. Of facebookresearch/
detectron2: modeling/anchor_generator.py, modeling/box_regression.py (09bbf08), structures/boxes.py
(0263797), layers/nms.py (012c898), which calls torchvision. Axes: N boxes, A anchors of a cell.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

SHAPES = (0.5, 1.0, 2.0)  # height over width
FINEST = 32.0  # pixels: the smallest anchors of the finest map; each coarser one doubles them
STEPS = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))  # sizes between two doublings
ANCHORS = len(SHAPES) * len(STEPS)
LARGEST_GROWTH = math.log(1000 / 16)  # of a side, as a logarithm


def cell_anchors(level: int) -> Float[Tensor, "A 4"]:
    """Returns the anchors around (0, 0) of a map; the finest one has level 0."""
    rows = []
    for step in STEPS:
        size = FINEST * 2**level * step
        for shape in SHAPES:
            width = math.sqrt(size**2 / shape)
            height = shape * width
            rows.append([-width / 2, -height / 2, width / 2, height / 2])
    return torch.tensor(rows)


def anchors(level: int, height: int, width: int, stride: int) -> Float[Tensor, "N 4"]:
    """Returns the anchors of a map of so many cells: row by row, of each cell its own."""
    y, x = torch.meshgrid(torch.arange(height) * stride, torch.arange(width) * stride, indexing="ij")
    corner_N14 = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4).float()
    return (corner_N14 + cell_anchors(level)).reshape(-1, 4)


def moved(
    boxes_N4: Float[Tensor, "N 4"], deltas_N4: Float[Tensor, "N 4"], place: float, size: float
) -> Float[Tensor, "N 4"]:
    """Returns the boxes, moved by parts of their sides and grown by logarithms.

    The deltas are divided by `place` (those of the centre) and `size`.
    """
    sides_N2 = boxes_N4[:, 2:] - boxes_N4[:, :2]
    centre_N2 = boxes_N4[:, :2] + 0.5 * sides_N2 + deltas_N4[:, :2] / place * sides_N2
    grown_N2 = (deltas_N4[:, 2:] / size).clamp(max=LARGEST_GROWTH).exp() * sides_N2
    return torch.cat([centre_N2 - 0.5 * grown_N2, centre_N2 + 0.5 * grown_N2], dim=1)


def clipped(boxes_N4: Float[Tensor, "N 4"], height: int, width: int) -> Float[Tensor, "N 4"]:
    """Returns the parts of the boxes that lie in the picture; of one outside, an empty box at its edge."""
    x_N2, y_N2 = boxes_N4[:, 0::2].clamp(0, width), boxes_N4[:, 1::2].clamp(0, height)
    return torch.stack([x_N2, y_N2], dim=-1).reshape(-1, 4)


def filled(boxes_N4: Float[Tensor, "N 4"]) -> Bool[Tensor, " N"]:
    """Returns which boxes have an area."""
    return (boxes_N4[:, 2:] > boxes_N4[:, :2]).all(1)


def overlaps(boxes_N4: Float[Tensor, "N 4"]) -> Float[Tensor, "N N"]:
    """Returns the intersection over the union of each pair; NaN where both are empty."""
    shared_NN2 = torch.minimum(boxes_N4[:, None, 2:], boxes_N4[None, :, 2:]) - torch.maximum(
        boxes_N4[:, None, :2], boxes_N4[None, :, :2]
    )
    shared_NN = shared_NN2.clamp(min=0).prod(-1)
    area_N = (boxes_N4[:, 2:] - boxes_N4[:, :2]).prod(-1)
    return shared_NN / (area_N[:, None] + area_N[None, :] - shared_NN)


def nms(boxes_N4: Float[Tensor, "N 4"], scores_N: Float[Tensor, " N"], threshold: float) -> Int[Tensor, " M"]:
    """Returns the boxes to keep, best first: none overlaps a better kept one by more than `threshold`.

    Of equal scores the earlier box is the better one. What is kept is found for all boxes at once, again
    and again: the first round is right for the best box, the next for two, and so on, and what a round
    leaves as it was is the answer. A few rounds do, where few boxes hang on one another.
    """
    order_N = scores_N.argsort(descending=True, stable=True)
    covers_NN = (overlaps(boxes_N4[order_N]) > threshold).triu(diagonal=1)  # the row is better
    kept_N = torch.ones_like(order_N, dtype=torch.bool)
    while True:
        next_N = ~(covers_NN & kept_N[:, None]).any(0)
        if torch.equal(next_N, kept_N):
            return order_N[kept_N]
        kept_N = next_N


def grouped_nms(
    boxes_N4: Float[Tensor, "N 4"],
    scores_N: Float[Tensor, " N"],
    groups_N: Int[Tensor, " N"],
    threshold: float,
) -> Int[Tensor, " M"]:
    """Returns the boxes to keep, best first, where only boxes of one group stand against one another."""
    if not len(groups_N):
        return torch.zeros_like(groups_N)
    by_group_N = groups_N.argsort(stable=True)
    sizes = groups_N.unique(return_counts=True)[1].tolist()
    kept = [one[nms(boxes_N4[one], scores_N[one], threshold)] for one in by_group_N.split(sizes)]
    kept_M = torch.cat(kept).sort().values  # so that of equal scores the earlier one comes first
    return kept_M[scores_N[kept_M].argsort(descending=True, stable=True)]
