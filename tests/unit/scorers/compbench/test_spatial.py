"""Where two objects are: golden vectors of the published rule, and both rules by hand."""

import math
from typing import Any

import numpy as np
import pytest

from tessera.scorers.compbench.depth import depths, framed
from tessera.scorers.compbench.labels import is_one_of, names_of
from tessera.scorers.compbench.relations import PUBLISHED_3D, WORDS_2D, mended, published_complex
from tessera.scorers.compbench.verdict import verdict
from tessera.scorers.detection.unidet.labels import labels
from tessera.types import Grade
from tests.unit.scorers.compbench.seen import Box, Ramp, detected, prompt, reading
from tests.unit.scorers.detection.golden import fixture, lines

LEFT: Box = (0, 200, 40, 240)
RIGHT: Box = (400, 200, 440, 240)
UPPER: Box = (200, 0, 240, 40)
LOWER: Box = (200, 400, 240, 440)


def judged(text: str, *objects: tuple[str, float, Box], bugs: bool = False, **more: Any) -> Grade:
    seen = detected(text, *objects, **more)
    return verdict(prompt(text, "spatial"), seen, official_bugs=bugs)


@pytest.mark.parametrize("bugs", [True, False])
def test_golden_vectors_of_2d_positions_agree_in_full(bugs: bool) -> None:
    """With confidence 1 the score is 0.5 + half the position: all of it is above the floor."""
    rows = fixture("t2i_compbench_2d_position")
    assert len(rows) > 50
    for row in rows:
        locality = row["locality"]
        told = row["score"]
        if locality == "on top of" and not bugs:
            continue  # the fault that is mended: 0 for every picture
        text = f"a dog {locality} a cat"
        grade = judged(text, ("dog", 1.0, tuple(row["box1"])), ("cat", 1.0, tuple(row["box2"])), bugs=bugs)
        assert grade.soft == pytest.approx(0.5 + told / 2, abs=1e-9), row


@pytest.mark.parametrize("bugs", [True, False])
@pytest.mark.parametrize(
    ("relation", "a", "b", "score"),
    [
        ("on the left of", LEFT, RIGHT, 0.95),
        ("on the left of", RIGHT, LEFT, 0.0),  # 0.45 is below the floor
        ("on the bottom of", LOWER, UPPER, 0.95),
        ("on the top of", UPPER, LOWER, 0.95),
        ("near", LEFT, RIGHT, 0.95),  # in one row, however far: the published rule
        ("next to", LEFT, (400, 400, 440, 440), 0.45 + 0.5 * 150 / 400),
    ],
)
def test_two_objects_score_by_confidence_and_place(
    relation: str, a: Box, b: Box, score: float, bugs: bool
) -> None:
    grade = judged(f"a dog {relation} a cat", ("dog", 1.0, a), ("cat", 0.8, b), bugs=bugs)
    assert grade.soft == grade.strict == pytest.approx(score)


@pytest.mark.parametrize("bugs", [True, False])
def test_one_object_alone_is_below_the_floor(bugs: bool) -> None:
    grade = judged("a dog near a cat", ("dog", 1.0, LEFT), bugs=bugs)
    assert grade.soft == 0
    assert [(fact.text, fact.holds) for fact in grade.facts][:2] == [("dog", True), ("cat", False)]


def test_boxes_are_measured_in_the_published_frame_whatever_the_size() -> None:
    small = judged(
        "a dog next to a cat", ("dog", 1.0, (0, 0, 10, 10)), ("cat", 1.0, (100, 100, 110, 110)), size=120
    )
    # 100 pixels of 120 are 399 of 479: farther than 150 along either axis.
    assert small.soft == pytest.approx(0.5 + 0.5 * 150 / (100 * 479 / 120), abs=1e-6)


def test_the_surest_box_counts_not_the_first() -> None:
    objects = (("dog", 0.5, RIGHT), ("dog", 0.9, LEFT), ("cat", 0.9, (200, 200, 240, 240)))
    assert judged("a dog on the left of a cat", *objects).soft == pytest.approx(0.25 * 1.8 + 0.5)


def test_of_the_val_prompts_100_name_no_label_as_published_and_28_mended() -> None:
    known = set(labels())
    person = {"girl", "boy", "man", "woman"}
    published, left = 0, []
    for text in lines("spatial_val"):
        asked = mended(text, WORDS_2D)
        nouns = [str(asked.first), str(asked.second)]
        published += any(noun not in known and noun not in person for noun in nouns)
        names = [names_of(noun, open_vocabulary=False) for noun in nouns]
        left += [
            n for n, of in zip(nouns, names, strict=True) if not any(is_one_of(each, of) for each in known)
        ]
    assert published == 100
    assert (len(left), set(left)) == (28, {"sofa", "wallet"})


