"""Pictures of scenes: 128 x 128 RGB, sixteen pixels a patch, antialiased pieces on an off-white page.

Textures are anchored to the pixel grid with a period that divides the patch, so that a piece looks the same
wherever it stands and the number of distinct patches stays small.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tessera.world.scene import COLORS, GRID, SHAPES, SIZES, SPAN, TEXTURES, Look, Scene

PATCH = 16
SIDE = GRID * PATCH
PAGE = (250, 250, 248)
RGB = {
    "red": (214, 40, 40),
    "orange": (247, 127, 0),
    "yellow": (252, 203, 10),
    "green": (38, 150, 72),
    "cyan": (40, 190, 215),
    "blue": (38, 84, 208),
    "purple": (134, 56, 168),
    "black": (38, 38, 46),
}
TINT = 0.62  # share of the page mixed into a texture's light tone
SUPERSAMPLING = 8  # points per pixel and direction for the antialiased outline


@cache
def all_looks() -> tuple[Look, ...]:
    """Returns every look of the world, in a fixed order."""
    return tuple(
        Look(shape, color, texture, size)
        for size in SIZES
        for shape in SHAPES
        for color in COLORS
        for texture in TEXTURES
    )


@cache
def sprite(look: Look) -> NDArray[np.uint8]:
    """Returns the picture of one piece on the page: (side, side, 3) with side = span * PATCH."""
    side = SPAN[look.size] * PATCH
    coverage_HW = _outline(look.shape, side)
    light_HW = _light(look.texture, side)[..., None]
    page = np.array(PAGE, dtype=np.float64)
    dark_tone = np.array(RGB[look.color], dtype=np.float64)
    light_tone = (1 - TINT) * dark_tone + TINT * page
    ink_HWC = dark_tone + light_HW * (light_tone - dark_tone)
    pixels_HWC = page + coverage_HW[..., None] * (ink_HWC - page)
    return np.rint(pixels_HWC).astype(np.uint8)


def render(scene: Scene) -> NDArray[np.uint8]:
    """Returns the picture of a scene, (SIDE, SIDE, 3)."""
    image_HWC = np.empty((SIDE, SIDE, 3), dtype=np.uint8)
    image_HWC[:] = PAGE
    for piece in scene:
        top, left, side = piece.row * PATCH, piece.col * PATCH, piece.span * PATCH
        image_HWC[top : top + side, left : left + side] = sprite(piece.look)
    return image_HWC


def render_batch(scenes: Sequence[Scene]) -> NDArray[np.uint8]:
    """Returns the pictures of many scenes, (B, SIDE, SIDE, 3)."""
    images_BHWC = np.empty((len(scenes), SIDE, SIDE, 3), dtype=np.uint8)
    for image_HWC, scene in zip(images_BHWC, scenes, strict=True):
        image_HWC[:] = render(scene)
    return images_BHWC


@cache
def _light(texture: str, side: int) -> NDArray[np.float64]:
    """Returns how much of each pixel shows the texture's light tone, 0 to 1."""
    fine = side * SUPERSAMPLING
    axis = (np.arange(fine) + 0.5) / SUPERSAMPLING
    x, y = np.meshgrid(axis, axis)
    if texture == "solid":
        light = np.zeros_like(x, dtype=bool)
    elif texture == "striped":
        light = y % 8 >= 4
    elif texture == "checkered":
        light = (x // 8 + y // 8) % 2 == 1
    elif texture == "dotted":
        light = np.hypot(x % 8 - 4, y % 8 - 4) < 2.7
    else:
        raise ValueError(f"texture {texture!r} is none of {TEXTURES}")
    return _shrink(light, side)


@cache
def _outline(shape: str, side: int) -> NDArray[np.float64]:
    """Returns how much of each pixel the shape covers, 0 to 1, for a box of `side` pixels."""
    fine = side * SUPERSAMPLING
    # x to the right and y upwards, both in (-1, 1); shapes stay inside a margin of about one pixel.
    axis = (np.arange(fine) + 0.5) / fine * 2 - 1
    x, y = np.meshgrid(axis / 0.95, -axis / 0.95)
    return _shrink(_inside(shape, x, y), side)


def _shrink(fine: NDArray[np.bool_], side: int) -> NDArray[np.float64]:
    """Returns the share of true points in each pixel."""
    return fine.reshape(side, SUPERSAMPLING, side, SUPERSAMPLING).mean(axis=(1, 3))


def _inside(shape: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    radius = np.hypot(x, y)
    if shape == "circle":
        return radius <= 1
    if shape == "ring":
        return (radius <= 1) & (radius >= 0.5)
    if shape == "square":
        return np.maximum(abs(x), abs(y)) <= 0.92
    if shape == "triangle":
        return (y >= -0.9) & (abs(x) <= (0.98 - y) / 1.88)
    if shape == "star":
        angle = np.arctan2(x, y) % (2 * np.pi / 5) - np.pi / 5  # zero midway between two tips
        # Between a tip (radius 1) and the notch beside it the outline is a straight line.
        notch = 0.44
        tip_x, tip_y = np.sin(np.pi / 5), np.cos(np.pi / 5)
        u, v = radius * np.sin(abs(angle)), radius * np.cos(angle)
        # The line from the notch (0, notch) to the tip (tip_x, tip_y), in the folded wedge.
        return (v - notch) * tip_x <= (tip_y - notch) * u
    if shape == "heart":
        # The sextic heart curve, stretched to fill its box.
        hx, hy = x * 1.14, y * 1.1 + 0.12
        return (hx**2 + hy**2 - 1) ** 3 - hx**2 * hy**3 <= 0
    raise ValueError(f"shape {shape!r} is none of {SHAPES}")
