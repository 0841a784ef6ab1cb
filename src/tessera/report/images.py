"""Pictures as bytes: PNG, data URIs for pages that stand alone, contact sheets.

Axes: H W pixels, channels last.
"""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

# Pages show pictures at 128 CSS pixels; twice that is all that a dense screen can show.
SHOWN_SIDE = 256
# A page holds about a hundred pictures and shall open on a phone; above this size a picture is compressed.
MAX_LOSSLESS = 20_000  # bytes
PAPER = (250, 250, 248)  # off-white, between and around pictures


def png_bytes(image_HWC: UInt8[ndarray, "H W 3"]) -> bytes:
    """Returns the picture as a PNG file, lossless."""
    return _encoded(Image.fromarray(image_HWC), "PNG")


def shown_bytes(png: bytes, side: int = SHOWN_SIDE) -> tuple[str, bytes]:
    """Returns (media type, bytes) of a picture file as a page embeds it.

    Pictures wider or higher than `side` are reduced. The result is lossless (PNG or WebP, the smaller one) as
    long as it is small, else a fine JPEG with colours at full resolution: edges of colour stay sharp.
    """
    with Image.open(io.BytesIO(png)) as opened:
        image = opened.convert("RGB")
    if max(image.size) > side:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        png = _encoded(image, "PNG")
    webp = _encoded(image, "WEBP", lossless=True)
    if min(len(png), len(webp)) > MAX_LOSSLESS:
        # Not `optimize`: Pillow gives that one buffer of a byte per pixel, and noise does not fit into it.
        return "image/jpeg", _encoded(image, "JPEG", quality=90, subsampling=0)
    return ("image/webp", webp) if len(webp) < len(png) else ("image/png", png)


def data_uri(picture: UInt8[ndarray, "H W 3"] | Path, side: int = SHOWN_SIDE) -> str:
    """Returns a picture, from pixels or from a file, as a URI that holds all of it (see `shown_bytes`)."""
    png = picture.read_bytes() if isinstance(picture, Path) else png_bytes(picture)
    media_type, content = shown_bytes(png, side)
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def contact_sheet(
    images: Sequence[UInt8[ndarray, "H W 3"]], columns: int, gap: int = 4
) -> UInt8[ndarray, "_ _ 3"]:
    """Returns the pictures, all of one size, side by side in rows of `columns`, `gap` pixels apart."""
    if not images or columns < 1:
        raise ValueError(f"a contact sheet needs pictures and columns, got {len(images)} and {columns}")
    height, width, _ = images[0].shape
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = np.empty((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), dtype=np.uint8)
    sheet[:] = PAPER
    for index, image_HWC in enumerate(images):
        top = gap + index // columns * (height + gap)
        left = gap + index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image_HWC
    return sheet


def _encoded(image: Image.Image, kind: str, **options: bool | int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
