"""ResNet as detectron2 has it for weights that came from Caffe: the stride sits in a block's first layer.

facebookresearch/detectron2:detectron2/modeling/backbone/resnet.py (0af9299), layers/batch_norm.py (047d477).
The layers here are also those of the rest of the detector. Axes: B pictures, C D channels, H W cells.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.nn import Module, Parameter, Sequential

EPSILON = 1e-5  # of a normalisation's variance
STAGES = 4

Maps = Float[Tensor, "B C H W"]
BlockOf = Callable[[int, int, int, int], Module]  # of channels in, inside and out, and stride


class Norm(Module):
    """Batch normalisation by fixed statistics: detectron2's FrozenBN, and its SyncBN once trained."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.empty(channels))

    def forward(self, maps_BCHW: Maps) -> Maps:
        """Returns the maps, normalised."""
        return F.batch_norm(
            maps_BCHW, self.running_mean, self.running_var, self.weight, self.bias, eps=EPSILON
        )


class Conv(Module):
    """A convolution, perhaps normalised; it keeps the size but for its stride. Its weights come later."""

    def __init__(
        self,
        inner: int,
        outer: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.weight = Parameter(torch.empty(outer, inner // groups, kernel, kernel))
        self.bias = Parameter(torch.empty(outer)) if bias else None
        self.norm = Norm(outer) if norm else None
        self._stride, self._padding, self._groups = stride, kernel // 2, groups

    def forward(self, maps_BCHW: Maps) -> Float[Tensor, "B D H2 W2"]:
        """Returns the maps, convolved."""
        made = F.conv2d(maps_BCHW, self.weight, self.bias, self._stride, self._padding, groups=self._groups)
        return made if self.norm is None else self.norm(made)


class Stem(Module):
    """The first layers: a quarter of the picture's size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = Conv(3, channels, 7, stride=2, norm=True)

    def forward(self, pixels_B3HW: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D H2 W2"]:
        """Returns the first maps."""
        return F.max_pool2d(F.relu(self.conv1(pixels_B3HW)), kernel_size=3, stride=2, padding=1)


class Bottleneck(Module):
    """One block: narrow, look around, widen, and add what came in."""

    def __init__(self, inner: int, width: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = Conv(inner, width, 1, stride=stride, norm=True)
        self.conv2 = Conv(width, width, 3, norm=True)
        self.conv3 = Conv(width, outer, 1, norm=True)
        self.shortcut = Conv(inner, outer, 1, stride=stride, norm=True) if inner != outer else None

    def forward(self, maps_BCHW: Maps) -> Float[Tensor, "B D H2 W2"]:
        """Returns the block's maps."""
        made = F.relu(self.conv2(F.relu(self.conv1(maps_BCHW))))
        short = maps_BCHW if self.shortcut is None else self.shortcut(maps_BCHW)
        return F.relu(self.conv3(made) + short)


class BottomUp(Module):
    """A stem and four stages, each but the first at half the size of the one before."""

    def __init__(self, stem: Module, stages: Sequence[Module]) -> None:
        super().__init__()
        self.stem = stem
        self.res2, self.res3, self.res4, self.res5 = stages

    def forward(self, pixels_B3HW: Float[Tensor, "B 3 H W"]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the maps of the last three stages: an 8th, a 16th and a 32nd of the picture's size."""
        third = self.res3(self.res2(self.stem(pixels_B3HW)))
        fourth = self.res4(third)
        return third, fourth, self.res5(fourth)


def stages(block: BlockOf, blocks: Sequence[int], inner: int, width: int, outer: int) -> list[Sequential]:
    """Returns the stages of so many blocks each, after a stem that gives `inner` channels."""
    made = []
    for stage, count in enumerate(blocks):
        row = []
        for place in range(count):
            stride = 2 if stage > 0 and place == 0 else 1
            row.append(block(inner, width << stage, outer << stage, stride))
            inner = outer << stage
        made.append(Sequential(*row))
    return made


def resnet(blocks: Sequence[int], stem: int, width: int, outer: int) -> BottomUp:
    """Returns a ResNet; its weights are to be filled."""
    return BottomUp(Stem(stem), stages(Bottleneck, blocks, stem, width, outer))
