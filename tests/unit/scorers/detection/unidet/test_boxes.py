"""Anchors, moves and suppression, by hand and against loops."""

import math
from itertools import chain

import pytest
import torch
from torch import Tensor

from tessera.scorers.detection.unidet.boxes import (
    anchors,
    cell_anchors,
    clipped,
    filled,
    grouped_nms,
    moved,
    nms,
)
from tessera.scorers.detection.unidet.cascade import MOVES, chosen
from tessera.scorers.detection.unidet.proposals import likeliest
from tests.unit.scorers.detection.unidet.slow import greedy

# --- anchors -----------------------------------------------------------------------------------------------


def test_a_cell_has_nine_anchors_by_size_and_then_by_shape() -> None:
    finest = cell_anchors(0)
    assert finest.shape == (9, 4)
    # Of 32 pixels: twice as wide as high, square, twice as high as wide, all of 1024 square pixels.
    assert finest[0].tolist() == pytest.approx([-22.627417, -11.313708, 22.627417, 11.313708])
    assert finest[1].tolist() == [-16.0, -16.0, 16.0, 16.0]
    assert finest[2].tolist() == pytest.approx([-11.313708, -22.627417, 11.313708, 22.627417])
    # Then of 32 * 2^(1/3) and of 32 * 2^(2/3).
    assert finest[4].tolist() == pytest.approx([-20.158737, -20.158737, 20.158737, 20.158737])
    assert finest[7].tolist() == pytest.approx([-25.398417, -25.398417, 25.398417, 25.398417])


@pytest.mark.parametrize(("level", "size"), [(0, 32), (1, 64), (2, 128), (3, 256), (4, 512)])
def test_each_coarser_map_has_anchors_of_twice_the_size(level: int, size: int) -> None:
    assert cell_anchors(level)[1].tolist() == [-size / 2, -size / 2, size / 2, size / 2]


def test_anchors_go_row_by_row_and_start_at_the_corner() -> None:
    all_N4 = anchors(0, height=2, width=3, stride=8)
    assert all_N4.shape == (2 * 3 * 9, 4)
    centres = ((all_N4[:, :2] + all_N4[:, 2:]) / 2)[::9].tolist()
    assert centres == [[0, 0], [8, 0], [16, 0], [0, 8], [8, 8], [16, 8]]
    assert all_N4[9 * 5 + 1].tolist() == [0.0, -8.0, 32.0, 24.0]  # the square one around (16, 8)


# --- moves -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_a_box_is_moved_by_parts_of_its_sides_and_grown_by_logarithms(stage: int) -> None:
    """20 by 40 around (20, 40): a tenth of 20 to the right, a fifth of 40 up, twice as wide, half as high."""
    boxes_N4 = torch.tensor([[10.0, 20.0, 30.0, 60.0]])
    published = ((10.0, 10.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0), (30.0, 30.0, 15.0, 15.0))[stage]
    parts = (0.1, -0.2, math.log(2), math.log(0.5))
    deltas_N4 = torch.tensor([[weight * part for weight, part in zip(published, parts, strict=True)]])
    place, size = MOVES[stage]
    assert moved(boxes_N4, deltas_N4, place, size)[0].tolist() == pytest.approx([2.0, 22.0, 42.0, 42.0])


def test_a_side_grows_at_most_62_and_a_half_times() -> None:
    boxes_N4 = torch.tensor([[0.0, 0.0, 2.0, 4.0]])
    left, top, right, bottom = moved(boxes_N4, torch.tensor([[0.0, 0.0, 99.0, 4.0]]), 1.0, 1.0)[0].tolist()
    assert right - left == pytest.approx(125.0, rel=1e-5)
    assert bottom - top == pytest.approx(4 * math.exp(4.0), rel=1e-5)


def test_boxes_are_cut_at_the_edges_and_outside_ones_are_empty() -> None:
    boxes_N4 = torch.tensor([[-5.0, 2.0, 30.0, 9.0], [22.0, 1.0, 40.0, 5.0], [3.0, 3.0, 4.0, 12.0]])
    cut_N4 = clipped(boxes_N4, height=10, width=20)
    assert cut_N4.tolist() == [[0, 2, 20, 9], [20, 1, 20, 5], [3, 3, 4, 10]]
    assert filled(cut_N4).tolist() == [True, False, True]


# --- suppression -------------------------------------------------------------------------------------------


def test_a_box_that_gave_way_pushes_nobody_away() -> None:
    """In a chain the first covers the second and the second the third: first and third stay."""
    boxes_N4 = torch.tensor([[0.0, 0.0, 10.0, 1.0], [3.0, 0.0, 13.0, 1.0], [6.0, 0.0, 16.0, 1.0]])
    scores_N = torch.tensor([0.9, 0.8, 0.7])  # overlaps: 7/13, 7/13, 4/16
    assert nms(boxes_N4, scores_N, 0.5).tolist() == [0, 2]
    assert nms(boxes_N4, scores_N, 0.6).tolist() == [0, 1, 2]
    assert nms(boxes_N4, scores_N, 0.2).tolist() == [0]


