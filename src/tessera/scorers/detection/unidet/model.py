"""The detector as a module, and the picture as T2I-CompBench feeds it.

As UniDet_eval/experts/model_bank.py and obj_detection/generate_dataset.py (7710d05) have it: torchvision's
Resize(479, max_size=480), which is PIL's bilinear filter; bytes as floats; blue, green, red; less the mean,
over the deviation; then zeros to the right and below to a multiple of 32 (detectron2/modeling/meta_arch/
rcnn.py, 056c4c7). One difference: T2I-CompBench computes in float16 where its GPU may (accelerate's mixed
precision), we in float32. Axes: N boxes, K classes, H W pixels.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import Module

from tessera.scorers.detection.geometry import FRAME
from tessera.scorers.detection.unidet.cascade import Cascade
from tessera.scorers.detection.unidet.design import Design
from tessera.scorers.detection.unidet.fpn import DIVISOR, Pyramid
from tessera.scorers.detection.unidet.proposals import Proposals

# Channels of a picture in the order that they are fed: blue, green, red, to both detectors. RS200 was trained
# on red, green, blue; T2I-CompBench turns the channels all the same, and so do its published numbers.
FED = (2, 1, 0)


class UniDetModel(Module):
    """The detector; its parts are named as in detectron2, and so in its checkpoints."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.backbone = Pyramid(design)
        self.proposal_generator = Proposals(design.pyramid)
        self.roi_heads = Cascade(design)
        self._design = design

    def forward(self, pixels_3HW: Float[Tensor, "3 H W"]) -> tuple[Tensor, Tensor]:
        """Returns boxes_N4 and scores_NK of what may be there; `cascade.chosen` says what is.

        The pixels are 0 to 255, in the order `FED`.
        """
        mean, std = (
            pixels_3HW.new_tensor(each).view(3, 1, 1) for each in (self._design.mean, self._design.std)
        )
        _, height, width = pixels_3HW.shape
        right, below = -width % DIVISOR, -height % DIVISOR
        maps = self.backbone(F.pad((pixels_3HW - mean) / std, (0, right, 0, below))[None])
        boxes_N4 = self.proposal_generator(maps, height, width)
        return self.roi_heads(maps, boxes_N4, height, width)


def frame(width: int, height: int) -> tuple[int, int]:
    """Returns the width and height at which a picture is looked at, as torchvision rounds them."""
    shorter, longer = FRAME
    small, large = min(width, height), max(width, height)
    short, long = shorter, int(shorter * large / small)
    if long > longer:
        short, long = int(longer * short / long), longer
    return (short, long) if width <= height else (long, short)


def fed(image: Image.Image) -> Float[Tensor, "3 H W"]:
    """Returns the picture as the model takes it; no side of its frame may be 0."""
    size = frame(*image.size)
    resized = image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)
    pixels_HW3 = np.asarray(resized.convert("RGB"))[:, :, FED].astype(np.float32)
    return torch.from_numpy(pixels_HW3).permute(2, 0, 1)
