"""Means over prompts and their intervals: by hand where a hand suffices, by simulation for the coverage."""

import json
import math
import time

import numpy as np
import pytest

from tessera.statistics.intervals import (
    Estimate,
    estimate,
    mean_estimate,
    overall_estimate,
    prompt_means,
    wilson,
)

NAN = math.nan


# --- prompt means ----------------------------------------------------------------------------------


def test_samples_of_a_prompt_become_one_mean_in_order_of_appearance() -> None:
    means_P = prompt_means(["b", "a", "b", "a", "b"], [1.0, 0.0, 0.0, 0.0, 1.0])
    assert means_P.tolist() == pytest.approx([2 / 3, 0])


def test_what_could_not_be_graded_leaves_its_prompt_and_a_prompt_of_nothing_else_is_nan() -> None:
    means_P = prompt_means(["a", "a", "b", "b"], [1.0, NAN, NAN, NAN])
    assert means_P[0] == 1
    assert math.isnan(means_P[1])


def test_ids_and_values_must_match() -> None:
    with pytest.raises(ValueError, match="2 prompt ids for 1 values"):
        prompt_means(["a", "b"], [1.0])


def test_no_rows_give_no_means() -> None:
    assert len(prompt_means([], [])) == 0


# --- estimates -------------------------------------------------------------------------------------


def test_two_prompts_resample_to_the_quarter_points() -> None:
    """Of {0, 1} drawn twice the mean is 0, 1/2, 1 with chances 1/4, 1/2, 1/4: the 95 % interval is [0, 1]."""
    result = estimate(np.array([0.0, 1.0]))
    assert result == Estimate(0.5, 0.0, 1.0, 2)


def test_the_interval_is_the_normal_one_where_the_central_limit_holds() -> None:
    """400 prompts, half right: standard error 0.025, so 0.451 to 0.549. The quantiles of 2,000 resamples have
    a standard deviation of about 0.0015; a correct program leaves 0.008 with a chance below 1e-6."""
    result = estimate(np.repeat([0.0, 1.0], 200), seed=3)
    assert (result.ci_low, result.ci_high) == pytest.approx((0.451, 0.549), abs=0.008)


def test_overall_is_the_unweighted_mean_of_categories() -> None:
    result = overall_estimate([np.repeat([0.0, 1.0], 30), np.repeat([0.0, 1.0], [1, 9])])
    assert result.mean == pytest.approx((0.5 + 0.9) / 2)
    assert result.n == 70
    assert result.ci_low < result.mean < result.ci_high


def test_resampling_keeps_the_categories_apart() -> None:
    """Two categories of 100 at 0.1 and 0.9: the error within is sqrt(0.09/100)/sqrt(2) = 0.021. Prompts mixed
    over categories would give 0.5/sqrt(200) = 0.035, and an interval 1.7 times as wide."""
    low, high = np.repeat([0.0, 1.0], [90, 10]), np.repeat([0.0, 1.0], [10, 90])
    result = overall_estimate([low, high], seed=1)
    assert result.ci_high - result.ci_low == pytest.approx(2 * 1.96 * 0.0212, rel=0.12)


def test_nan_prompts_leave_the_sample() -> None:
    with_nan = estimate(np.array([0.0, NAN, 1.0, 0.5, NAN]), seed=5)
    assert with_nan == estimate(np.array([0.0, 1.0, 0.5]), seed=5)
    assert with_nan.n == 3


def test_the_same_seed_gives_the_same_interval_and_a_generator_goes_on() -> None:
    means_P = np.random.default_rng(0).random(50)
    assert estimate(means_P, seed=7) == estimate(means_P, seed=7)
    rng = np.random.default_rng(7)
    first = estimate(means_P, rng)
    assert first == estimate(means_P, seed=7)
    assert estimate(means_P, rng) != first


@pytest.mark.parametrize("categories", [[], [[]], [[NAN, NAN]], [[0.5, 1.0], [NAN]]])
def test_without_a_graded_prompt_in_every_category_nothing_is_known(categories: list[list[float]]) -> None:
    result = overall_estimate([np.array(means, dtype=np.float64) for means in categories])
    assert math.isnan(result.mean)
    assert math.isnan(result.ci_low)
    assert math.isnan(result.ci_high)
    assert result.n == sum(not math.isnan(v) for means in categories for v in means)


# --- where the bootstrap has no width --------------------------------------------------------------


