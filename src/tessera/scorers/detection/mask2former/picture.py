"""The picture as GenEval's detector sees it: mmdet 2's test pipeline, pixel for pixel.

Resized with its proportions so that the shorter side is `short`, unless the longer would pass `longest`; each
side rounded as int(x * scale + 0.5) (open-mmlab/mmcv:mmcv/image/geometric.py). Then less the mean and over
the deviation of ImageNet, and only then zeros on the right and at the bottom up to multiples of 32
(open-mmlab/mmdetection:configs/mask2former/mask2former_r50_lsj_8x2_50e_coco.py).

The resize is cv2's INTER_LINEAR for bytes: half-pixel centres, no antialiasing, weights in 1/2048, along the
rows, then down the columns, each product cut by 16 bits (opencv/opencv:modules/imgproc/src/resize.cpp). Here
in the same integers, so bit for bit cv2's, which the tests show by hashes of what cv2 made. Exact arithmetic,
rounded, is a level off at one pixel in eight; PIL's filter averages when it shrinks, another picture.
"""

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from torch import Tensor

from tessera.errors import UserError

MEAN = (123.675, 116.28, 103.53)  # of ImageNet, red, green, blue in 0..255
STD = (58.395, 57.12, 57.375)
STRIDE = 32  # pixels of one place of the coarsest feature map
ONE = 2048  # the weight 1 in cv2's integers


def fitted(height: int, width: int, short: int, longest: int) -> tuple[int, int]:
    """Returns the height and width that the picture is resized to."""
    scale = min(longest / max(height, width), short / min(height, width))
    size = int(height * scale + 0.5), int(width * scale + 0.5)
    if not all(size):
        raise UserError(f"a picture of {height} by {width} pixels is too narrow for the detector")
    return size


def resized(image_HWC: UInt8[ndarray, "H W 3"], height: int, width: int) -> UInt8[ndarray, "h w 3"]:
    """Returns the picture at another size, as cv2.resize with INTER_LINEAR does."""
    left_w, right_w, weight_w = _taps(image_HWC.shape[1], width)
    # Beyond the first and last column cv2 takes that pixel whole; beyond a row it mixes the row with itself,
    # which loses a level to rounding now and then.
    outside = left_w == right_w
    weight_w = np.where(outside, 0, weight_w)[None, :, None]
    wide_HwC = image_HWC.astype(np.int32)
    wide_HwC = wide_HwC[:, left_w] * (ONE - weight_w) + wide_HwC[:, right_w] * weight_w
    upper_h, lower_h, weight_h = _taps(image_HWC.shape[0], height)
    weight_h = weight_h[:, None, None]
    upper_hwC, lower_hwC = (wide_HwC[rows] >> 4 for rows in (upper_h, lower_h))
    sum_hwC = ((upper_hwC * (ONE - weight_h)) >> 16) + ((lower_hwC * weight_h) >> 16)
    return ((sum_hwC + 2) >> 2).astype(np.uint8)


def prepared(
    image_HWC: UInt8[ndarray, "H W 3"], short: int, longest: int
) -> tuple[Float[Tensor, "1 3 h w"], tuple[int, int]]:
    """Returns the picture as the model takes it, and its height and width in there without the padding."""
    height, width = fitted(image_HWC.shape[0], image_HWC.shape[1], short, longest)
    pixels_hwC = torch.from_numpy(resized(image_HWC, height, width)).float()
    pixels_hwC = (pixels_hwC - torch.tensor(MEAN)) / torch.tensor(STD)
    whole_Chw = torch.zeros(3, -(-height // STRIDE) * STRIDE, -(-width // STRIDE) * STRIDE)
    whole_Chw[:, :height, :width] = pixels_hwC.permute(2, 0, 1)
    return whole_Chw[None], (height, width)


def _taps(source: int, target: int) -> tuple[Int[ndarray, " n"], Int[ndarray, " n"], Int[ndarray, " n"]]:
    """Returns of each new place the two old ones it lies between, and the weight of the second."""
    place_n = ((np.arange(target) + 0.5) * (1 / (target / source)) - 0.5).astype(np.float32)
    first_n = np.floor(place_n).astype(np.int32)
    weight_n = np.rint((place_n - first_n.astype(np.float32)) * np.float32(ONE)).astype(np.int32)
    return first_n.clip(0, source - 1), (first_n + 1).clip(0, source - 1), weight_n
