"""What the models are shown: pixels, and the published words."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from tessera.scorers.pictures import HALF, normalised, padded, squashed, to_pil
from tessera.scorers.vlm import questions
from tessera.scorers.vlm.hpsv3 import PIXELS
from tessera.scorers.vlm.orm import GREY
from tests.unit.scorers.vlm import reference, tiny

Pictures = Callable[[], list[NDArray[np.uint8]]]


def odd() -> list[NDArray[np.uint8]]:
    return [tiny.pictures(1, *sides)[0] for sides in ((61, 97), (384, 384), (500, 33), (28, 28), (449, 447))]


SOURCES = pytest.mark.parametrize("source", [odd, tiny.real_pictures], ids=["odd sizes", "real pictures"])


@SOURCES
@pytest.mark.parametrize(("least", "most"), [(3136, 12544), (PIXELS, PIXELS)], ids=["qwen", "hpsv3"])
def test_qwen_sees_the_patches_of_an_independent_preprocessing(
    source: Pictures, least: int, most: int
) -> None:
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": least, "longest_edge": most})
    for image in source():
        seen = processor([to_pil(image)], return_tensors="pt")
        patches_NC, rows, columns = reference.qwen_patches(image, least, most)
        assert seen["image_grid_thw"].tolist() == [[1, rows, columns]]
        torch.testing.assert_close(seen["pixel_values"], patches_NC, atol=1e-5, rtol=0)


def resized(pixels_13HW: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Returns torch's antialiased bicubic resize, rounded to bytes as PIL rounds after each pass."""
    seen = F.interpolate(pixels_13HW, (height, width), mode="bicubic", antialias=True)
    return seen.round().clamp(0, 255)


@SOURCES
def test_the_orm_sees_a_grey_square(source: Pictures) -> None:
    """Against numpy's padding and torch's resize, first across, then down."""
    for image in source():
        height, width, _ = image.shape
        side = max(height, width)
        square = np.full((side, side, 3), 127, dtype=np.uint8)
        square[(side - height) // 2 :, (side - width) // 2 :][:height, :width] = image
        pixels = torch.from_numpy(square).permute(2, 0, 1)[None].float()
        expected = resized(resized(pixels, side, 384), 384, 384)
        seen = normalised([squashed(padded(to_pil(image), GREY), 384)], HALF, HALF)
        off = ((seen + 1) * 127.5 - expected).abs()
        assert off.mean() < 0.05
        assert off.max() < 2.01


@pytest.mark.parametrize(
    ("question", "fingerprint"),
    [
        (questions.ELEMENTS, "f56f919ce3bc6aab"),
        (questions.OVERALL, "bb5823f33a1fda4c"),
        (questions.PAIR, "0fd2f5c43a065165"),
        (questions.VQA, "62f2d2261ae08ded"),
        (questions.ORM, "5648e5823e03695a"),
        (questions.hps_v3(), "e61d58f3c7d3be65"),
    ],
)
def test_the_published_words_stay_as_they_are(question: str, fingerprint: str) -> None:
    """Each was compared with its source, character by character; a stray change would move every score."""
    assert hashlib.sha256(question.encode()).hexdigest()[:16] == fingerprint


def test_braces_in_a_prompt_are_words() -> None:
    assert 'show "a {cat} {0}"?' in questions.VQA.format(prompt="a {cat} {0}")
