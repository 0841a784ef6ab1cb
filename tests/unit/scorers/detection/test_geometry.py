"""Boxes: overlap, suppression, and what two published evaluators say of where one lies to another."""

import numpy as np
import pytest
from jaxtyping import Float
from numpy import ndarray

from tessera.scorers.detection.geometry import (
    FRAME,
    compbench_position,
    in_frame,
    iou,
    is_duplicate,
    nms,
    placement,
    relative_position,
    without_duplicates,
)
from tests.unit.scorers.detection.golden import fixture


def box(*corners: float) -> Float[ndarray, " 4"]:
    return np.array(corners, dtype=np.float64)


def boxes(*rows: tuple[float, float, float, float]) -> Float[ndarray, "N 4"]:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def test_iou_of_hand_computed_pairs() -> None:
    square = boxes((0, 0, 10, 10))
    others = boxes((0, 0, 10, 10), (5, 0, 15, 10), (10, 0, 20, 10), (2, 2, 4, 7), (30, 30, 40, 40))
    assert iou(square, others).tolist() == [[1, 50 / 150, 0, 10 / 100, 0]]


def test_with_an_edge_of_one_pixel_boxes_that_touch_overlap() -> None:
    # 11 x 11 pixels each, one column of 11 shared.
    assert iou(boxes((0, 0, 10, 10)), boxes((10, 0, 20, 10)), edge=1.0).item() == 11 / (121 + 121 - 11)


def test_empty_boxes_and_boxes_inside_out_overlap_nothing() -> None:
    assert iou(boxes((5, 5, 5, 5), (9, 9, 1, 1)), boxes((5, 5, 5, 5), (0, 0, 9, 9))).tolist() == [[0, 0]] * 2


def test_no_boxes_are_no_overlaps() -> None:
    assert iou(boxes(), boxes((0, 0, 1, 1))).shape == (0, 1)
    assert nms(boxes(), np.array([]), 0.5) == []


def test_nms_keeps_the_better_of_two_and_forgets_what_the_worse_one_covered() -> None:
    # a-b and b-c overlap by 60/140 = 0.43, a-c by 20/180: with b gone, c stays.
    chain = boxes((0, 0, 10, 10), (4, 0, 14, 10), (8, 0, 18, 10))
    assert nms(chain, np.array([0.9, 0.8, 0.7]), 0.4) == [0, 2]
    assert nms(chain, np.array([0.7, 0.9, 0.8]), 0.4) == [1]


def test_nms_prefers_the_earlier_of_equal_scores_and_keeps_an_overlap_of_exactly_the_threshold() -> None:
    pair = boxes((0, 0, 10, 10), (0, 0, 10, 5))
    assert nms(pair, np.array([0.5, 0.5]), 0.49) == [0]
    assert nms(pair[::-1].copy(), np.array([0.5, 0.5]), 0.49) == [0]
    assert nms(pair, np.array([0.5, 0.6]), 0.5) == [1, 0]


def test_nms_equals_suppression_written_as_loops() -> None:
    random = np.random.default_rng(0)
    starts = random.uniform(0, 50, (60, 2))
    some = np.concatenate([starts, starts + random.uniform(5, 40, (60, 2))], axis=1)
    scores = random.integers(0, 10, 60) / 10  # many ties
    left, kept = sorted(range(60), key=lambda index: (-scores[index], index)), []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [each for each in left if iou(some[[best]], some[[each]]).item() <= 0.3]
    assert nms(some, scores, 0.3) == kept


@pytest.mark.parametrize(
    ("a", "b", "relations"),
    [
        pytest.param((0, 0, 10, 10), (30, 0, 40, 10), {"left of"}, id="left"),
        pytest.param((30, 0, 40, 10), (0, 0, 10, 10), {"right of"}, id="right"),
        pytest.param((0, 0, 10, 10), (0, 30, 10, 40), {"above"}, id="y grows downwards"),
        pytest.param((30, 30, 40, 40), (0, 0, 10, 10), {"right of", "below"}, id="a diagonal is both"),
        pytest.param((0, 0, 10, 10), (2, 0, 12, 10), set(), id="within the margin of 2 pixels"),
        # Offset (-3, 0), less the margin of 2: 1/3 of the offset is left, and a half is asked for.
        pytest.param((0, 0, 10, 10), (3, 0, 13, 10), set(), id="most of the offset is margin"),
        pytest.param((0, 0, 10, 10), (5, 0, 15, 10), {"left of"}, id="3/5 of the offset is left"),
        pytest.param((0, 0, 10, 10), (0, 0, 10, 10), set(), id="the same box"),
    ],
)
def test_relative_position_by_hand(a: tuple[float, ...], b: tuple[float, ...], relations: set[str]) -> None:
    assert relative_position(box(*a), box(*b)) == relations


