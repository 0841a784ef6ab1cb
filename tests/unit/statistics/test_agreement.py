"""AUC, thresholds, calibration, pairs and rank agreement against hand-computed and independent numbers."""

import math

import numpy as np
import pytest

from tessera.statistics.agreement import (
    auc,
    balancing_threshold,
    fit_logistic,
    pair_accuracy,
    reliability,
    sigmoid,
    tau_b,
)

NAN = np.nan


def test_auc_counts_won_pairs_and_half_of_the_ties() -> None:
    # Right: 0.9, 0.5. Wrong: 0.5, 0.1. Pairs: 0.9 beats both, 0.5 ties one and beats one: 3.5 of 4.
    score_PG = np.array([[0.9, 0.5], [0.5, 0.1]])
    right_PG = np.array([[True, False], [True, False]])
    assert auc(score_PG, right_PG).mean == pytest.approx(3.5 / 4)


def test_auc_agrees_with_comparing_every_pair() -> None:
    rng = np.random.default_rng(3)
    score_PG = rng.integers(0, 6, size=(20, 5)).astype(np.float64)
    score_PG[rng.random((20, 5)) < 0.1] = NAN
    right_PG = rng.random((20, 5)) < 0.4
    known_PG = ~np.isnan(score_PG)
    differences = score_PG[known_PG & right_PG][:, None] - score_PG[known_PG & ~right_PG][None, :]
    estimate = auc(score_PG, right_PG)
    assert estimate.mean == pytest.approx(float(((np.sign(differences) + 1) / 2).mean()))
    assert estimate.ci_low < estimate.mean < estimate.ci_high
    assert estimate.n == 20


def test_auc_of_one_kind_alone_is_unknown_and_a_perfect_one_keeps_a_width() -> None:
    score_PG = np.arange(8.0).reshape(4, 2)
    assert math.isnan(auc(score_PG, np.ones((4, 2), dtype=bool)).mean)
    perfect = auc(score_PG, score_PG > 3)
    assert perfect.mean == perfect.ci_high == 1.0
    assert perfect.ci_low < 1.0


def test_the_intervals_of_auc_cover_as_often_as_they_say() -> None:
    """Of 200 samples of 40 prompts, 95 % intervals around a true AUC of 3/4.

    A covering of 93 %, what the percentile bootstrap reaches here, misses 171 of 200 once in 10,000 times.
    """
    rng = np.random.default_rng(8)
    shift = 0.6744897501960817 * math.sqrt(2)  # of two unit normals, so that one wins 3 of 4 times
    covered = 0
    for _ in range(200):
        right_PG = rng.random((40, 2)) < 0.5
        estimate = auc(rng.normal(size=(40, 2)) + shift * right_PG, right_PG)
        covered += estimate.ci_low <= 0.75 <= estimate.ci_high
    assert covered >= 171


def test_the_threshold_calls_as_many_right_as_are() -> None:
    score_B = np.array([0.1, 0.9, 0.4, 0.6, NAN])
    right_B = np.array([True, True, False, False, True])
    assert balancing_threshold(score_B, right_B) == pytest.approx(0.5)
    assert balancing_threshold(score_B, np.zeros(5, dtype=bool)) == math.inf
    assert balancing_threshold(score_B, np.ones(5, dtype=bool)) == -math.inf


def test_the_logistic_fit_solves_its_own_equations() -> None:
    """At the optimum, predictions match Platt's targets in sum, and in sum weighted by the score."""
    rng = np.random.default_rng(1)
    score_B = rng.normal(50.0, 7.0, size=300)
    right_B = rng.random(300) < sigmoid(0.3 * (score_B - 48))
    slope, intercept = fit_logistic(score_B, right_B)
    rights = int(right_B.sum())
    target_B = np.where(right_B, (rights + 1) / (rights + 2), 1 / (302 - rights))
    miss_B = sigmoid(slope * score_B + intercept) - target_B
    assert abs(miss_B.sum()) < 1e-6
    assert abs((miss_B * (score_B - 50)).sum()) < 1e-5
    assert slope == pytest.approx(0.3, abs=0.15)


def test_the_logistic_fit_is_finite_where_scores_separate_never_vary_or_are_missing() -> None:
    score_B = np.array([0.0, 0.0, 1.0, 1.0, NAN])
    slope, intercept = fit_logistic(score_B, np.array([False, False, True, True, True]))
    # Both values are fitted exactly: targets 3/4 and 1/4.
    assert slope + intercept == pytest.approx(math.log(3), abs=1e-6)
    assert intercept == pytest.approx(-math.log(3), abs=1e-6)
    assert fit_logistic(np.full(4, 2.0), np.array([True, False, True, False])) == (0.0, 0.0)
    assert fit_logistic(np.full(3, NAN), np.array([True, False, True])) == (0.0, 0.0)


def test_reliability_by_hand() -> None:
    p_B = np.array([0.05, 0.05, 0.95, 0.95, 1.0, NAN])
    right_B = np.array([False, True, True, True, True, False])
    bins, ece = reliability(p_B, right_B)
    assert [(each.count, each.right) for each in bins] == [(2, 0.5), (3, 1.0)]
    assert bins[1].predicted == pytest.approx(2.9 / 3)
    assert ece == pytest.approx((2 * 0.45 + 3 * (1 - 2.9 / 3)) / 5)
    assert math.isnan(reliability(np.full(2, NAN), np.array([True, False]))[1])


def test_pair_accuracy_by_hand() -> None:
    score_PG = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 0.0], [1.0, 2.0, 3.0], [1.0, NAN, 3.0]])
    truth_PG = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    # Row 0: 2>1 right, 3>1 right, 3>2 wrong. Row 1: a tie, and a right one. Row 2: no pair differs.
    # Row 3: the pair with the missing score is left out.
    np.testing.assert_allclose(pair_accuracy(score_PG, truth_PG), [2 / 3, 3 / 4, NAN, 1.0])


def test_tau_b_by_hand() -> None:
    one_PG = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 1.0, 2.0], [1.0, 1.0, 1.0], [1.0, 2.0, NAN]])
    two_PG = np.array([[2.0, 4.0, 9.0], [3.0, 1.0, 2.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [2.0, 1.0, 5.0]])
    # Row 1: pairs (1,2) discordant, (1,3) discordant, (2,3) concordant: -1/3. Row 2: 2 / sqrt(2 * 3).
    np.testing.assert_allclose(tau_b(one_PG, two_PG), [1.0, -1 / 3, 2 / math.sqrt(6), NAN, -1.0])


def test_what_is_fitted_does_not_depend_on_the_unit_of_the_score() -> None:
    rng = np.random.default_rng(2)
    score_B = rng.random(60)
    right_B = rng.random(60) < score_B
    one, two = fit_logistic(score_B, right_B), fit_logistic(1000 * score_B - 7, right_B)
    np.testing.assert_allclose(
        sigmoid(one[0] * score_B + one[1]), sigmoid(two[0] * (1000 * score_B - 7) + two[1]), atol=1e-8
    )
