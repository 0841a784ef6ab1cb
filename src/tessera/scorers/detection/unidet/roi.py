"""What the pyramid knows of a box: its map by size, and seven by seven averages of it.

facebookresearch/detectron2:detectron2/modeling/poolers.py (04367a2) and layers/csrc/ROIAlign/
ROIAlign_cpu.cpp (072ea07), with aligned corners and as many samples in a bin as it has cells. A bilinear
sample is a product of a weight for each row and one for each column, and so is a mean over a grid of them:
two matrix products per box instead of loops. Axes: N boxes, C channels, H W cells, P Q bins, S samples.
"""

import sys

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tessera.scorers.detection.unidet.fpn import STRIDES

BINS = 7  # in either direction
MAPS = 3  # of the pyramid's that boxes are read from: P3 to P5
USUAL = 224.0  # pixels: a square box of this size is read from P4
USUAL_MAP = 1
AT_ONCE = 128  # boxes: bounds the memory, changes nothing


def map_of(boxes_N4: Float[Tensor, "N 4"]) -> Int[Tensor, " N"]:
    """Returns the map that each box is read from, 0 to 2: a coarser one for twice the size."""
    size_N = (boxes_N4[:, 2:] - boxes_N4[:, :2]).prod(1).sqrt()
    exact_N = USUAL_MAP + torch.log2(size_N / USUAL + sys.float_info.epsilon)
    return exact_N.floor().clamp(0, MAPS - 1).long()


def pooled(maps: list[Tensor], boxes_N4: Float[Tensor, "N 4"]) -> Float[Tensor, "N C 7 7"]:
    """Returns what the finest three maps, each [1 C H W], hold of the boxes."""
    map_N = map_of(boxes_N4)
    made_NCPQ = boxes_N4.new_zeros(len(boxes_N4), maps[0].shape[1], BINS, BINS)
    for index in range(MAPS):
        for some in (map_N == index).nonzero()[:, 0].split(AT_ONCE):
            made_NCPQ[some] = roi_align(maps[index][0], boxes_N4[some], STRIDES[index])
    return made_NCPQ


def roi_align(
    map_CHW: Float[Tensor, "C H W"], boxes_N4: Float[Tensor, "N 4"], stride: int
) -> Float[Tensor, "N C 7 7"]:
    """Returns the means of the map in each box's bins."""
    channels, height, width = map_CHW.shape
    cells_N4 = boxes_N4 / stride - 0.5  # the middle of the first cell is 0
    rows_NPH = shares(cells_N4[:, 1], cells_N4[:, 3], height)
    columns_NQW = shares(cells_N4[:, 0], cells_N4[:, 2], width)
    by_row = map_CHW.permute(1, 2, 0).reshape(height, width * channels)
    bands_NPWC = (rows_NPH.reshape(-1, height) @ by_row).reshape(-1, BINS, width, channels)
    return (columns_NQW[:, None] @ bands_NPWC).permute(0, 3, 1, 2)


def shares(
    start_N: Float[Tensor, " N"], stop_N: Float[Tensor, " N"], cells: int
) -> Float[Tensor, "N 7 {cells}"]:
    """Returns the share that each cell of a row (or column) has in each bin between the two ends.

    A bin is the mean of its samples, evenly spread, each read between the two nearest cells. Within a cell
    outside, a sample is read at the edge; further out it counts as 0. A box without length has none.
    """
    bin_N11 = ((stop_N - start_N) / BINS)[:, None, None]
    count_N11 = bin_N11.ceil()
    most = int(count_N11.max()) if len(start_N) else 0
    index_P1 = torch.arange(BINS, device=start_N.device)[:, None]
    index_S = torch.arange(most, device=start_N.device)
    at_NPS = start_N[:, None, None] + index_P1 * bin_N11 + (index_S + 0.5) * bin_N11 / count_N11.clamp(min=1)
    counts_NPS = (index_S < count_N11) & (at_NPS >= -1) & (at_NPS <= cells)
    each_NPS = counts_NPS / count_N11.clamp(min=1)
    inside_NPS = at_NPS.clamp(0, cells - 1)
    low_NPS = inside_NPS.floor()
    part_NPS = inside_NPS - low_NPS
    near, far = low_NPS.long(), (low_NPS.long() + 1).clamp(max=cells - 1)
    made_NPX = start_N.new_zeros(len(start_N), BINS, cells)
    return made_NPX.scatter_add_(2, near, (1 - part_NPS) * each_NPS).scatter_add_(2, far, part_NPS * each_NPS)
