"""Pictures as outside models expect them: PIL's filters, the crops of the published pipelines, one tensor.

torchvision's transforms are what the published pipelines name; on PIL pictures they call PIL, so the same
calls with the same rounding give the same pixels without it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

Triple = tuple[float, float, float]

CLIP_MEAN: Triple = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Triple = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)
HALF: Triple = (0.5, 0.5, 0.5)  # mean and standard deviation of SigLIP


def to_pil(image_HWC: UInt8[ndarray, "H W 3"]) -> Image.Image:
    """Returns the picture as PIL's."""
    return Image.fromarray(image_HWC)


def shortest_edge(
    image: Image.Image, size: int, resample: Image.Resampling = Image.Resampling.BICUBIC
) -> Image.Image:
    """Returns the picture with its shorter edge at `size`, the longer one rounded down (torchvision)."""
    width, height = image.size
    short, long = min(width, height), max(width, height)
    if short == size:
        return image
    longer = int(size * long / short)
    return image.resize((size, longer) if width <= height else (longer, size), resample)


def centre_crop(image: Image.Image, size: int, *, down: bool = False) -> Image.Image:
    """Returns the middle square; half a pixel of offset goes to even as in torchvision, or down.

    transformers' processors round it down: one pixel aside for some pictures that are not square.
    """
    width, height = image.size
    left, top = ((edge - size) // 2 if down else round((edge - size) / 2) for edge in (width, height))
    return image.crop((left, top, left + size, top + size))  # beyond the edge PIL gives black


def squashed(
    image: Image.Image, size: int, resample: Image.Resampling = Image.Resampling.BICUBIC
) -> Image.Image:
    """Returns the whole picture as a square, its proportions lost."""
    return image.resize((size, size), resample)


def padded(image: Image.Image, rgb: tuple[int, int, int]) -> Image.Image:
    """Returns the picture in the middle of a square of one colour."""
    side = max(image.size)
    square = Image.new("RGB", (side, side), rgb)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def normalised(images: Sequence[Image.Image], mean: Triple, std: Triple) -> Float[Tensor, "B 3 H W"]:
    """Returns pictures of one size as a tensor: in [0, 1], then less the mean, over the deviation."""
    pixels_BHWC = np.stack([np.asarray(image.convert("RGB")) for image in images])
    pixels_B3HW = torch.from_numpy(pixels_BHWC).permute(0, 3, 1, 2).float() / 255
    return (pixels_B3HW - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
