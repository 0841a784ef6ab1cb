"""Differences, slopes and families of claims, by hand."""

import math

import numpy as np
import pytest

from tessera.statistics.paired import difference, difference_by_category, doubling, holm


def test_a_difference_of_two_policies_is_the_paired_t_test() -> None:
    """d = .4, .2, 0, .2: mean .2, standard deviation .1633, t = .2 / (.1633/2) = 2.449 with 3 degrees."""
    old_SP = np.array([[0.1, 0.9, 0.5, 0.3]])
    effect = difference(old_SP + np.array([0.4, 0.2, 0.0, 0.2]), old_SP, ["a"] * 4)
    assert (effect.value, effect.error, effect.df) == pytest.approx((0.2, math.sqrt(0.08 / 3) / 2, 3))
    assert effect.p_value() == pytest.approx(0.0917, abs=1e-4)


def test_two_arms_add_their_seeds_by_welch_and_leave_the_rest_out_once() -> None:
    """Seeds shift all prompts alike: var 0.01/3 and 0.04/3, no rest, and prompts differ by what is left.
    Welch: (1 + 4)^2 / ((1 + 16)/2) degrees of freedom among the seeds."""
    prompt_P = np.array([0.3, 0.4, 0.5, 0.6])
    new_SP = np.array([[0.0], [0.1], [0.2]]) + prompt_P
    old_SP = np.array([[-0.2], [0.0], [0.2]]) + np.zeros(4)
    effect = difference(new_SP, old_SP, ["a"] * 4)
    over_seeds, over_prompts = 0.05 / 3, float(prompt_P.var(ddof=1)) / 4
    assert effect.value == pytest.approx(0.55)
    assert effect.error == pytest.approx(math.sqrt(over_seeds + over_prompts))
    share = over_seeds / (over_seeds + over_prompts)
    assert 1 / effect.df == pytest.approx(share * 8.5 / 25 + (1 - share) / 3)
    assert effect.seeds == (3, 3)


def test_categories_are_told_apart_in_their_order() -> None:
    rng = np.random.default_rng(0)
    new_SP, old_SP = rng.random((3, 6)), rng.random((1, 6))
    both = difference_by_category(new_SP, old_SP, ["b", "a", "b", "a", "b", "a"])
    assert list(both) == ["b", "a"]
    assert both["a"].value == pytest.approx(new_SP[:, 1::2].mean() - old_SP[:, 1::2].mean())
    assert (both["a"].prompts, both["a"].seeds) == (3, (3, 1))


def test_a_doubling_buys_the_slope_over_log2() -> None:
    """Sizes 4, 8, 16: u = 2, 3, 4, so the slope is (last - first)/2, with half the error of their sum."""
    rng = np.random.default_rng(1)
    scores = [rng.random((3, 20)) for _ in range(3)]
    slope = doubling(scores, [4.0, 8.0, 16.0], ["a"] * 20)
    ends = difference(scores[2], scores[0], ["a"] * 20)
    assert (slope.value, slope.error) == pytest.approx((ends.value / 2, ends.error / 2))
    assert slope.seeds == (3, 3, 3)


@pytest.mark.parametrize("sizes", [[1.0, 1.0], [0.0, 2.0]])
def test_a_slope_needs_two_sizes_that_have_a_logarithm(sizes: list[float]) -> None:
    with pytest.raises(ValueError, match="two sizes above 0 that differ"):
        doubling([np.zeros((1, 2))] * 2, sizes, ["a", "a"])
    with pytest.raises(ValueError, match="1 arms for 2 sizes"):
        doubling([np.zeros((1, 2))], sizes, ["a", "a"])


def test_holm_multiplies_by_what_is_left_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_what_could_not_be_tested_is_no_member_of_the_family() -> None:
    adjusted = holm([0.01, math.nan, 0.04])
    assert adjusted[0] == pytest.approx(0.02)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.04)