def test_relations_of_all_simple_prompts_are_read() -> None:
    for name, words in (("spatial_val", WORDS_2D), ("3d_spatial_val", PUBLISHED_3D)):
        for text in lines(name):
            asked = mended(text, words)
            assert text.startswith(("a ", "an ")), text
            assert str(asked.locality) in text, text
            assert (asked.first, asked.second) == (text.split()[1], text.split()[-1]), text


def test_two_nouns_are_read_from_every_complex_prompt_that_is_judged_by_place() -> None:
    texts = [*lines("complex_val_spatial"), *lines("complex_val_spatialaction")]
    asked = [mended(text, WORDS_2D) for text in texts]
    assert all(each.locality and each.first and each.second for each in asked)
    theirs = [published_complex(text, reading(text)) for text in texts]
    assert (len(texts), sum(each.first is None for each in theirs)) == (88, 1)
    read = [(a, b) for a, b in zip(asked, theirs, strict=True) if b.first is not None]
    assert sum((a.first, a.second) != (b.first, b.second) for a, b in read) == 11  # compounds


def test_a_compound_is_read_by_its_last_noun_and_as_published_by_its_first() -> None:
    text = "The red hat was on top of the brown coat rack."
    asked = mended(text, WORDS_2D)
    assert (asked.first, asked.locality, asked.second) == ("hat", "on top of", "rack")
    theirs = published_complex(text, reading(text))
    assert (theirs.first, theirs.second) == ("hat", "coat")


def test_a_prompt_without_a_relation_is_nan_and_as_published_zero() -> None:
    text = "a dog with a cat"
    assert math.isnan(judged(text, ("dog", 1.0, LEFT)).soft)
    assert "no two objects in a relation" in judged(text, ("dog", 1.0, LEFT)).reason
    assert judged(text, ("dog", 1.0, LEFT), ("cat", 1.0, LEFT), bugs=True).soft == 0.5


FRONT = "a dog in front of a cat"
BIG: Box = (0, 0, 100, 100)
SAME: Box = (0, 0, 100, 80)  # IoU 0.8
HALF: Box = (0, 0, 100, 50)  # 0.5
PART: Box = (0, 0, 100, 25)  # 0.25
APART: Box = (300, 300, 400, 400)


def deep(text: str, box: Box, near: float, far: float, *, bugs: bool = False) -> float:
    """Returns the 3D score of a dog at one depth and a cat at another, right and transposed alike."""
    seen = detected(text, ("dog", 1.0, BIG), ("cat", 1.0, box), depths=[(near, near), (far, far)])
    return verdict(prompt(text, "3d_spatial"), seen, official_bugs=bugs).soft


@pytest.mark.parametrize("bugs", [True, False])
def test_depth_counts_by_overlap_and_sign(bugs: bool) -> None:
    assert deep(FRONT, SAME, 0.9, 0.1, bugs=bugs) == 1
    assert deep(FRONT, SAME, 0.1, 0.9, bugs=bugs) == 0.5
    assert deep(FRONT, SAME, 0.5, 0.5, bugs=bugs) == 0.5
    assert deep(FRONT, PART, 0.9, 0.1, bugs=bugs) == pytest.approx(0.5 + 0.5 * 0.25 / 0.5)
    assert deep(FRONT, APART, 0.9, 0.1, bugs=bugs) == 0.5
    for text in ("a dog behind a cat", "a dog hidden by a cat"):
        assert deep(text, SAME, 0.1, 0.9, bugs=bugs) == 1
        assert deep(text, SAME, 0.9, 0.1, bugs=bugs) == 0.5


def test_one_object_is_worth_something_in_depth() -> None:
    seen = detected(FRONT, ("dog", 0.8, BIG), depths=[(0.5, 0.5)])
    for bugs in (True, False):
        assert verdict(prompt(FRONT, "3d_spatial"), seen, official_bugs=bugs).soft == pytest.approx(0.2)


def test_depth_is_the_mean_inside_the_box_and_the_transposed_cut_another() -> None:
    map_HW = framed(Ramp().maps(np.zeros((1, 9, 9, 3), np.uint8))[0], 100, 100)
    assert map_HW.shape == (479, 479)
    right, transposed = depths(map_HW, (430.0, 0.0, 479.0, 48.0))
    assert right == pytest.approx(0.95, abs=0.01)  # the last tenth of a ramp over columns
    assert transposed == pytest.approx(0.05, abs=0.01)  # rows 430 to 479, columns 0 to 48
    assert depths(map_HW, (-5.0, 0.0, 0.0, 9.0)) == (None, None)


def test_a_wide_map_is_wide() -> None:
    assert framed(np.zeros((480, 480), np.uint8), 100, 200).shape == (240, 480)
