"""From the network's logits to objects: GenEval's detector decodes as mmdet 2 does.

As in open-mmlab/mmdetection (mmdet/models/seg_heads/panoptic_fusion_heads/maskformer_fusion_head.py and
dense_heads/maskformer_head.py): the mask's logits are upsampled to the padded picture, the padding is cut
off, and the rest is resized to the picture as given, both bilinear. Of the probabilities of all queries and
all 80 classes the 100 largest are kept, so that one query may be several objects. A mask is where its logit
is above 0; the score is the class's probability times the mean of sigmoid(logit) in the mask; the box is the
mask's extent, its far edges one pixel on.

A mask without a pixel stays, as there: its sum, 0, over its size plus 1e-6 makes the score 0, and mmdet's
mask2bbox leaves the box at (0, 0, 0, 0). No threshold of GenEval lets it pass.

mmdet upsamples all queries at once; here one after the other, and only those among the 100. The order is by
score, best first, of equal ones the likelier class; mmdet's own is whatever topk gives.

Axes: Q queries, K classes and "none", C without it, h w of the network's masks, H W of the picture as given.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from tessera.scorers.detection.mask2former.names import OBJECT_NAMES

MOST = 100  # objects of a picture; test_cfg.max_per_image of mmdet's configuration
EPSILON = 1e-6  # pixels
Size = tuple[int, int]  # height and width
Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Segment:
    """One object seen."""

    index: int  # of its class in COCO's order, 0 to 79
    score: float  # in [0, 1]
    box: Box  # left, top, right, bottom in pixels of the picture as given
    mask_HW: Bool[ndarray, "H W"]  # in the picture as given; objects of one query share it

    @property
    def name(self) -> str:
        """GenEval's name of the class."""
        return OBJECT_NAMES[self.index]


def decode(
    class_logits_QK: Float[Tensor, "Q K"],
    mask_logits_Qhw: Float[Tensor, "Q h w"],
    padded: Size,
    inner: Size,
    given: Size,
) -> list[Segment]:
    """Returns the objects, best first.

    `padded` is the size that the network saw, `inner` that of the picture in it, `given` that of the picture.
    """
    probability_QC = class_logits_QK.float().cpu().softmax(-1)[:, :-1]
    best, places = probability_QC.flatten().sort(descending=True, stable=True)
    classes = probability_QC.shape[1]
    seen: dict[int, tuple[Bool[ndarray, "H W"], float, Box]] = {}
    segments = []
    for probability, place in zip(best[:MOST].tolist(), places[:MOST].tolist(), strict=True):
        query, index = divmod(place, classes)
        if query not in seen:
            seen[query] = _mask(mask_logits_Qhw[query], padded, inner, given)
        mask_HW, inside, box = seen[query]
        segments.append(Segment(index=index, score=probability * inside, box=box, mask_HW=mask_HW))
    return sorted(segments, key=lambda each: -each.score)


def _mask(
    logits_hw: Float[Tensor, "h w"], padded: Size, inner: Size, given: Size
) -> tuple[Bool[ndarray, "H W"], float, Box]:
    """Returns a query's mask, the mean of sigmoid(logit) inside, and its extent."""
    whole = F.interpolate(logits_hw[None, None].float(), size=padded, mode="bilinear", align_corners=False)
    whole = whole[..., : inner[0], : inner[1]]
    logits_HW = F.interpolate(whole, size=given, mode="bilinear", align_corners=False)[0, 0]
    mask_HW = logits_HW > 0
    inside = (logits_HW.sigmoid() * mask_HW).sum() / (mask_HW.sum() + EPSILON)
    return mask_HW.cpu().numpy(), float(inside), _extent(mask_HW)


def _extent(mask_HW: Bool[Tensor, "H W"]) -> Box:
    """Returns left, top, right and bottom of what is in a mask, zeros where nothing is."""
    columns, rows = (torch.nonzero(mask_HW.any(axis)).flatten().tolist() for axis in (0, 1))
    if not columns:
        return (0.0, 0.0, 0.0, 0.0)
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
