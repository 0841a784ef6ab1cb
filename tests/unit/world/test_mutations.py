"""Every single change of a right picture is seen, and told as the fact that it breaks.

A scene is changed in one thing, rendered to pixels and read back.
"""

import random
from dataclasses import replace

import pytest

from tessera.world.grammar import Description, Phrase, Relation, parse
from tessera.world.prompts import draw_scene
from tessera.world.scene import (
    RELATIONS,
    SHAPES,
    Look,
    Piece,
    Scene,
    holds,
    place,
    random_look,
)
from tests.unit.world.pictures import EVERY, VALUES, false_facts, grade_all, right_pictures, slots_of


def test_a_wrong_attribute_makes_its_own_fact_false_and_no_other() -> None:
    """Colour, texture, size; of one piece, also where a phrase asks for several."""
    rng = random.Random(4)
    pairs: list[tuple[Description, Scene]] = []
    expected: list[set[tuple[str, str]]] = []
    for description, scene in right_pictures(EVERY, 900, seed=4):
        slots = slots_of(description)
        options = [
            (kind, slot)
            for kind in ("color", "texture", "size")
            for slot, index in enumerate(slots)
            if getattr(description.phrases[index], kind)
        ]
        if not options:
            continue
        kind, slot = rng.choice(options)
        phrase = description.phrases[slots[slot]]
        value = rng.choice([v for v in VALUES[kind] if v != getattr(phrase, kind)])
        looks = [piece.look for piece in scene]
        looks[slot] = replace(looks[slot], **{kind: value})
        if kind == "size":  # a piece of another size needs another place
            relation = description.relation
            changed = place(looks, rng, lambda s, r=relation: r is None or holds(r.kind, s[0], s[1]))
        else:
            changed = tuple(Piece(look, p.row, p.col) for look, p in zip(looks, scene, strict=True))
        pairs.append((description, changed))
        expected.append({(kind, f"{phrase.words()}: {getattr(phrase, kind)}")})
    assert len(pairs) > 500
    for (description, _), grade, false in zip(pairs, grade_all(pairs), expected, strict=True):
        assert grade.strict == 0
        assert false_facts(grade) == false, description
        assert grade.soft == pytest.approx(1 - 1 / len(grade.facts))


def test_a_wrong_shape_makes_its_own_fact_false_and_no_other() -> None:
    """The shape is one that the prompt does not name; where it asks for several, their count is wrong."""
    rng = random.Random(5)
    pairs: list[tuple[Description, Scene]] = []
    phrases: list[Phrase] = []
    for description, scene in right_pictures(EVERY, 600, seed=5):
        slot = rng.randrange(len(scene))
        phrase = description.phrases[slots_of(description)[slot]]
        others = [shape for shape in SHAPES if shape not in {p.shape for p in description.phrases}]
        wrong = replace(scene[slot], look=replace(scene[slot].look, shape=rng.choice(others)))
        pairs.append((description, (*scene[:slot], wrong, *scene[slot + 1 :])))
        phrases.append(phrase)
    for (description, _), grade, phrase in zip(pairs, grade_all(pairs), phrases, strict=True):
        assert grade.strict == 0
        false = false_facts(grade)
        assert {kind for kind, _ in false} == {"count" if phrase.count > 1 else "shape"}, description
        assert len(false) == 1
        assert next(iter(false))[1].startswith(f"{phrase.words()}: ")


def test_a_moved_piece_makes_only_the_relation_false() -> None:
    rng = random.Random(6)
    pairs: list[tuple[Description, Scene]] = []
    for description, scene in right_pictures(("spatial", "complex", "position"), 600, seed=6):
        if description.relation is not None:
            kind, looks = description.relation.kind, [piece.look for piece in scene]
            pairs.append((description, place(looks, rng, lambda s, k=kind: not holds(k, s[0], s[1]))))
    assert len(pairs) > 400
    for (description, _), grade in zip(pairs, grade_all(pairs), strict=True):
        assert grade.strict == 0
        assert {kind for kind, _ in false_facts(grade)} == {"relation"}, description


@pytest.mark.parametrize("kind", RELATIONS)
def test_two_pieces_in_each_others_place_make_only_the_relation_false(kind: str) -> None:
    rng = random.Random(7)
    description = Description((Phrase("circle"), Phrase("star")), Relation(kind))
    pairs: list[tuple[Description, Scene]] = []
    while len(pairs) < 60:
        a, b = draw_scene(description, rng)
        if a.span == b.span:
            turned = (Piece(b.look, a.row, a.col), Piece(a.look, b.row, b.col))
            pairs += [(description, (a, b)), (description, turned)]
    grades = grade_all(pairs)
    assert all(grade.strict == 1 for grade in grades[::2])
    assert all({fact for fact, _ in false_facts(grade)} == {"relation"} for grade in grades[1::2])


def test_an_extra_piece_of_an_unmentioned_shape_makes_only_the_total_false() -> None:
    rng = random.Random(8)
    pairs: list[tuple[Description, Scene]] = []
    for description, scene in right_pictures(EVERY, 500, seed=8):
        if len(scene) < 4:
            others = [shape for shape in SHAPES if shape not in {p.shape for p in description.phrases}]
            looks = [*(piece.look for piece in scene), random_look(rng, shape=rng.choice(others))]
            relation = description.relation
            added = place(looks, rng, lambda s, r=relation: r is None or holds(r.kind, s[0], s[1]))
            pairs.append((description, added))
    assert len(pairs) > 400
    for (description, _), grade in zip(pairs, grade_all(pairs), strict=True):
        assert grade.strict == 0
        assert {kind for kind, _ in false_facts(grade)} == {"total"}, description


