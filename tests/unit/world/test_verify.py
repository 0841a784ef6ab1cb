"""The verifier passes right pictures, with noise too, and finds the best way to assign pieces to a prompt.

The reward of training and the score of every benchmark rest on it, so it is tried from outside: scenes are
rendered to pixels and read back. What it refuses: test_mutations.py, test_junk.py.
"""

import itertools
import random

import numpy as np
import pytest

from tessera.world.grammar import Description, Phrase, Relation, parse
from tessera.world.prompts import draw, draw_scene
from tessera.world.render import PAGE, all_looks, render, render_batch
from tessera.world.scene import (
    COLORS,
    GRID,
    RELATIONS,
    SHAPES,
    SIZES,
    SPAN,
    TEXTURES,
    Look,
    Piece,
    Scene,
    holds,
    place,
    random_look,
)
from tessera.world.verify import Reading, read, verify
from tests.unit.world.pictures import (
    EVERY,
    read_all,
    right_pictures,
)


def test_every_right_picture_passes_in_every_category() -> None:
    """5,004 pictures. Exact: no correct program fails."""
    rng = random.Random(1)
    for category in EVERY:
        descriptions = [draw(category, rng, axes=None) for _ in range(417)]
        scenes = [draw_scene(description, rng) for description in descriptions]
        for description, scene, reading in zip(descriptions, scenes, read(render_batch(scenes)), strict=True):
            assert reading.junk == 0
            assert set(reading.pieces) == set(scene)
            assert reading.residual < 1
            grade = verify(description, reading)
            assert (grade.strict, grade.soft) == (1, 1), (description, grade)
            assert all(fact.holds for fact in grade.facts)


def test_every_right_picture_passes_under_pixel_noise() -> None:
    """Sigma 8 of 255 on every channel; 1,200 pictures, 100 of each category.

    A blot of noise needs four blocks whose summed deviation (10 +- 4) passes 45, eight deviations off; a
    wrong sprite wins at 50 deviations: a correct program fails with chance below 1e-9.
    """
    noise = np.random.default_rng(2)
    rng = random.Random(2)
    for category in EVERY:
        descriptions = [draw(category, rng, axes=None) for _ in range(100)]
        clean = render_batch([draw_scene(description, rng) for description in descriptions])
        noisy = clean + 8 * noise.standard_normal(clean.shape, dtype=np.float32)
        images = np.rint(noisy).clip(0, 255).astype(np.uint8)
        for description, reading in zip(descriptions, read(images), strict=True):
            assert verify(description, reading).strict == 1, description


def test_every_look_is_read_at_the_four_corners_of_the_page() -> None:
    pieces = [
        Piece(look, row, col)
        for look in all_looks()
        for row, col in itertools.product((0, GRID - SPAN[look.size]), repeat=2)
    ]
    for piece, reading in zip(pieces, read_all([render((piece,)) for piece in pieces]), strict=True):
        assert (reading.pieces, reading.junk) == ((piece,), 0)


def test_pictures_of_a_batch_do_not_influence_one_another() -> None:
    images = [render(scene) for _, scene in right_pictures(EVERY, 24, seed=3)]
    images[5][40:80, 40:120] = 0  # junk
    images[9][:] = PAGE
    together = [(r.pieces, r.junk) for r in read(np.stack(images))]
    assert together == [(r.pieces, r.junk) for image in images for r in read(image[None])]
    assert together == [(r.pieces, r.junk) for r in read(np.stack(images[::-1]))][::-1]


# --- assignment ---------------------------------------------------------------------------------------------


