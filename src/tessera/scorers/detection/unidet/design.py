"""The sizes of the two published detectors, and what their configurations share.

From UniDet_eval/experts/obj_detection/configs/{Base-CRCNN-COCO,Unified_learned_OCIM_RS200_6x+2x}.yaml of
T2I-CompBench (7710d05), configs/Unified_learned_OCIM_R50_6x+2x.yaml of UniDet (5a4d9b3), and for what these
leave out detectron2/config/defaults.py (084acd0).
"""

from dataclasses import dataclass

from tessera.scorers.detection.unidet.settings import Backbone
from tessera.scorers.pictures import Triple


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """The sizes of one detector. Tests make small ones."""

    splits: bool  # ResNeSt instead of ResNet
    blocks: tuple[int, int, int, int]  # of each stage
    stem: int  # channels of the stem; of a ResNeSt half of what it gives
    width: int  # channels inside a block of the first stage, doubled in each next one
    outer: int  # channels that a block of the first stage gives, doubled likewise
    pyramid: int  # channels of the feature pyramid
    norm: bool  # batch normalisation in the pyramid and the heads, instead of a bias
    convs: int  # convolutions of a head; they keep the channels of the pyramid
    linears: int  # layers after them
    hidden: int  # width of these
    classes: int
    mean: Triple  # of the channels in the order that they are fed
    std: Triple


R50 = Design(
    splits=False,
    blocks=(3, 4, 6, 3),
    stem=64,
    width=64,
    outer=256,
    pyramid=256,
    norm=False,
    convs=0,
    linears=2,
    hidden=1024,
    classes=722,
    mean=(103.530, 116.280, 123.675),  # blue, green, red
    std=(1.0, 1.0, 1.0),
)
# These means are in the order red, green, blue, as its configuration says (FORMAT: "RGB"). T2I-CompBench
# feeds blue, green, red all the same (`model.FED`), so red is normalised as blue: reproduced.
RS200 = Design(
    splits=True,
    blocks=(3, 24, 36, 3),
    stem=64,
    width=64,
    outer=256,
    pyramid=256,
    norm=True,
    convs=4,
    linears=1,
    hidden=1024,
    classes=722,
    mean=(123.68, 116.779, 103.939),
    std=(58.393, 57.12, 57.375),
)
DESIGNS: dict[Backbone, Design] = {"r50": R50, "rs200": RS200}
