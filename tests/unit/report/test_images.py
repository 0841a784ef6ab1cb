"""Pictures as bytes: lossless while small, bounded always."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tessera.report.images import MAX_LOSSLESS, contact_sheet, data_uri, png_bytes, shown_bytes


def noise(side: int, sigma: float) -> np.ndarray:
    """Returns a grey picture with noise."""
    rng = np.random.default_rng(0)
    return np.clip(128 + rng.normal(0, sigma, (side, side, 3)), 0, 255).astype(np.uint8)


def decoded(uri: str) -> tuple[str, Image.Image]:
    """Returns the media type and the picture inside a data URI."""
    head, _, body = uri.partition(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(body)))
    return head.removeprefix("data:"), image


def test_png_is_lossless() -> None:
    image_HWC = noise(16, 40)
    assert (np.asarray(Image.open(io.BytesIO(png_bytes(image_HWC)))) == image_HWC).all()


def test_a_small_picture_is_embedded_pixel_for_pixel_from_array_and_file(tmp_path: Path) -> None:
    image_HWC = noise(64, 3)
    path = tmp_path / "x.png"
    path.write_bytes(png_bytes(image_HWC))
    assert data_uri(image_HWC) == data_uri(path)
    media_type, image = decoded(data_uri(path))
    assert media_type in ("image/png", "image/webp")
    assert (np.asarray(image.convert("RGB")) == image_HWC).all()


@pytest.mark.parametrize("side", [128, 512])
def test_a_heavy_picture_is_compressed_and_reduced(side: int) -> None:
    media_type, content = shown_bytes(png_bytes(noise(side, 12)))
    assert media_type == "image/jpeg"
    assert len(content) < 2 * MAX_LOSSLESS
    assert Image.open(io.BytesIO(content)).size == (min(side, 256),) * 2


def test_contact_sheet_places_pictures_row_by_row() -> None:
    images = [np.full((4, 6, 3), 10 * i, dtype=np.uint8) for i in range(5)]
    sheet = contact_sheet(images, columns=3, gap=2)
    assert sheet.shape == (2 * (4 + 2) + 2, 3 * (6 + 2) + 2, 3)
    assert (sheet[2:6, 18:24] == 20).all()  # the third picture
    assert (sheet[8:12, 10:16] == 40).all()  # the fifth
    assert (sheet[:2] == 250).any()  # paper above them


def test_an_empty_contact_sheet_is_refused() -> None:
    with pytest.raises(ValueError, match="needs pictures"):
        contact_sheet([], columns=3)


def test_a_large_picture_of_noise_is_compressed_all_the_same() -> None:
    """It once was not: asked to optimise, Pillow found no room for it in its buffer."""
    noise = np.random.default_rng(0).integers(0, 256, (268, 268, 3), dtype=np.uint8)
    media_type, content = shown_bytes(png_bytes(noise), side=268)
    assert media_type == "image/jpeg"
    assert len(content) > 268 * 268