def test_an_overlap_of_exactly_the_threshold_is_kept() -> None:
    boxes_N4 = torch.tensor([[0.0, 0.0, 2.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    assert nms(boxes_N4, torch.tensor([0.9, 0.8]), 0.5).tolist() == [0, 1]


def test_of_equal_scores_the_earlier_box_is_the_better_one() -> None:
    boxes_N4 = torch.tensor([[0.0, 0.0, 2.0, 2.0]] * 3)
    assert nms(boxes_N4, torch.tensor([0.5, 0.7, 0.7]), 0.5).tolist() == [1]


def test_empty_boxes_push_nobody_away() -> None:
    boxes_N4 = torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 2.0, 2.0]])
    assert nms(boxes_N4, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 1, 2]


def crowd(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns boxes, scores with some equal ones, and groups."""
    random = torch.Generator().manual_seed(seed)
    corner, sides = torch.rand(count, 2, generator=random) * 60, torch.rand(count, 2, generator=random) * 40
    scores_N = torch.rand(count, generator=random).mul(50).round() / 50
    return torch.cat([corner, corner + sides], 1), scores_N, torch.randint(0, 4, (count,), generator=random)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_suppression_is_that_of_a_loop(seed: int, threshold: float) -> None:
    boxes_N4, scores_N, group_N = crowd(150, seed)
    everything = sorted(range(150), key=lambda index: -scores_N[index].item())  # of equal ones the earlier

    def kept(of: list[int]) -> list[int]:
        return [of[n] for n in greedy([(scores_N[i].item(), boxes_N4[i].tolist()) for i in of], threshold)]

    assert nms(boxes_N4, scores_N, threshold).tolist() == kept(everything)
    by_group = [kept([index for index in everything if group_N[index] == group]) for group in range(4)]
    expected = sorted(sorted(chain.from_iterable(by_group)), key=lambda index: -scores_N[index].item())
    assert grouped_nms(boxes_N4, scores_N, group_N, threshold).tolist() == expected


def test_of_no_boxes_none_are_kept() -> None:
    nothing = torch.zeros(0)
    assert grouped_nms(torch.zeros(0, 4), nothing, nothing.long(), 0.5).tolist() == []
    assert [len(each) for each in chosen(torch.zeros(0, 4), torch.zeros(0, 3))] == [0, 0, 0]


# --- what goes on ------------------------------------------------------------------------------------------


def test_a_thousand_places_of_each_map_go_on_and_a_thousand_of_all() -> None:
    """Boxes in a row that do not touch, on two maps: the best thousand of each, then of both."""
    first_N = torch.arange(1500).float()
    boxes_N4 = torch.stack([first_N, first_N * 0, first_N + 1, first_N * 0 + 1], 1)
    logits = [first_N, first_N + 0.5]
    best_N4 = likeliest([boxes_N4, boxes_N4], logits, height=10, width=2000)
    assert best_N4[:, 0].tolist() == [float(1499 - n // 2) for n in range(1000)]
    alone_N4 = likeliest([boxes_N4], [first_N], height=10, width=2000)
    assert alone_N4[:, 0].tolist() == [float(1499 - n) for n in range(1000)]


def test_a_place_outside_the_picture_is_dropped_after_the_best_are_taken() -> None:
    first_N = torch.arange(1500).float()
    boxes_N4 = torch.stack([first_N, first_N * 0, first_N + 1, first_N * 0 + 1], 1)
    inside_N4 = likeliest([boxes_N4], [first_N], height=10, width=600)
    assert inside_N4[:, 0].tolist() == [float(599 - n) for n in range(100)]  # of 500 to 1499


def test_a_box_may_be_two_things_and_a_class_suppresses_only_itself() -> None:
    boxes_N4 = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 8.0], [5.0, 5.0, 5.0, 9.0]])
    scores_NK = torch.tensor([[0.8, 0.3, 0.1], [0.7, 0.4, 0.2], [0.0, 0.9, 0.05]])
    boxes_M4, scores_M, class_M = chosen(boxes_N4, scores_NK)
    assert class_M.tolist() == [0, 1, 2]  # the empty box is dropped, and 0.1 is not above 0.1
    assert scores_M.tolist() == pytest.approx([0.8, 0.4, 0.2])
    assert boxes_M4.tolist() == [[0, 0, 9, 9], [0, 0, 9, 8], [0, 0, 9, 8]]


def test_at_most_300_detections_are_told() -> None:
    first_N = torch.arange(400).float()
    boxes_N4 = torch.stack([first_N, first_N * 0, first_N + 1, first_N * 0 + 1], 1)
    scores_NK = (0.2 + first_N / 1000)[:, None]
    boxes_M4, _, _ = chosen(boxes_N4, scores_NK)
    assert boxes_M4[:, 0].tolist() == [float(399 - n) for n in range(300)]
