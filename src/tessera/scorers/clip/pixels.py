"""Pictures as the CLIP scorers' published pipelines prepare them; they differ in small ways that are kept.

- `torchvision` (OpenAI's and open_clip's transforms; the LAION predictor): PIL, bicubic, the shorter edge to
  the model's size, the middle square.
- `processor` (transformers' CLIPImageProcessor, for PickScore): the same, but an odd margin of the crop is
  rounded down, not to even: one pixel aside for some pictures that are not square.
- `tensor` (HPSv2): the floating-point tensor is resized, so nothing is rounded to 8 bits and nothing is
  clamped. torchvision smooths here since 0.17 and did not before; published numbers exist from both. Ours
  smooths, as T2I-R1's (torch 2.5) does. On the four example pictures of ImageReward, 512 to 224 pixels, PIL
  then is 0.28/255 away on average and 2.1/255 at most; unsmoothed it is 2.3 and 79.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from tessera.scorers.pictures import CLIP_MEAN, CLIP_STD, centre_crop, normalised, shortest_edge, to_pil

Pipeline = Literal["torchvision", "processor", "tensor"]


def prepared(
    pipeline: Pipeline, images_BHWC: UInt8[ndarray, "B H W 3"], side: int
) -> Float[Tensor, "B 3 side side"]:
    """Returns the pictures at the model's size, normalised by CLIP's mean and deviation."""
    match pipeline:
        case "torchvision":
            images = [centre_crop(shortest_edge(to_pil(image), side), side) for image in images_BHWC]
            return normalised(images, CLIP_MEAN, CLIP_STD)
        case "processor":
            edges = [shortest_edge(to_pil(image), side) for image in images_BHWC]
            images = [centre_crop(image, side, down=True) for image in edges]
            return normalised(images, CLIP_MEAN, CLIP_STD)
        case "tensor":
            return _resized_as_tensor(images_BHWC, side)


def _resized_as_tensor(images_BHWC: UInt8[ndarray, "B H W 3"], side: int) -> Float[Tensor, "B 3 side side"]:
    pixels_B3HW = torch.from_numpy(images_BHWC.copy()).permute(0, 3, 1, 2).float() / 255
    height, width = pixels_B3HW.shape[-2:]
    short, long = min(height, width), max(height, width)
    longer = int(side * long / short)  # torchvision rounds down
    if short != side:
        size = (longer, side) if width <= height else (side, longer)
        pixels_B3HW = F.interpolate(pixels_B3HW, size, mode="bicubic", align_corners=False, antialias=True)
    top, left = (round((edge - side) / 2) for edge in pixels_B3HW.shape[-2:])
    pixels_B3HW = pixels_B3HW[..., top : top + side, left : left + side]
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (CLIP_MEAN, CLIP_STD))
    return (pixels_B3HW - mean) / std
