"""GenEval's soft score, by hand."""

import math

import pytest

from tessera.scorers.detection.geneval import Seen, confident, geneval_soft

LEFT = (0.0, 0.0, 10.0, 10.0)
RIGHT = (50.0, 0.0, 60.0, 10.0)


def seen(*boxes: tuple[float, float, float, float], colour: str = "") -> list[Seen]:
    return [Seen(score=0.9, box=box, colour=colour) for box in boxes]


def crowd(count: int) -> list[Seen]:
    return seen(*[(20.0 * index, 0.0, 20.0 * index + 10, 10.0) for index in range(count)])


@pytest.mark.parametrize(
    ("found", "soft"), [(0, 0.0), (1, 0.25), (3, 0.75), (4, 1.0), (5, 0.75), (8, 0.0), (16, 0.0)]
)
def test_a_count_is_worth_what_it_is_not_off(found: int, soft: float) -> None:
    """The published score of 16 for 4 is -2; of 16 for 1 it is -14."""
    grade = geneval_soft([{"class": "dog", "count": 4}], {"dog": crowd(found)})
    assert (grade.soft, grade.strict) == (soft, float(found == 4))


def test_a_crowd_of_one_thing_leaves_what_is_shown_of_the_other() -> None:
    """Published: (1 - 15 + 1) / 2 = -6.5."""
    include = [{"class": "dog", "count": 1}, {"class": "cat", "count": 1}]
    assert geneval_soft(include, {"dog": crowd(16), "cat": crowd(1)}).soft == 0.5


POSITION = [{"class": "cat", "count": 1}, {"class": "dog", "count": 1, "position": ["left of", 0]}]


def test_a_wrong_position_earns_nothing() -> None:
    """Two counts and a position: 2/3. The published code gave 0 and then 1 for it: 3/4."""
    grade = geneval_soft(POSITION, {"cat": seen(LEFT), "dog": seen(RIGHT)})
    assert grade.soft == pytest.approx(2 / 3)
    assert grade.strict == 0
    assert [fact.holds for fact in grade.facts] == [True, True, False]
    assert geneval_soft(POSITION, {"cat": seen(RIGHT), "dog": seen(LEFT)}).soft == 1


def test_a_position_needs_the_object_that_it_is_relative_to() -> None:
    assert geneval_soft(POSITION, {"dog": seen(LEFT)}).soft == pytest.approx(1 / 3)
    # Two cats where one is asked for: count 0, and no target.
    assert geneval_soft(POSITION, {"cat": crowd(2), "dog": seen(LEFT)}).soft == pytest.approx(1 / 3)


def test_every_object_must_stand_so_to_every_target() -> None:
    include = [{"class": "cat", "count": 2}, {"class": "dog", "count": 1, "position": ["left of", 0]}]
    far = (100.0, 0.0, 110.0, 10.0)
    assert geneval_soft(include, {"cat": seen(RIGHT, far), "dog": seen(LEFT)}).soft == 1
    assert geneval_soft(include, {"cat": seen(LEFT, far), "dog": seen(RIGHT)}).soft == pytest.approx(2 / 3)


def test_colours_count_where_the_objects_do() -> None:
    include = [{"class": "cup", "count": 2, "color": "red"}]
    assert geneval_soft(include, {"cup": seen(LEFT, RIGHT, colour="red")}).soft == 1
    mixed = [*seen(LEFT, colour="red"), *seen(RIGHT, colour="blue")]
    assert geneval_soft(include, {"cup": mixed}).soft == pytest.approx((1 + 0.5) / 2)
    # One red cup of two: the count is half right, and the colour is not looked at.
    assert geneval_soft(include, {"cup": seen(LEFT, colour="red")}).soft == pytest.approx((0.5 + 0) / 2)


def test_a_target_of_the_wrong_colour_is_no_target() -> None:
    include = [{"class": "cat", "count": 1, "color": "black"}, POSITION[1]]
    there = {"cat": seen(RIGHT, colour="white"), "dog": seen(LEFT)}
    assert geneval_soft(include, there).soft == pytest.approx((1 + 0 + 1 + 0) / 4)


def test_nothing_asked_for_is_nan_with_a_reason() -> None:
    grade = geneval_soft([], {"dog": crowd(1)})
    assert math.isnan(grade.soft)
    assert math.isnan(grade.strict)
    assert "include" in grade.reason


def test_counting_takes_only_what_is_sure_and_no_more_than_sixteen() -> None:
    scores = [0.2, 0.3, 0.31, 0.95, 0.9, 0.91]
    some = [Seen(score=score, box=LEFT) for score in scores]
    assert [each.score for each in confident(some, "two_object")] == [0.95, 0.91, 0.9, 0.31]
    assert [each.score for each in confident(some, "counting")] == [0.95, 0.91]
    assert len(confident(crowd(40), "colors")) == 16
    assert confident(crowd(40), "colors")[0] == crowd(1)[0]  # of equal ones the first
