"""ResNeSt (arXiv 2004.08955): a ResNet whose blocks weigh two readings of each channel against one another.

Radix 2, one group, deep stem, averages instead of strides:
Karine-Huang/T2I-CompBench:UniDet_eval/experts/obj_detection/unidet/modeling/backbone/{resnest,splat}.py
(7710d05), from chongruo/detectron2-ResNeSt. Axes: B pictures, C D channels, R readings, H W cells.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.nn import Module

from tessera.scorers.detection.unidet.resnet import BottomUp, Conv, Maps, Norm, stages

RADIX = 2  # readings
NARROWED = 4  # the channels of all readings over those between the two layers that weigh them
NARROWEST = 32  # channels there at least


class DeepStem(Module):
    """The first layers: a quarter of the picture's size; gives twice `channels`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1_1 = Conv(3, channels, 3, stride=2, norm=True)
        self.conv1_2 = Conv(channels, channels, 3, norm=True)
        self.conv1_3 = Conv(channels, 2 * channels, 3, norm=True)

    def forward(self, pixels_B3HW: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D H2 W2"]:
        """Returns the first maps."""
        made = pixels_B3HW
        for conv in (self.conv1_1, self.conv1_2, self.conv1_3):
            made = F.relu(conv(made))
        return F.max_pool2d(made, kernel_size=3, stride=2, padding=1)


class SplitAttention(Module):
    """Reads its maps twice, and mixes the readings of each channel by weights seen from the whole picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        between = max(channels * RADIX // NARROWED, NARROWEST)
        self.conv = Conv(channels, channels * RADIX, 3, groups=RADIX)
        self.bn0 = Norm(channels * RADIX)
        self.fc1 = Conv(channels, between, 1, bias=True)
        self.bn1 = Norm(between)
        self.fc2 = Conv(between, channels * RADIX, 1, bias=True)

    def forward(self, maps_BCHW: Maps) -> Maps:
        """Returns the mixed maps."""
        readings_BRCHW = F.relu(self.bn0(self.conv(maps_BCHW))).unflatten(1, (RADIX, -1))
        whole_BC11 = readings_BRCHW.sum(1).mean((2, 3), keepdim=True)
        weights = self.fc2(F.relu(self.bn1(self.fc1(whole_BC11))))
        return (weights.unflatten(1, (RADIX, -1)).softmax(1) * readings_BRCHW).sum(1)


class SplitBlock(Module):
    """One block. A stride is an average over its cells: after the mixing, and before the shortcut."""

    def __init__(self, inner: int, width: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = Conv(inner, width, 1, norm=True)
        self.conv2 = SplitAttention(width)
        self.conv3 = Conv(width, outer, 1, norm=True)
        self.shortcut = Conv(inner, outer, 1, norm=True) if inner != outer else None
        self._stride = stride

    def forward(self, maps_BCHW: Maps) -> Float[Tensor, "B D H2 W2"]:
        """Returns the block's maps."""
        made, short = self.conv2(F.relu(self.conv1(maps_BCHW))), maps_BCHW
        if self._stride > 1:
            made = F.avg_pool2d(made, kernel_size=3, stride=self._stride, padding=1)
            short = F.avg_pool2d(short, self._stride, self._stride, ceil_mode=True, count_include_pad=False)
        if self.shortcut is not None:
            short = self.shortcut(short)
        return F.relu(self.conv3(made) + short)


def resnest(blocks: Sequence[int], stem: int, width: int, outer: int) -> BottomUp:
    """Returns a ResNeSt; its weights are to be filled."""
    return BottomUp(DeepStem(stem), stages(SplitBlock, blocks, 2 * stem, width, outer))