def _slow_soft(description: Description, pieces: Scene, junk: int) -> float:
    """Returns the largest share of facts over *all* partial assignments: an independent, slow `verify`."""
    slots = [phrase for phrase in description.phrases for _ in range(phrase.count)]
    best = 0.0
    for choice in itertools.product((None, *range(len(pieces))), repeat=len(slots)):
        used = [index for index in choice if index is not None]
        if len(set(used)) < len(used):
            continue
        given = [None if index is None else pieces[index] for index in choice]
        facts: list[bool] = []
        start = 0
        for phrase in description.phrases:
            mine = given[start : start + phrase.count]
            start += phrase.count
            there = [piece.look for piece in mine if piece is not None]
            complete = len(there) == phrase.count
            right_shape = complete and {look.shape for look in there} == {phrase.shape}
            if phrase.count > 1:
                wanted = sum(p.count for p in description.phrases if p.shape == phrase.shape)
                right_shape = right_shape and [p.look.shape for p in pieces].count(phrase.shape) == wanted
            facts.append(right_shape)
            if phrase.color is not None:
                facts.append(complete and {look.color for look in there} == {phrase.color})
            if phrase.texture is not None:
                facts.append(complete and {look.texture for look in there} == {phrase.texture})
            if phrase.size is not None:
                facts.append(complete and {look.size for look in there} == {phrase.size})
        if description.relation is not None:
            a, b = given
            facts.append(a is not None and b is not None and holds(description.relation.kind, a, b))
        facts.append(len(pieces) == len(slots) and junk == 0)
        best = max(best, sum(facts) / len(facts))
    return best


def test_soft_is_the_best_over_all_assignments() -> None:
    """Against the slow implementation above, on small worlds of two values each, where ties abound."""
    rng = random.Random(18)
    values = {"shape": SHAPES[:2], "color": COLORS[:2], "texture": TEXTURES[:2], "size": SIZES}
    strict, partial = 0, 0
    for _ in range(1000):
        counts = rng.choice(((1,), (2,), (3,), (1, 1), (1, 1), (2, 1), (1, 2), (1, 1, 1), (2, 2)))
        phrases = tuple(
            Phrase(
                rng.choice(values["shape"]),
                count,
                *(rng.choice((None, *values[kind])) for kind in ("color", "texture", "size")),
            )
            for count in counts
        )
        relation = Relation(rng.choice(RELATIONS)) if counts == (1, 1) and rng.random() < 0.5 else None
        description = Description(phrases, relation)
        looks = [
            Look(*(rng.choice(values[kind]) for kind in ("shape", "color", "texture", "size")))
            for _ in range(rng.choice((description.total, rng.randint(0, 4))))
        ]
        pieces = place(looks, rng) if looks else ()
        junk = int(rng.random() < 0.2)
        grade = verify(description, Reading(pieces, junk, 0.0))
        assert grade.soft == pytest.approx(_slow_soft(description, pieces, junk)), (description, pieces)
        assert grade.strict == float(grade.soft == 1)
        assert grade.soft == sum(fact.holds for fact in grade.facts) / len(grade.facts)
        strict += grade.soft == 1
        partial += 0 < grade.soft < 1
    assert strict > 10
    assert partial > 300


def test_the_order_in_which_pieces_are_read_does_not_change_the_score() -> None:
    rng = random.Random(19)
    for description, _ in right_pictures(EVERY, 120, seed=19):
        pieces = place([random_look(rng) for _ in range(4)], rng)
        orders = [tuple(rng.sample(pieces, 4)) for _ in range(4)]
        assert len({verify(description, Reading(order, 0, 0.0)).soft for order in orders}) == 1


def test_the_facts_of_a_prompt_by_hand() -> None:
    description = parse("a photo of two small red circles and an orange star")
    pieces = (
        Piece(Look("circle", "red", "solid", "small"), 0, 0),
        Piece(Look("circle", "red", "solid", "large"), 0, 4),
        Piece(Look("star", "orange", "dotted", "large"), 5, 0),
    )
    grade = verify(description, Reading(pieces, 0, 0.0))
    assert [(fact.kind, fact.text, fact.holds) for fact in grade.facts] == [
        ("count", "two small red circles: two circles in all", True),
        ("size", "two small red circles: small", False),
        ("color", "two small red circles: red", True),
        ("shape", "an orange star: it is a star", True),
        ("color", "an orange star: orange", True),
        ("total", "three pieces, nothing else", True),
    ]
    assert (grade.strict, grade.soft) == (0.0, pytest.approx(5 / 6))
