"""Pictures as ImageReward and BLIP-VQA see them, against torch's own antialiased resize."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tessera.scorers.blip import imagereward, vqa
from tests.unit.scorers.blip.tiny import pictures, real_pictures

# As published with CLIP; written here once more, so that a slip in the code shows.
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
DEVIATION = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)

ODD = [(300, 301), (225, 411), (640, 223), (150, 97)]  # height, width


def resized(image_HWC: NDArray[np.uint8], height: int, width: int) -> Tensor:
    """Returns the picture at another size, in [0, 1], by an implementation that is not PIL's."""
    pixels = torch.from_numpy(image_HWC.copy()).permute(2, 0, 1)[None].float()
    bicubic = F.interpolate(pixels, (height, width), mode="bicubic", antialias=True)
    return bicubic[0].clamp(0, 255).round() / 255


def cropped(image_HWC: NDArray[np.uint8], side: int) -> Tensor:
    """Returns shorter edge and centre crop, as torchvision documents them."""
    height, width = image_HWC.shape[:2]
    if width <= height:
        new_height, new_width = int(side * height / width), side
    else:
        new_height, new_width = side, int(side * width / height)
    top, left = round((new_height - side) / 2), round((new_width - side) / 2)
    return resized(image_HWC, new_height, new_width)[:, top : top + side, left : left + side]


def check_close(got: Tensor, expected: Tensor) -> None:
    """PIL rounds between its two passes; apart from that they are the same filter."""
    steps = ((got * DEVIATION + MEAN) - expected).abs() * 255
    assert steps.mean() < 0.5
    assert steps.max() < 3


@pytest.mark.parametrize(("height", "width"), ODD)
def test_image_reward_sees_the_middle_square(height: int, width: int) -> None:
    image = pictures(1, height, width)
    check_close(imagereward.preprocessed(image, 224)[0], cropped(image[0], 224))


@pytest.mark.parametrize(("height", "width"), ODD)
@pytest.mark.parametrize("side", [480, 384])
def test_blip_vqa_sees_the_whole_picture_squashed(height: int, width: int, side: int) -> None:
    image = pictures(1, height, width)
    check_close(vqa.preprocessed(image, side)[0], resized(image[0], side, side))


def test_real_pictures_come_out_the_same() -> None:
    for image in real_pictures():
        image_HWC = np.asarray(image)
        check_close(imagereward.preprocessed(image_HWC[None], 224)[0], cropped(image_HWC, 224))
        check_close(vqa.preprocessed(image_HWC[None], 480)[0], resized(image_HWC, 480, 480))
        narrow = np.ascontiguousarray(image_HWC[:, 100:401])
        check_close(imagereward.preprocessed(narrow[None], 224)[0], cropped(narrow, 224))
