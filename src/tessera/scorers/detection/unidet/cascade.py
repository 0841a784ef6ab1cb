"""What is there: three heads, each of which looks into the boxes as the one before moved them.

UniDet's heads over one list of classes: T2I-CompBench:UniDet_eval/experts/obj_detection/unidet/modeling/
roi_heads/{unified_roi_heads,custom_roi_heads,custom_fast_rcnn}.py (7710d05); facebookresearch/detectron2:
detectron2/modeling/roi_heads/{cascade_rcnn,box_head,fast_rcnn}.py (1b09e42, 2ca36e3, 05bea69).
Axes: N boxes, K classes, L those and nothing, D channels of a head.
"""

from collections import OrderedDict

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Flatten, Linear, Module, ModuleList, ReLU, Sequential

from tessera.scorers.detection.unidet.boxes import clipped, filled, grouped_nms, moved
from tessera.scorers.detection.unidet.design import Design
from tessera.scorers.detection.unidet.resnet import Conv
from tessera.scorers.detection.unidet.roi import BINS, pooled

MOVES = ((10.0, 5.0), (20.0, 10.0), (30.0, 15.0))  # of each stage: divides moves of the centre, of the sides
THRESHOLD = 0.1  # of a score: written into T2I-CompBench's heads; what its configuration says is not read
OVERLAP = 0.5  # from which a box gives way to a better one of its class
MOST = 300  # detections of a picture


class Predictor(Module):
    """Names what is in a box and moves it; one move, whatever the class."""

    def __init__(self, hidden: int, classes: int) -> None:
        super().__init__()
        self.cls_score = Linear(hidden, classes + 1)  # the last one, nothing, was never trained
        self.bbox_pred = Linear(hidden, 4)

    def forward(self, seen_ND: Float[Tensor, "N D"]) -> tuple[Tensor, Tensor]:
        """Returns logits_NL of the classes and of nothing, and deltas_N4."""
        return self.cls_score(seen_ND), self.bbox_pred(seen_ND)


class Cascade(Module):
    """The three heads."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.box_head = ModuleList(head(design) for _ in MOVES)
        self.box_predictor = ModuleList(Predictor(design.hidden, design.classes) for _ in MOVES)

    def forward(
        self, maps: list[Tensor], boxes_N4: Float[Tensor, "N 4"], height: int, width: int
    ) -> tuple[Tensor, Tensor]:
        """Returns the moved boxes_N4, within the picture, and the mean scores_NK of the three heads."""
        total_NL = boxes_N4.new_zeros(1)
        for look, predict, (place, size) in zip(self.box_head, self.box_predictor, MOVES, strict=True):
            logits_NL, deltas_N4 = predict(look(pooled(maps, boxes_N4)))
            total_NL = total_NL + logits_NL.sigmoid()
            boxes_N4 = clipped(moved(boxes_N4, deltas_N4, place, size), height, width)
        return boxes_N4, total_NL[:, :-1] * (1 / len(MOVES))


def head(design: Design) -> Sequential:
    """Returns the layers that look into a box; their weights are to be filled."""
    layers: OrderedDict[str, Module] = OrderedDict()
    for index in range(1, design.convs + 1):
        ends = {"bias": not design.norm, "norm": design.norm}
        layers[f"conv{index}"] = Conv(design.pyramid, design.pyramid, 3, **ends)
        layers[f"relu_conv{index}"] = ReLU()
    layers["flat"] = Flatten()
    inner = design.pyramid * BINS * BINS
    for index in range(1, design.linears + 1):
        layers[f"fc{index}"] = Linear(inner, design.hidden)
        layers[f"relu_fc{index}"] = ReLU()
        inner = design.hidden
    return Sequential(layers)


def chosen(
    boxes_N4: Float[Tensor, "N 4"], scores_NK: Float[Tensor, "N K"]
) -> tuple[Float[Tensor, "M 4"], Float[Tensor, " M"], Int[Tensor, " M"]]:
    """Returns boxes, scores and classes of the detections, best first; a box may be several things."""
    box_M, class_M = (scores_NK > THRESHOLD).nonzero(as_tuple=True)
    boxes_M4, scores_M = boxes_N4[box_M], scores_NK[box_M, class_M]
    kept = grouped_nms(boxes_M4, scores_M, class_M, OVERLAP)[:MOST]
    kept = kept[filled(boxes_M4[kept])]
    return boxes_M4[kept], scores_M[kept], class_M[kept]
