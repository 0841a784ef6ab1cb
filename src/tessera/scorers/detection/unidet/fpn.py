"""The feature pyramid: five maps of one width, from an 8th to a 128th of the picture's size.

facebookresearch/detectron2:detectron2/modeling/backbone/fpn.py (0627aca), with two coarser maps made from
the pyramid's own P5: T2I-CompBench:UniDet_eval/experts/obj_detection/unidet/modeling/backbone/fpn_p5.py
(7710d05). Axes: B pictures, C channels, H W cells.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.nn import Module

from tessera.scorers.detection.unidet.design import Design
from tessera.scorers.detection.unidet.resnest import resnest
from tessera.scorers.detection.unidet.resnet import Conv, Maps, resnet

STRIDES = (8, 16, 32, 64, 128)  # pixels of a cell
DIVISOR = 32  # a picture is padded to a multiple of it, so that a map is half of the next finer one


class TopBlock(Module):
    """Two coarser maps."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.p6 = Conv(channels, channels, 3, stride=2, bias=True)
        self.p7 = Conv(channels, channels, 3, stride=2, bias=True)

    def forward(self, fifth_BCHW: Maps) -> list[Tensor]:
        """Returns P6 and P7 of P5."""
        sixth = self.p6(fifth_BCHW)
        return [sixth, self.p7(F.relu(sixth))]


class Pyramid(Module):
    """The backbone as a whole."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        grown = resnest if design.splits else resnet
        self.bottom_up = grown(design.blocks, design.stem, design.width, design.outer)
        for level in (3, 4, 5):
            inner, channels = design.outer << (level - 2), design.pyramid
            ends = {"bias": not design.norm, "norm": design.norm}
            self.add_module(f"fpn_lateral{level}", Conv(inner, channels, 1, **ends))
            self.add_module(f"fpn_output{level}", Conv(channels, channels, 3, **ends))
        self.top_block = TopBlock(design.pyramid)

    def forward(self, pixels_B3HW: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Returns P3 to P7; height and width must be multiples of `DIVISOR`."""
        finest_first: list[Tensor] = []
        above: Tensor | None = None
        for level, maps in zip((5, 4, 3), reversed(self.bottom_up(pixels_B3HW)), strict=True):
            made: Tensor = self.get_submodule(f"fpn_lateral{level}")(maps)
            if above is not None:
                made = made + F.interpolate(above, scale_factor=2, mode="nearest")
            above = made
            finest_first.insert(0, self.get_submodule(f"fpn_output{level}")(made))
        return [*finest_first, *self.top_block(finest_first[-1])]
