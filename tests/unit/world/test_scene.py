"""Scenes: pieces stay on the page and apart, and relations mean what they say."""

import random

import pytest

from tessera.world.scene import (
    GRID,
    RELATIONS,
    SOLID_SHARE,
    SPAN,
    TEXTURES,
    Look,
    Piece,
    holds,
    place,
    random_look,
)


def _look(size: str) -> Look:
    return Look("circle", "red", "solid", size)


def _small(row: int, col: int) -> Piece:
    return Piece(_look("small"), row, col)


def _large(row: int, col: int) -> Piece:
    return Piece(_look("large"), row, col)


def _cells(piece: Piece, margin: int) -> set[tuple[int, int]]:
    """Returns the patches of a piece, with so many around it on each side."""
    rows = range(piece.row - margin, piece.row + piece.span + margin)
    cols = range(piece.col - margin, piece.col + piece.span + margin)
    return {(row, col) for row in rows for col in cols}


def test_pieces_lie_on_the_page_with_a_free_patch_between_them_corners_included() -> None:
    rng = random.Random(1)
    page = {(row, col) for row in range(GRID) for col in range(GRID)}
    for _ in range(2000):
        looks = [random_look(rng) for _ in range(rng.randint(1, 4))]
        scene = place(looks, rng)
        assert [piece.look for piece in scene] == looks
        for index, piece in enumerate(scene):
            assert _cells(piece, 0) <= page
            for other in scene[:index]:
                assert not _cells(piece, 1) & _cells(other, 0)


def test_four_large_pieces_always_find_a_place() -> None:
    """One draw of four fits with chance 0.23, so 10,000 draws all fail with chance 0.77^10000 < 1e-1000."""
    for seed in range(50):
        assert len(place([_look("large")] * 4, random.Random(seed))) == 4


def test_every_place_is_used() -> None:
    """There are 49 for a small piece: one stays away in 2,000 draws with chance 49 (48/49)^2000 < 1e-16."""
    rng = random.Random(2)
    places = {(piece.row, piece.col) for _ in range(2000) for piece in place([_look("small")], rng)}
    assert places == {(row, col) for row in range(7) for col in range(7)}


def test_a_scene_is_a_function_of_its_generator() -> None:
    looks = [_look("small"), _look("large"), _look("small")]
    assert place(looks, random.Random(3)) == place(looks, random.Random(3))
    assert len({place(looks, random.Random(seed)) for seed in range(20)}) > 1


def test_a_scene_is_drawn_until_it_is_accepted() -> None:
    rng = random.Random(4)
    looks = [_look("large"), _look("large")]
    for kind in RELATIONS:
        for _ in range(50):
            first, second = place(looks, rng, lambda scene, kind=kind: holds(kind, scene[0], scene[1]))
            assert holds(kind, first, second)


def test_a_layout_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="no layout of 5 pieces"):
        place([_look("large")] * 5, random.Random(5))


@pytest.mark.parametrize(
    ("a", "b", "true"),
    [
        pytest.param(_small(0, 0), _small(0, 3), {"left"}, id="beside"),
        pytest.param(_small(0, 0), _small(3, 0), {"above"}, id="under"),
        pytest.param(_small(0, 0), _small(3, 3), {"left", "above"}, id="diagonal"),
        pytest.param(_small(5, 1), _small(1, 5), {"left", "below"}, id="other diagonal"),
        pytest.param(_small(0, 0), _small(3, 2), {"left", "above"}, id="edges meet: wholly past"),
        pytest.param(_small(0, 0), _small(3, 1), {"above"}, id="columns overlap by one: not left"),
        pytest.param(_large(0, 0), _small(4, 2), {"above"}, id="a large piece is three wide"),
        pytest.param(_large(0, 0), _small(4, 3), {"left", "above"}, id="past a large piece"),
        pytest.param(_small(4, 3), _large(0, 0), {"right", "below"}, id="the same, turned"),
        pytest.param(_small(2, 2), _small(2, 2), set(), id="on the same spot"),
    ],
)
def test_relations_hold_when_a_piece_is_wholly_past_the_other(a: Piece, b: Piece, true: set[str]) -> None:
    assert {kind for kind in RELATIONS if holds(kind, a, b)} == true


def test_mirrored_relations_agree_and_opposite_ones_exclude_each_other_everywhere() -> None:
    mirrored = {"left": "right", "right": "left", "above": "below", "below": "above"}
    pieces = [build(row, col) for build in (_small, _large) for row in range(0, 6) for col in range(0, 6)]
    for a in pieces:
        for b in pieces:
            for kind in RELATIONS:
                assert holds(kind, a, b) == holds(mirrored[kind], b, a)
                assert not (holds(kind, a, b) and holds(kind, b, a))


def test_an_unknown_relation_is_refused() -> None:
    with pytest.raises(ValueError, match="'beside' is none of"):
        holds("beside", _small(0, 0), _small(3, 3))


def test_a_look_keeps_what_is_asked_and_draws_the_rest() -> None:
    """A value is missing with chance 8 (7/8)^4000 < 1e-200; the share is bounded below."""
    rng = random.Random(6)
    looks = [random_look(rng, shape="star", size="large") for _ in range(4000)]
    assert {(look.shape, look.size) for look in looks} == {("star", "large")}
    assert {look.texture for look in looks} == set(TEXTURES)
    assert len({look.color for look in looks}) == 8
    # A share of 0.6 over 4,000 draws has a standard deviation of 0.0077; 0.05 is 6.5 of them: chance 1e-10.
    assert abs(sum(look.texture == "solid" for look in looks) / 4000 - SOLID_SHARE) < 0.05
    assert random_look(rng, "ring", "blue", "dotted", "small") == Look("ring", "blue", "dotted", "small")


def test_the_span_of_a_piece_is_that_of_its_size() -> None:
    assert (_small(0, 0).span, _large(0, 0).span) == (SPAN["small"], SPAN["large"]) == (2, 3)
