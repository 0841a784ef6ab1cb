"""Our depth maps against transformers' own image processor, and its model at 480 pixels without our change.

The model is the real class, tiny and random; no published checkpoint was at hand, so this shows the picture's
and the map's way through, not published numbers.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor
from transformers import DPTImageProcessorPil

from tessera.scorers.depth.dpt import Depth, prepared, read_model
from tessera.scorers.depth.settings import DepthSettings
from tessera.scorers.placed import Placement
from tests.outside import example_pictures
from tests.unit.scorers.depth import tiny


def picture(height: int, width: int) -> UInt8[ndarray, "H W 3"]:
    """Returns a picture with smooth and sharp parts."""
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image[: height // 2] = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None]
    return image


def triangles(size: int, new: int) -> Float[ndarray, "new size"]:
    """Returns the matrix that resizes a line: the triangle widened by the scale where pixels become fewer."""
    scale = size / new
    wide = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale
    weights = np.maximum(0, 1 - np.abs(np.arange(size)[None] + 0.5 - centres[:, None]) / wide)
    return weights / weights.sum(1, keepdims=True)


SIZES = [(128, 128), (480, 480), (1024, 1024), (60, 44), (300, 1000)]


@pytest.mark.parametrize("size", SIZES)
def test_the_picture_is_squashed_smoothly_and_brought_to_minus_one_and_one(size: tuple[int, int]) -> None:
    """PIL rounds to bytes after each of its two passes: at most a level or so from exact arithmetic."""
    image = picture(*size)
    rows = np.tensordot(triangles(size[0], 480), image.astype(np.float64), axes=(1, 0))
    exact = np.tensordot(rows, triangles(size[1], 480), axes=(1, 1)).transpose(0, 2, 1) / 127.5 - 1
    ours = prepared([image])[0].permute(1, 2, 0).double().numpy()
    assert np.abs(ours - exact).max() < 1.5 / 127.5


def their_pixels(image: Image.Image) -> Float[Tensor, "1 3 480 480"]:
    processor = DPTImageProcessorPil(
        size={"height": 480, "width": 480},
        resample=Image.Resampling.BILINEAR,
        keep_aspect_ratio=False,
        ensure_multiple_of=1,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return processor(images=image, return_tensors="pt")["pixel_values"]


@pytest.mark.parametrize("size", SIZES)
def test_the_picture_is_prepared_as_transformers_does_when_told_the_same(size: tuple[int, int]) -> None:
    image = picture(*size)
    assert (prepared([image]) - their_pixels(Image.fromarray(image))).abs().max() < 1e-5


def test_real_pictures_are_prepared_as_transformers_does() -> None:
    for path in example_pictures():
        image = Image.open(path).convert("RGB")
        assert (prepared([np.asarray(image)]) - their_pixels(image)).abs().max() < 1e-5


def stretched(grid_DHW: Float[ndarray, "D H W"], side: int) -> Float[ndarray, "D side side"]:
    """Returns position embeddings at another size: bilinear between pixel centres, the edge kept."""
    _, _, size = grid_DHW.shape
    place = np.clip((np.arange(side) + 0.5) * size / side - 0.5, 0, size - 1)
    first = np.minimum(place.astype(int), size - 2)
    part = place - first
    lines = grid_DHW[:, first] * (1 - part)[:, None] + grid_DHW[:, first + 1] * part[:, None]
    return lines[:, :, first] * (1 - part) + lines[:, :, first + 1] * part


def test_a_map_is_the_answer_of_a_model_that_was_made_for_480_pixels(tmp_path: Path) -> None:
    """Of the same weights, its position embeddings stretched by hand; so its own check of sizes is passed."""
    made = tiny.model()
    made.save_pretrained(tmp_path)
    larger, state = tiny.model(side=480), made.state_dict()
    name = "dpt.embeddings.position_embeddings"
    old = state[name][0].double().numpy()
    grid = old[1:].reshape(4, 4, -1).transpose(2, 0, 1)
    spread = stretched(grid, 30).transpose(1, 2, 0).reshape(900, -1)
    state[name] = torch.from_numpy(np.concatenate([old[:1], spread])).float()[None]
    larger.load_state_dict(state)
    image = picture(60, 44)
    with torch.no_grad():
        near = larger(pixel_values=their_pixels(Image.fromarray(image))).predicted_depth[0].double().numpy()
    expected = (near - near.min()) / (near.max() - near.min()) * 255
    [ours] = Depth(DepthSettings(weights=str(tmp_path), place=Placement(device="cpu"))).maps(image[None])
    # Cut to whole levels: never above, and less than one below (both to rounding).
    assert (expected - ours).min() > -0.01
    assert (expected - ours).max() < 1.01
    assert np.std(expected) > 10


def test_a_model_that_is_no_hybrid_takes_480_pixels_too(tmp_path: Path) -> None:
    plain = read_model(tiny.save(tmp_path, hybrid=False))
    with torch.no_grad():
        near = plain(pixel_values=prepared([picture(60, 44)])).predicted_depth
    assert near.shape == (1, 480, 480)
