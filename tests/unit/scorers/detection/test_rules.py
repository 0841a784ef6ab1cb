"""The rules of the detection scorers, by hand: what a sighting is worth to each task."""

import pytest

from tessera.scorers.detection.asked import Asked, Numeracy, Objects, Spatial
from tessera.scorers.detection.detector import Detection, Sighting
from tessera.scorers.detection.geometry import Relation
from tessera.scorers.detection.scorer import judge

Box = tuple[float, float, float, float]


def saw(**boxes: list[Box]) -> Sighting:
    """Returns what was seen: of each name these boxes, each less sure than the one before."""
    found = [
        Detection(name=name, score=0.9 - 0.1 * index, box=(float(x0), float(y0), float(x1), float(y1)))
        for name, those in boxes.items()
        for index, (x0, y0, x1, y1) in enumerate(those)
    ]
    return Sighting(detections=tuple(found))


CORNER: Box = (0, 0, 40, 40)
RIGHT: Box = (300, 0, 340, 40)
BELOW: Box = (0, 300, 40, 340)
FAR: Box = (300, 300, 340, 340)


def score(wanted: Asked, sighting: Sighting) -> float:
    return judge(wanted, sighting, 479, 479)


def is_to(relation: Relation) -> Spatial:
    return Spatial(first="cup", relation=relation, second="cat")


def test_objects_are_worth_the_fraction_found() -> None:
    wanted = Objects(names=("cup", "cat", "dog", "car"))
    assert score(wanted, saw(cup=[CORNER], dog=[CORNER, RIGHT])) == 0.5
    assert score(wanted, saw(bird=[CORNER])) == 0


def test_a_count_is_worth_one_a_wrong_one_a_fifth_and_none_nothing() -> None:
    wanted = Numeracy(counts=(("cup", 2), ("cat", 1)))
    assert score(wanted, saw(cup=[CORNER, RIGHT], cat=[BELOW])) == 1
    assert score(wanted, saw(cup=[CORNER], cat=[BELOW])) == pytest.approx((0.2 + 1) / 2)
    assert score(wanted, saw(cup=[CORNER, RIGHT])) == 0.5
    assert score(wanted, saw()) == 0


def test_one_object_seen_twice_is_counted_once() -> None:
    """Published: suppression took (centre, size) for corners.

    Two boxes far down and right of their sizes, one nearly on the other: as (centre, size) they are
    (320, 320, 40, 40) and (322, 320, 40, 40), which as corners are inside out and overlap nothing.
    """
    twice = saw(cup=[(300, 300, 340, 340), (302, 300, 342, 340)])
    assert score(Numeracy(counts=(("cup", 1),)), twice) == 1


def test_two_objects_side_by_side_are_counted_twice() -> None:
    """Their (centre, size), (20, 100, 40, 200) and (61, 100, 40, 200), would not be boxes as corners."""
    pair = saw(cup=[(0, 0, 40, 200), (41, 0, 81, 200)])
    assert score(Numeracy(counts=(("cup", 2),)), pair) == 1


@pytest.mark.parametrize(
    ("relation", "there"), [("left", RIGHT), ("above", BELOW), ("near", (45, 0, 85, 40))]
)
def test_a_relation_is_worth_half_a_point_beside_a_fifth_for_each_object(
    relation: Relation, there: Box
) -> None:
    assert score(is_to(relation), saw(cup=[CORNER], cat=[there])) == pytest.approx(0.9)
    assert score(is_to(relation), saw(cup=[CORNER])) == 0.2
    assert score(is_to(relation), saw(cat=[CORNER])) == 0.2
    assert score(is_to(relation), saw()) == 0


def test_the_wrong_side_earns_the_objects_alone() -> None:
    assert score(is_to("right"), saw(cup=[CORNER], cat=[RIGHT])) == pytest.approx(0.4)


def test_only_the_surest_box_of_each_name_counts() -> None:
    assert score(is_to("left"), saw(cup=[CORNER, BELOW], cat=[RIGHT, CORNER])) == pytest.approx(0.9)
    assert score(is_to("left"), saw(cup=[BELOW, CORNER], cat=[CORNER, RIGHT])) == pytest.approx(0.4)


def test_nearness_is_in_pixels_of_a_picture_of_479() -> None:
    """Published: boxes in [0, 1] and a threshold of 150 pixels, so that any two were near."""
    assert score(is_to("near"), saw(cup=[CORNER], cat=[FAR])) == pytest.approx(0.4 + 0.5 * 150 / 300)
    # The same picture, twice and a quarter of the size.
    for scale in (2, 0.25):
        start, stop, side = 300 * scale, 340 * scale, round(479 * scale)
        resized = saw(cup=[(0, 0, 40 * scale, 40 * scale)], cat=[(start, start, stop, stop)])
        assert judge(is_to("near"), resized, side, side) == pytest.approx(0.65, abs=1e-3)
