"""Where something might be: the region proposal network.

facebookresearch/detectron2:detectron2/modeling/proposal_generator/{rpn,proposal_utils}.py (09bbf08,
012c898). Axes: N places (anchors of all cells of a map, or what is left of them), C channels, H W cells.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.nn import Module

from tessera.scorers.detection.unidet.boxes import ANCHORS, anchors, clipped, filled, grouped_nms, moved
from tessera.scorers.detection.unidet.fpn import STRIDES
from tessera.scorers.detection.unidet.resnet import Conv

OF_A_MAP = 1000  # places of a map that go on, the best ones
OVERLAP = 0.7  # from which a place gives way to a better one of its map
OF_ALL = 1000  # places that are looked into


class ProposalHead(Module):
    """Says of each anchor whether something is there, and how to move it; the same for all maps."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv(channels, channels, 3, bias=True)
        self.objectness_logits = Conv(channels, ANCHORS, 1, bias=True)
        self.anchor_deltas = Conv(channels, 4 * ANCHORS, 1, bias=True)

    def forward(self, map_CHW: Float[Tensor, "C H W"]) -> tuple[Tensor, Tensor]:
        """Returns logits_N and deltas_N4 of the map's anchors, in the order of `boxes.anchors`."""
        seen_1CHW = F.relu(self.conv(map_CHW[None]))
        logits_N = self.objectness_logits(seen_1CHW)[0].permute(1, 2, 0).flatten()
        deltas_N4 = self.anchor_deltas(seen_1CHW)[0].permute(1, 2, 0).reshape(-1, 4)
        return logits_N, deltas_N4


class Proposals(Module):
    """The network as a whole."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rpn_head = ProposalHead(channels)

    def forward(self, maps: list[Tensor], height: int, width: int) -> Float[Tensor, "N 4"]:
        """Returns the places to look into, the likeliest first, in a picture of this size."""
        boxes, logits = [], []
        for level, (map_1CHW, stride) in enumerate(zip(maps, STRIDES, strict=True)):
            logits_N, deltas_N4 = self.rpn_head(map_1CHW[0])
            _, _, rows, columns = map_1CHW.shape
            of_map_N4 = anchors(level, rows, columns, stride).to(deltas_N4)
            boxes.append(moved(of_map_N4, deltas_N4, 1.0, 1.0))
            logits.append(logits_N)
        return likeliest(boxes, logits, height, width)


def likeliest(boxes: list[Tensor], logits: list[Tensor], height: int, width: int) -> Float[Tensor, "N 4"]:
    """Returns the places of all maps to look into, the likeliest first; `boxes` and `logits` are by map."""
    best = [each.argsort(descending=True, stable=True)[:OF_A_MAP] for each in logits]
    boxes_N4 = clipped(torch.cat([b[i] for b, i in zip(boxes, best, strict=True)]), height, width)
    logits_N = torch.cat([each[i] for each, i in zip(logits, best, strict=True)])
    level_N = torch.cat([torch.full_like(index, level) for level, index in enumerate(best)])
    there_N = filled(boxes_N4)
    boxes_N4, logits_N, level_N = boxes_N4[there_N], logits_N[there_N], level_N[there_N]
    return boxes_N4[grouped_nms(boxes_N4, logits_N, level_N, OVERLAP)[:OF_ALL]]
