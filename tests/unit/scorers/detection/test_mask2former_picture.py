"""GenEval's picture: sizes by hand, pixels by hashes of what cv2 made, and exact arithmetic beside them."""

import hashlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy import ndarray

from tessera.errors import UserError
from tessera.scorers.detection.mask2former.picture import fitted, prepared, resized

# Of cv2.resize(pattern, (width, height), interpolation=cv2.INTER_LINEAR), opencv-python-headless 4.11.0.86;
# the same with 5.0.0.93.
CV2 = [
    ((128, 128), (800, 800), "9e01eb5d59868447"),
    ((384, 384), (800, 800), "31378e6752c26676"),
    ((1024, 1024), (800, 800), "40b3f43835499c69"),
    ((1600, 1600), (800, 800), "2725190ceeff5d1f"),
    ((333, 517), (800, 1242), "591e3ebc285401f4"),
    ((1000, 300), (1333, 400), "fc13f67bb2a0318a"),
]


def pattern(height: int, width: int) -> ndarray:
    """Returns a picture that is the same everywhere."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((y * y * 7 + x * x * 3 + x * y * 5 + c * 83 + y * 31 + x * 17) % 256).astype(np.uint8)


@pytest.mark.parametrize(("size", "target", "expected"), CV2)
def test_a_resized_picture_is_cv2s_bit_for_bit(
    size: tuple[int, int], target: tuple[int, int], expected: str
) -> None:
    assert fitted(*size, 800, 1333) == target
    ours = resized(pattern(*size), *target)
    assert hashlib.sha256(np.ascontiguousarray(ours).tobytes()).hexdigest()[:16] == expected


@pytest.mark.parametrize("target", [(32, 41), (5, 4), (7, 9), (60, 3), (1, 1)])
def test_a_resized_picture_is_at_most_a_level_from_exact_arithmetic(target: tuple[int, int]) -> None:
    image = pattern(7, 9)
    exact = torch.from_numpy(image).permute(2, 0, 1)[None].double()
    exact = F.interpolate(exact, size=target, mode="bilinear", align_corners=False)[0].permute(1, 2, 0)
    assert np.abs(resized(image, *target) - exact.numpy()).max() < 1.01


def test_a_picture_of_the_right_size_stays_as_it_is() -> None:
    assert (resized(pattern(80, 50), 80, 50) == pattern(80, 50)).all()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((384, 384), (800, 800)),
        ((480, 640), (800, 1067)),  # 1066.67
        ((300, 1000), (400, 1333)),  # the longer side decides: 399.9
        ((1000, 300), (1333, 400)),
        ((768, 1365), (750, 1333)),  # 749.99
        ((1600, 1001), (1279, 800)),  # 1278.72
    ],
)
def test_the_size_is_the_one_worked_out_by_hand(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fitted(*size, 800, 1333) == expected


def test_a_picture_that_would_vanish_is_refused() -> None:
    with pytest.raises(UserError, match="a picture of 1 by 4000 pixels is too narrow"):
        fitted(1, 4000, 800, 1333)


def test_the_padding_is_zero_after_the_mean_is_taken_off_and_red_comes_first() -> None:
    image = np.zeros((40, 50, 3), dtype=np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 255, 100, 7
    pixels, inner = prepared(image, 40, 50)
    assert inner == (40, 50)
    assert pixels.shape == (1, 3, 64, 64)
    for channel, value in enumerate(
        [(255 - 123.675) / 58.395, (100 - 116.28) / 57.12, (7 - 103.53) / 57.375]
    ):
        assert torch.allclose(pixels[0, channel, :40, :50], torch.tensor(value), atol=1e-6)
    assert not pixels[:, :, 40:].any()
    assert not pixels[:, :, :, 50:].any()


def test_a_multiple_of_32_is_not_padded() -> None:
    assert prepared(pattern(64, 96), 64, 96)[0].shape == (1, 3, 64, 96)
