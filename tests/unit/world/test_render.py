"""Pictures: a piece looks the same everywhere, stays in its box, fills it, and looks like no other."""

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from tessera.world.render import (
    PAGE,
    PATCH,
    RGB,
    SIDE,
    all_looks,
    render,
    render_batch,
    sprite,
)
from tessera.world.scene import (
    COLORS,
    GRID,
    SHAPES,
    SIZES,
    SPAN,
    TEXTURES,
    Look,
    Piece,
    place,
    random_look,
)
from tessera.world.verify import INK, MIN_INK

IMAGES = NDArray[np.uint8]


def _crop(image_HWC: IMAGES, piece: Piece) -> IMAGES:
    top, left, side = piece.row * PATCH, piece.col * PATCH, piece.span * PATCH
    return image_HWC[top : top + side, left : left + side]


def _distances(size: str) -> tuple[list[Look], NDArray[np.float64]]:
    """Returns the looks of a size and the root mean square difference of each two of their sprites."""
    looks = [look for look in all_looks() if look.size == size]
    flat_ND = np.stack([sprite(look).reshape(-1) for look in looks]).astype(np.float64) - 128
    square_NN = np.square(flat_ND).sum(1)[:, None] + np.square(flat_ND).sum(1) - 2 * flat_ND @ flat_ND.T
    return looks, np.sqrt(np.maximum(square_NN, 0) / flat_ND.shape[1])


def test_every_look_of_the_world_is_listed_once() -> None:
    looks = all_looks()
    assert len(looks) == len(set(looks)) == len(SHAPES) * len(COLORS) * len(TEXTURES) * len(SIZES) == 384


@pytest.mark.parametrize("texture", TEXTURES)
@pytest.mark.parametrize("size", SIZES)
def test_a_piece_looks_the_same_at_every_place(texture: str, size: str) -> None:
    look = Look("ring", "blue", texture, size)
    for row in range(GRID - SPAN[size] + 1):
        for col in range(GRID - SPAN[size] + 1):
            piece = Piece(look, row, col)
            assert (_crop(render((piece,)), piece) == sprite(look)).all()


@pytest.mark.parametrize("texture", TEXTURES)
def test_a_texture_repeats_with_a_period_that_divides_the_patch(texture: str) -> None:
    """So the inside of a piece is the same few patches everywhere, which a tokenizer can learn."""
    image = sprite(Look("square", "red", texture, "large"))
    inside = image[8:40, 8:40].astype(int)  # two patches square, clear of the outline
    assert (inside[:16, :16] == inside[16:, 16:]).all()
    assert (inside[:16, :16] == inside[:16, 16:]).all()
    small = sprite(Look("square", "red", texture, "small"))
    assert (small[8:24, 8:24] == image[8:24, 8:24]).all()


def test_there_is_no_ink_outside_of_the_boxes() -> None:
    rng = random.Random(1)
    for _ in range(200):
        scene = place([random_look(rng) for _ in range(rng.randint(1, 4))], rng)
        image = render(scene)
        for piece in scene:
            _crop(image, piece)[:] = PAGE
        assert (image == np.array(PAGE)).all()


def test_every_piece_reaches_the_patches_of_all_four_sides_of_its_box() -> None:
    """Else a large piece would be read as a smaller blot. Twice the ink that the verifier needs, at least."""
    for look in all_looks():
        n, per_patch = SPAN[look.size], PATCH // 2
        blocks = sprite(look).astype(float).reshape(n * per_patch, 2, n * per_patch, 2, 3).mean(axis=(1, 3))
        inked = np.abs(blocks - np.array(PAGE)).sum(axis=-1) > INK
        count = inked.reshape(n, per_patch, n, per_patch).sum(axis=(1, 3))
        sides = [count[0].max(), count[-1].max(), count[:, 0].max(), count[:, -1].max()]
        assert min(sides) >= 2 * MIN_INK, look


@pytest.mark.parametrize(("size", "smallest"), [("small", 16.8), ("large", 17.7)])
def test_the_likest_two_pieces_differ_by_twice_what_noise_or_a_tokenizer_does(
    size: str, smallest: float
) -> None:
    """Levels of 255, root mean square. The likest are an orange and a yellow star of one pattern.

    A reading goes wrong only if an error reaches half of this *in the direction of the other sprite*: white
    noise of sigma 8 does so with a deviation of 8 / sqrt(3072) = 0.15.
    """
    looks, distance_NN = _distances(size)
    np.fill_diagonal(distance_NN, np.inf)
    at = np.unravel_index(distance_NN.argmin(), distance_NN.shape)
    assert distance_NN[at] > smallest
    assert {(looks[i].shape, looks[i].color) for i in at} == {("star", "orange"), ("star", "yellow")}


def test_a_solid_piece_has_its_colour_in_the_middle_and_the_page_in_its_corners() -> None:
    for color in COLORS:
        image = sprite(Look("circle", color, "solid", "large"))
        assert tuple(image[24, 24]) == RGB[color]
        assert tuple(image[0, 0]) == tuple(image[-1, -1]) == PAGE


def test_a_textured_piece_has_two_tones_and_a_solid_one() -> None:
    for texture in TEXTURES:
        inside = sprite(Look("square", "black", texture, "large"))[8:40, 8:40].reshape(-1, 3)
        light = np.rint(0.38 * np.array(RGB["black"]) + 0.62 * np.array(PAGE)).astype(np.uint8)
        assert (inside == np.array(RGB["black"], dtype=np.uint8)).all(axis=1).any()
        assert (inside == light).all(axis=1).any() == (texture != "solid")


def test_the_ring_has_a_hole_and_the_circle_has_none() -> None:
    assert tuple(sprite(Look("ring", "red", "solid", "small"))[16, 16]) == PAGE
    assert tuple(sprite(Look("circle", "red", "solid", "small"))[16, 16]) == RGB["red"]


def test_a_batch_is_its_pictures() -> None:
    rng = random.Random(2)
    scenes = [place([random_look(rng)], rng) for _ in range(5)]
    batch = render_batch(scenes)
    assert batch.shape == (5, SIDE, SIDE, 3)
    assert batch.dtype == np.uint8
    assert all((image == render(scene)).all() for image, scene in zip(batch, scenes, strict=True))


def test_sprites_cannot_be_spoilt_through_a_picture() -> None:
    """Sprites are cached: writing into a picture must not write into them."""
    piece = Piece(Look("heart", "red", "solid", "small"), 0, 0)
    before = sprite(piece.look).copy()
    render((piece,))[:] = 0
    assert (sprite(piece.look) == before).all()