def test_wilson_by_hand() -> None:
    """10 of 10: [10/(10 + z^2), 1] = [0.7225, 1]; 5 of 10: 0.5 -+ 0.5 z/sqrt(10 + z^2) = [0.2366, 0.7634]."""
    assert wilson(1.0, 10) == pytest.approx((0.72246, 1.0), abs=1e-5)
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.27754), abs=1e-5)
    assert wilson(0.5, 10) == pytest.approx((0.23659, 0.76341), abs=1e-5)
    assert all(math.isnan(v) for v in wilson(1.5, 10))


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("n", [1, 20])
def test_prompts_that_all_agree_get_wilsons_interval(value: float, n: int) -> None:
    result = estimate(np.full(n, value))
    assert result.mean == value
    assert (result.ci_low, result.ci_high) == pytest.approx(wilson(value, n))
    assert result.ci_low <= value <= result.ci_high
    assert result.ci_high > result.ci_low


def test_agreeing_categories_join_in_squares() -> None:
    """Two categories of 20, all wrong: each reaches 0.1611; half of it twice in squares is 0.1611/sqrt(2)."""
    result = overall_estimate([np.zeros(20), np.zeros(20)])
    assert result.mean == 0
    assert result.ci_low == pytest.approx(0)
    assert result.ci_high == pytest.approx(wilson(0.0, 20)[1] / math.sqrt(2))


def test_a_category_that_agrees_widens_the_interval_of_the_rest() -> None:
    mixed = np.repeat([0.0, 1.0], 20)
    half = overall_estimate([mixed, np.ones(5)], seed=2)
    alone = estimate(mixed, seed=2)
    below = math.hypot((alone.mean - alone.ci_low) / 2, (1 - wilson(1.0, 5)[0]) / 2)
    assert half.mean - half.ci_low == pytest.approx(below)
    assert half.ci_high - half.mean == pytest.approx((alone.ci_high - alone.mean) / 2)


def test_equal_scores_outside_shares_have_no_known_interval() -> None:
    result = estimate(np.full(4, 7.5))
    assert result.mean == 7.5
    assert math.isnan(result.ci_low)
    assert math.isnan(result.ci_high)


# --- files -----------------------------------------------------------------------------------------


def test_json_has_null_for_nan_and_comes_back() -> None:
    text = json.dumps([Estimate(0.5, 0.25, 0.75, 8).to_json(), Estimate(NAN, NAN, NAN, 0).to_json()])
    assert text == (
        '[{"mean": 0.5, "ci_low": 0.25, "ci_high": 0.75, "n": 8}, '
        '{"mean": null, "ci_low": null, "ci_high": null, "n": 0}]'
    )
    first, second = (Estimate.from_json(row) for row in json.loads(text))
    assert first == Estimate(0.5, 0.25, 0.75, 8)
    assert math.isnan(second.mean)
    assert second.n == 0


# --- does it cover? --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompts", "categories", "runs"), [(100, 1, 2_000), (50, 4, 1_000)], ids=["category", "overall"]
)
def test_the_interval_covers_the_truth_as_often_as_it_says(prompts: int, categories: int, runs: int) -> None:
    """Policies whose chance differs from prompt to prompt, Beta(2, 2), four pictures each; the truth is 0.5.

    Expected coverage is 94 to 95 %; with 2,000 (1,000) runs its standard error is 0.5 (0.7) points, so under
    another seed a correct program would leave 93 to 97 % with a chance of about 1 (5) percent.
    """
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(runs):
        sample = [rng.binomial(4, rng.beta(2, 2, prompts)) / 4 for _ in range(categories)]
        result = overall_estimate(sample, rng, resamples=1_000)
        covered += result.ci_low <= 0.5 <= result.ci_high
    assert 0.93 <= covered / runs <= 0.97


def test_single_pictures_as_units_would_cover_too_rarely() -> None:
    """Why prompts are the unit: four pictures of one prompt alike would halve the interval."""
    means_P = np.random.default_rng(0).integers(0, 2, 100).astype(np.float64)
    by_prompt, by_picture = estimate(means_P), estimate(np.repeat(means_P, 4))
    ratio = (by_picture.ci_high - by_picture.ci_low) / (by_prompt.ci_high - by_prompt.ci_low)
    assert ratio == pytest.approx(0.5, abs=0.05)


def test_a_thousand_prompts_take_milliseconds() -> None:
    means_P = np.random.default_rng(0).random(1_000)
    start = time.perf_counter()
    estimate(means_P)
    assert time.perf_counter() - start < 0.5  # about 0.01 on an idle core


def test_a_change_by_hand() -> None:
    one, other = np.array([0.0, -1.0, -0.5, np.nan]), np.array([0.5, 0.5, 0.0])
    change = mean_estimate([one, other])
    assert change.mean == pytest.approx((-0.5 + 1 / 3) / 2)
    error = math.sqrt(0.25 / 3 + (1 / 12) / 3) / 2
    assert change.ci_high - change.mean == pytest.approx(1.959964 * error)
    assert change.n == 6
    assert math.isnan(mean_estimate([one, np.array([1.0])]).ci_low)
    assert math.isnan(mean_estimate([one, np.array([np.nan])]).mean)
