"""Correlations of a handful of points."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from tessera.statistics.correlation import Kind, correlate

NONE = np.zeros(4)
X = np.array([1.0, 2.0, 3.0, 4.0])


def test_four_points_in_perfect_order_are_not_significant() -> None:
    """2 of 24 orders do as well: that one and its reverse."""
    result = correlate(X, X**3, NONE, NONE)
    assert result.value == 1
    assert result.p_value == result.least_p == pytest.approx(2 / 24)
    assert result.ci_low < 0 < result.ci_high <= 1


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_values_are_those_of_numpy_on_values_and_on_shared_ranks(kind: Kind) -> None:
    x_N = np.array([0.1, 0.4, 0.4, 0.9, 0.2, 0.3])
    y_N = np.array([1.0, 3.0, 2.0, 2.0, 2.0, 0.0])
    one_N, two_N = (x_N, y_N) if kind == "pearson" else (stats.rankdata(x_N), stats.rankdata(y_N))
    expected = np.corrcoef(one_N, two_N)[0, 1]
    assert correlate(x_N, y_N, np.zeros(6), np.zeros(6), kind).value == pytest.approx(expected)


def test_without_errors_the_interval_of_pearson_is_fishers() -> None:
    """r with 20 points: tanh(atanh r ± 1.96/sqrt(17)), up to the noise of 10,000 draws (.006 in z; a correct
    program leaves .03 with a chance below 1e-5)."""
    rng = np.random.default_rng(0)
    x_N = rng.standard_normal(20)
    y_N = x_N + rng.standard_normal(20)
    result = correlate(x_N, y_N, np.zeros(20), np.zeros(20), "pearson")
    ends = np.arctanh([result.ci_low, result.ci_high]) - math.atanh(result.value)
    assert ends == pytest.approx([-1.96 / math.sqrt(17), 1.96 / math.sqrt(17)], abs=0.03)


def test_points_that_are_unsure_widen_the_interval() -> None:
    x_N = np.arange(8.0)
    y_N = np.array([0.0, 2.0, 1.0, 3.0, 5.0, 4.0, 7.0, 6.0])
    sure = correlate(x_N, y_N, np.zeros(8), np.zeros(8))
    unsure = correlate(x_N, y_N, np.full(8, 2.0), np.full(8, 2.0))
    assert unsure.value == sure.value
    assert unsure.ci_low < sure.ci_low - 0.1


def test_three_points_say_nothing_of_the_correlation() -> None:
    result = correlate(X[:3], X[:3], NONE[:3], NONE[:3])
    assert (result.ci_low, result.ci_high, result.points) == (-1, 1, 3)
    assert result.p_value == pytest.approx(2 / 6)


@pytest.mark.parametrize("y_N", [np.ones(4), np.array([1.0, math.nan, 2.0, 3.0])])
def test_a_number_that_does_not_vary_or_is_missing_has_no_correlation(y_N: np.ndarray) -> None:
    result = correlate(X, y_N, NONE, NONE)
    assert math.isnan(result.value)
    assert json.loads(json.dumps(result.to_json()))["p_value"] is None


def test_the_same_seed_gives_the_same_interval() -> None:
    x_N, y_N = np.random.default_rng(1).random((2, 9))
    error_N = np.full(9, 0.1)
    assert correlate(x_N, y_N, error_N, error_N, seed=3) == correlate(x_N, y_N, error_N, error_N, seed=3)


def test_many_points_are_tested_by_drawn_orders() -> None:
    """12 points: the t-test of r with ten degrees of freedom, within .03 (10,000 orders have a noise of .004,
    and orders and t agree to about .01 at 12 points)."""
    rng = np.random.default_rng(5)
    x_N = rng.standard_normal(12)
    y_N = 0.4 * x_N + rng.standard_normal(12)
    result = correlate(x_N, y_N, np.zeros(12), np.zeros(12), "pearson")
    expected = 2 * stats.t.sf(abs(result.value) * np.sqrt(10 / (1 - result.value**2)), 10)
    assert result.p_value == pytest.approx(expected, abs=0.03)


def test_the_interval_covers_the_correlation_of_the_true_values() -> None:
    """Six points of correlation 1/2, errors a fifth of their spread; ranks then correlate by 6/pi asin(1/4).
    100 studies of a true coverage of 97 %: a correct program falls to 90 % with a chance below 1e-3."""
    rng = np.random.default_rng(0)
    truth = 6 / np.pi * np.arcsin(0.25)
    error_N = np.full(6, 0.2)
    covered = 0
    for _ in range(100):
        x_N = rng.standard_normal(6)
        y_N = 0.5 * x_N + np.sqrt(0.75) * rng.standard_normal(6)
        seen_x_N, seen_y_N = (true_N + error_N * rng.standard_normal(6) for true_N in (x_N, y_N))
        result = correlate(seen_x_N, seen_y_N, error_N, error_N)
        covered += result.ci_low <= truth <= result.ci_high
    assert covered / 100 > 0.9
