"""Calibrations by hand, with what is missing."""

import math

import torch

from tessera.objective.advantage import STD_EPS
from tessera.rewards.calibrate import group_zscore, rank, win_rate, zscore

NAN = float("nan")


def table(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def same(found: torch.Tensor, *rows: list[float]) -> None:
    torch.testing.assert_close(found, table(*rows), equal_nan=True, atol=1e-12, rtol=0)


def test_zscore_is_in_standard_deviations_of_the_reference() -> None:
    same(zscore(table([1.0, 5.0, NAN]), (3.0, 2.0)), [-1.0, 1.0, NAN])


def test_group_zscore_leaves_out_what_is_missing_and_equal_scores_are_0() -> None:
    unit = 1 / (1 + STD_EPS)
    same(
        group_zscore(table([0.0, 1.0, 2.0], [1.0, NAN, 1.0], [7.0, NAN, NAN])),
        [-unit, 0.0, unit],
        [0.0, NAN, 0.0],
        [0.0, NAN, NAN],
    )


def test_rank_counts_those_below_less_those_above_and_ties_stand_in_the_middle() -> None:
    same(
        rank(table([1.0, 2.0, 2.0, 9.0], [5.0, NAN, 3.0, NAN], [NAN, NAN, NAN, 4.0])),
        [-1.0, 0.0, 0.0, 1.0],
        [1.0, NAN, -1.0, NAN],
        [NAN, NAN, NAN, 0.0],
    )


def test_win_rate_is_the_mean_chance_in_a_duel() -> None:
    def chance(gap: float) -> float:
        return 1 / (1 + math.exp(-gap))

    same(
        win_rate(table([0.0, 1.0, NAN], [3.0, 3.0, 3.0], [NAN, 2.0, NAN]), 0.5),
        [chance(-2.0), chance(2.0), NAN],
        [0.5, 0.5, 0.5],
        [NAN, 0.5, NAN],
    )


def test_a_cold_win_rate_is_the_rank() -> None:
    scores = table([0.3, -1.0, 4.0, 0.3])
    torch.testing.assert_close(win_rate(scores, 1e-6), (1 + rank(scores)) / 2)