@pytest.mark.parametrize(
    ("locality", "a", "b", "score"),
    [
        pytest.param("on the left of", (0, 0, 10, 10), (50, 5, 60, 15), 1.0, id="left"),
        pytest.param("on the left of", (50, 5, 60, 15), (0, 0, 10, 10), 0.0, id="the wrong side"),
        pytest.param("on the right of", (50, 5, 60, 15), (0, 0, 10, 10), 1.0, id="right"),
        pytest.param("on the left of", (0, 0, 10, 10), (30, 40, 40, 50), 0.0, id="more above than left"),
        pytest.param("on the top of", (0, 0, 10, 10), (30, 40, 40, 50), 1.0, id="above"),
        pytest.param("on the bottom of", (30, 40, 40, 50), (0, 0, 10, 10), 1.0, id="below"),
        pytest.param("on the top of", (0, 0, 10, 10), (0, 0, 10, 10), 0.0, id="no offset"),
        # IoU 50 / 150: 0.1 over it.
        pytest.param("on the left of", (0, 0, 10, 10), (5, 0, 15, 10), 0.3, id="overlapping"),
        pytest.param("next to", (0, 0, 10, 10), (149, 400, 159, 410), 1.0, id="near along one axis"),
        pytest.param("near", (0, 0, 10, 10), (150, 300, 160, 310), 0.5, id="150 of 300 pixels"),
        pytest.param("on side of", (0, 0, 10, 10), (200, 0, 210, 10), 1.0, id="level"),
        pytest.param("on top of", (0, 0, 10, 10), (0, 40, 10, 50), 0.0, id="on top of is not handled"),
    ],
)
def test_compbench_position_by_hand(
    locality: str, a: tuple[float, ...], b: tuple[float, ...], score: float
) -> None:
    assert compbench_position(locality, box(*a), box(*b)) == pytest.approx(score, abs=1e-12)


def test_turning_a_pair_by_a_quarter_turns_its_relation() -> None:
    """Left becomes above when x and y change places; each direction is the other's mirror image."""
    random = np.random.default_rng(1)
    for _ in range(50):
        start, size = random.uniform(0, 200, (2, 2)), random.uniform(20, 150, (2, 2))
        a, b = np.concatenate([start, start + size], axis=1)
        turn = [1, 0, 3, 2]
        assert placement("left", a, b) == placement("above", a[turn], b[turn]) == placement("right", b, a)
        assert placement("above", a, b) == placement("below", b, a)


def test_the_frame_of_a_square_is_479_pixels_and_of_others_480_at_most() -> None:
    whole = boxes((0, 0, 384, 384))
    assert in_frame(whole, 384, 384).tolist() == [[0, 0, 479, 479]]
    assert in_frame(boxes((0, 0, 200, 100)), 100, 200).tolist() == [[0, 0, 480, 240]]
    assert FRAME == (479, 480)


def test_duplicates_are_boxes_that_coincide_or_contain_one_another() -> None:
    assert is_duplicate(box(0, 0, 99, 99), box(0, 0, 99, 95))  # 100 x 100 and 100 x 96 pixels
    assert is_duplicate(box(0, 0, 99, 99), box(20, 20, 30, 30))  # inside: the IoU is small
    assert not is_duplicate(box(0, 0, 99, 99), box(50, 0, 149, 99))
    # 9 x 10 of 10 x 10 pixels are 0.9, which is not above 0.9.
    assert not is_duplicate(box(0, 0, 9, 9), box(1, 0, 10, 9))


def test_of_duplicates_the_first_stays() -> None:
    some = boxes((0, 0, 100, 100), (10, 10, 50, 50), (200, 0, 300, 100), (201, 0, 300, 100))
    assert without_duplicates(some) == [0, 2]
    assert without_duplicates(some[::-1].copy()) == [0, 2]


def test_all_golden_vectors_of_genevals_positions_agree() -> None:
    rows = fixture("geneval_relative_position")
    assert len(rows) == 101
    for row in rows:
        a, b = box(*row["a"]), box(*row["b"])
        assert relative_position(a, b) == set(row["relations"]), row
        assert iou(a[None], b[None], edge=1.0).item() == pytest.approx(row["iou"], abs=1e-12)


def test_all_golden_vectors_of_compbenchs_positions_agree() -> None:
    rows = fixture("t2i_compbench_2d_position")
    assert len(rows) == 150
    for row in rows:
        score = compbench_position(row["locality"], box(*row["box1"]), box(*row["box2"]))
        assert score == pytest.approx(row["score"], abs=1e-12), row


def test_all_golden_vectors_of_compbenchs_duplicates_agree() -> None:
    rows = fixture("t2i_compbench_numeracy_duplicate")
    assert len(rows) == 100
    for row in rows:
        assert is_duplicate(box(*row["box1"]), box(*row["box2"])) == bool(row["duplicate"]), row
