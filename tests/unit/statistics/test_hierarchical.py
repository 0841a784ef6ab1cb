"""Crossed random effects by hand; their coverage is measured in test_coverage.py."""

import json
import math
import time

import numpy as np
import pytest

from tessera.statistics.hierarchical import arm_score, contrast

Z = 1.959964


def test_seeds_and_prompts_that_only_add_up_have_the_two_textbook_variances() -> None:
    """score = a_S + b_P: V = var(a)/3 + var(b)/3 = (.01 + .04)/3, no rest. 1/df = .2/2 + .8/2."""
    score_SP = np.array([[0.0], [0.1], [0.2]]) + np.array([0.2, 0.4, 0.6])
    effect = contrast([score_SP], [1.0], ["a"] * 3)
    assert effect.value == pytest.approx(0.5)
    assert effect.error == pytest.approx(math.sqrt(0.05 / 3))
    assert effect.seed_share == pytest.approx(0.2)
    assert effect.df == pytest.approx(2)
    assert effect.ci_high - 0.5 == pytest.approx(4.302653 * math.sqrt(0.05 / 3))
    assert (effect.seeds, effect.prompts, effect.dropped, effect.counts_seeds) == ((3,), 3, 0, True)


def test_what_is_neither_seed_nor_prompt_is_counted_once() -> None:
    """One right of four: V_seed = V_prompt = V_rest = 1/16, so V = 1/16 with one degree of freedom."""
    effect = contrast([np.array([[1.0, 0.0], [0.0, 0.0]])], [1.0], ["a", "a"])
    assert (effect.value, effect.error, effect.df) == pytest.approx((0.25, 0.25, 1))


def test_one_seed_is_over_prompts_alone_and_says_so() -> None:
    """Categories of 2 and 4 prompts: V = (.5/2 + (1/3)/4)/4 = 1/12, df = (1/3)^2 / (.25^2 + (1/12)^2/3)."""
    score_SP = np.array([[0.0, 1.0, 0.0, 0.0, 1.0, 1.0]])
    effect = arm_score(score_SP, ["a", "a", "b", "b", "b", "b"])
    assert effect.value == 0.5
    assert effect.error == pytest.approx(math.sqrt(1 / 12))
    assert effect.df == pytest.approx(12 / 7)
    assert (effect.seed_share, effect.counts_seeds) == (0, False)
    assert (effect.ci_low, effect.ci_high) == (0, 1)  # a score ends where scores end


def test_the_overall_score_is_the_unweighted_mean_of_categories() -> None:
    score_SP = np.array([[0.0, 0.2, 0.6, 0.8, 1.0, 0.8]])
    assert arm_score(score_SP, ["a", "a", "b", "b", "b", "b"]).value == pytest.approx((0.1 + 0.8) / 2)


def test_seeds_that_favour_categories_are_seeds_not_rest() -> None:
    """Seed 1 gains .2 in one category, seed 2 in the other: overall they are level, and nothing is left over
    for the rest."""
    prompt_P = np.array([0.1, 0.3, 0.5, 0.2, 0.4, 0.6])
    score_SP = prompt_P + np.array([[0.2, 0.2, 0.2, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.2, 0.2, 0.2]])
    effect = contrast([score_SP], [1.0], list("aaabbb"))
    assert effect.seed_share == pytest.approx(0, abs=1e-12)
    assert effect.error == pytest.approx(math.sqrt(2 * 0.04 / 3 / 4))


def test_weights_square_in_the_variance() -> None:
    score_SP = np.random.default_rng(0).random((3, 40))
    one = contrast([score_SP], [1.0], ["a"] * 40)
    half = contrast([score_SP], [0.5], ["a"] * 40)
    assert (half.value, half.error, half.df) == pytest.approx((one.value / 2, one.error / 2, one.df))


def test_what_all_policies_share_leaves_a_difference() -> None:
    rng = np.random.default_rng(1)
    difficulty_P = rng.random(50)
    new_SP, old_SP = 0.1 * rng.random((3, 50)), 0.1 * rng.random((1, 50))
    plain = contrast([new_SP, old_SP], [1.0, -1.0], ["a"] * 50)
    hard = contrast([new_SP + difficulty_P, old_SP + difficulty_P], [1.0, -1.0], ["a"] * 50)
    assert (hard.value, hard.error, hard.df) == pytest.approx((plain.value, plain.error, plain.df))


def test_a_category_where_nothing_varies_is_not_certain() -> None:
    """20 of 20 right: Wilson's lower end is 1 - z^2/(n + z^2) = .839; so is the interval's, up to t for z."""
    effect = arm_score(np.ones((1, 20)), ["a"] * 20)
    error = Z / (20 + Z * Z)
    assert (effect.value, effect.ci_high) == (1, 1)
    assert effect.error == pytest.approx(error)
    assert effect.ci_low == pytest.approx(1 - 2.093024 * error)
    same = contrast([np.ones((3, 20)), np.ones((3, 20))], [1.0, -1.0], ["a"] * 20)
    assert (same.value, same.error) == pytest.approx((0, error))


def test_a_prompt_that_one_policy_lacks_leaves_all_of_them() -> None:
    rng = np.random.default_rng(2)
    new_SP, old_SP = rng.random((3, 30)), rng.random((2, 30))
    new_SP[1, 4] = old_SP[0, 7] = math.nan
    kept = [column for column in range(30) if column not in (4, 7)]
    with_gaps = contrast([new_SP, old_SP], [1.0, -1.0], ["a"] * 30)
    without = contrast([new_SP[:, kept], old_SP[:, kept]], [1.0, -1.0], ["a"] * 28)
    assert (with_gaps.value, with_gaps.error) == (without.value, without.error)
    assert (with_gaps.prompts, with_gaps.dropped) == (28, 2)


@pytest.mark.parametrize("gap", [0, 1])
def test_a_category_with_less_than_two_graded_prompts_makes_the_score_unknown(gap: int) -> None:
    score_SP = np.array([[0.5, 0.4, 0.3, 0.2]])
    score_SP[0, gap:2] = math.nan
    effect = arm_score(score_SP, ["a", "a", "b", "b"])
    assert math.isnan(effect.value)
    assert math.isnan(effect.ci_low)
    assert math.isnan(effect.p_value())
    assert json.loads(json.dumps(effect.to_json()))["value"] is None


def test_the_p_value_is_where_the_interval_meets_the_null() -> None:
    effect = contrast([np.random.default_rng(3).random((3, 60))], [1.0], ["a", "b"] * 30)
    assert effect.p_value(effect.ci_low) == pytest.approx(0.05)
    assert effect.p_value(effect.ci_high) == pytest.approx(0.05)
    assert effect.p_value(effect.value) == pytest.approx(1)


def test_shapes_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="2 arms for 1 weights"):
        contrast([np.zeros((1, 2))] * 2, [1.0], ["a", "a"])
    with pytest.raises(ValueError, match="1 categories for 2 prompts"):
        contrast([np.zeros((1, 2))], [1.0], ["a"])


def test_a_hundred_intervals_take_less_than_a_second() -> None:
    score_SP = np.random.default_rng(4).random((5, 650))
    began = time.perf_counter()
    for _ in range(100):
        arm_score(score_SP, [str(column % 11) for column in range(650)])
    assert time.perf_counter() - began < 1.0