def test_a_second_piece_of_a_single_shape_makes_only_the_total_false() -> None:
    rng = random.Random(9)
    pairs: list[tuple[Description, Scene]] = []
    for description, scene in right_pictures(
        ("single_object", "colors", "two_object", "color_attr"), 200, seed=9
    ):
        looks = [*(piece.look for piece in scene), scene[0].look]
        pairs.append((description, place(looks, rng)))
    for (description, _), grade in zip(pairs, grade_all(pairs), strict=True):
        assert grade.strict == 0
        assert {kind for kind, _ in false_facts(grade)} == {"total"}, description


def test_one_piece_too_many_of_a_counted_shape_makes_count_and_total_false() -> None:
    rng = random.Random(10)
    pairs: list[tuple[Description, Scene]] = []
    for description, scene in right_pictures(("numeracy", "counting"), 500, seed=10):
        if len(scene) < 4:
            slot = next(
                s for s, index in enumerate(slots_of(description)) if description.phrases[index].count > 1
            )
            pairs.append((description, place([*(piece.look for piece in scene), scene[slot].look], rng)))
    assert len(pairs) > 150
    for (description, _), grade in zip(pairs, grade_all(pairs), strict=True):
        assert grade.strict == 0
        assert {kind for kind, _ in false_facts(grade)} == {"count", "total"}, description
        assert len(false_facts(grade)) == 2


def test_one_piece_too_few_of_a_counted_shape_makes_count_total_and_its_attributes_false() -> None:
    """A piece that is not there has no colour either."""
    pairs: list[tuple[Description, Scene]] = []
    expected: list[set[str]] = []
    for description, scene in right_pictures(("numeracy", "counting"), 300, seed=11):
        slot, phrase = next(
            (slot, description.phrases[index])
            for slot, index in enumerate(slots_of(description))
            if description.phrases[index].count > 1
        )
        pairs.append((description, scene[:slot] + scene[slot + 1 :]))
        expected.append({"count", "total"} | {k for k in ("color", "texture", "size") if getattr(phrase, k)})
    for (description, _), grade, kinds in zip(pairs, grade_all(pairs), expected, strict=True):
        assert grade.strict == 0
        assert {kind for kind, _ in false_facts(grade)} == kinds, description


def test_a_missing_single_piece_makes_every_fact_of_it_false() -> None:
    pairs: list[tuple[Description, Scene]] = []
    for description, scene in right_pictures(
        ("color_attr", "two_object", "texture", "spatial", "position"), 250, seed=12
    ):
        pairs.append((description, scene[1:]))
    for (description, _), grade in zip(pairs, grade_all(pairs), strict=True):
        first = description.phrases[0]
        lost = {"shape", "total"} | {k for k in ("color", "texture", "size") if getattr(first, k)}
        assert grade.strict == 0
        related = {"relation"} if description.relation else set[str]()
        assert {k for k, _ in false_facts(grade)} == lost | related, description


@pytest.mark.parametrize(
    ("kind", "categories"),
    [
        ("color", ("color", "color_attr", "spatial", "complex")),
        ("texture", ("texture",)),
        ("size", ("shape",)),
    ],
)
def test_attributes_on_the_wrong_piece_are_seen(kind: str, categories: tuple[str, ...]) -> None:
    """Binding: every shape and every colour the prompt names is there, on one another's piece.

    Two facts are false, of one kind: the pieces have the wrong colours, or the colours the wrong shapes.
    """
    rng = random.Random(13)
    pairs: list[tuple[Description, Scene]] = []
    for description, scene in right_pictures(categories, 300, seed=13):
        if len(scene) != 2 or description.phrases[0].shape == description.phrases[1].shape:
            continue
        values = [getattr(phrase, kind) for phrase in description.phrases]
        if None in values or values[0] == values[1]:
            continue
        looks = [replace(p.look, **{kind: value}) for p, value in zip(scene, values[::-1], strict=True)]
        relation = description.relation
        pairs.append(
            (description, place(looks, rng, lambda s, r=relation: r is None or holds(r.kind, s[0], s[1])))
        )
    assert len(pairs) > 50
    for (description, _), grade in zip(pairs, grade_all(pairs), strict=True):
        assert grade.strict == 0
        kinds = [fact.kind for fact in grade.facts if not fact.holds]
        assert kinds in ([kind, kind], ["shape", "shape"]), description


def test_a_binding_error_is_told_as_wrong_attributes_wherever_the_pieces_are() -> None:
    """'The circle is blue' is what people see; 'the red one is a star' comes from the order of the pieces."""
    description = parse("a red circle and a blue star")
    blue_circle, red_star = Look("circle", "blue", "solid", "small"), Look("star", "red", "solid", "small")
    for scene in (
        (Piece(blue_circle, 0, 0), Piece(red_star, 5, 5)),
        (Piece(red_star, 0, 0), Piece(blue_circle, 5, 5)),
    ):
        (grade,) = grade_all([(description, scene)])
        assert [fact.kind for fact in grade.facts if not fact.holds] == ["color", "color"]
