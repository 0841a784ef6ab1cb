"""The choice from n candidates, and what it is worth, by hand and by counting all subsets."""

import itertools

import numpy as np
import pytest

from tessera.statistics.selection import choose, expected_best, sizes, taken

NAN = np.nan


def test_the_highest_score_is_chosen_and_of_equals_the_first() -> None:
    choice = choose(np.array([[0.1, 0.9, 0.5], [0.7, 0.7, 0.2], [0.2, 0.7, 0.7]]))
    assert choice.index_P.tolist() == [1, 0, 1]
    assert choice.tied_P.tolist() == [False, True, True]
    assert not choice.blind_P.any()


def test_a_missing_score_is_never_chosen_unless_there_is_nothing_else() -> None:
    choice = choose(np.array([[NAN, -5.0, NAN], [NAN, NAN, NAN]]))
    assert choice.index_P.tolist() == [1, 0]
    assert choice.blind_P.tolist() == [False, True]
    assert choice.tied_P.tolist() == [False, False]  # missing scores are no tie


def test_the_value_taken_is_that_of_the_chosen() -> None:
    score_PG = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert taken(np.array([[10.0, 20.0], [30.0, 40.0]]), choose(score_PG)).tolist() == [20.0, 30.0]


def test_expected_best_by_hand() -> None:
    # Scores 3 > 2 > 1 of values 0, 1, 1. From 1: the mean, 2/3. From 2: {3,2} 0, {3,1} 0, {2,1} 1: 1/3.
    # From 3: 0.
    expected_PN = expected_best(np.array([[3.0, 2.0, 1.0]]), np.array([[0.0, 1.0, 1.0]]))
    np.testing.assert_allclose(expected_PN, [[2 / 3, 1 / 3, 0.0]], atol=1e-12)


def test_expected_best_is_the_mean_over_all_orders_of_the_first_ns_choice() -> None:
    """Claim: with ties and missing scores, too, it is what `choose` gets from n, drawing in any order."""
    score_G = np.array([0.5, NAN, 0.9, 0.5, NAN])
    value_G = np.array([1.0, 0.3, 0.0, 0.7, 0.2])
    orders = list(itertools.permutations(range(5)))
    for n in range(1, 6):
        rows = [list(order[:n]) for order in orders]
        score_PG, value_PG = score_G[rows], value_G[rows]
        mean = taken(value_PG, choose(score_PG)).mean()
        assert expected_best(score_G[None], value_G[None])[0, n - 1] == pytest.approx(mean)


def test_expected_best_of_a_blind_score_is_the_mean_and_of_the_truth_never_falls() -> None:
    value_PG = np.random.default_rng(0).random((7, 6))
    mean_P1 = value_PG.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(expected_best(np.zeros((7, 6)), value_PG), np.repeat(mean_P1, 6, axis=1))
    assert (np.diff(expected_best(value_PG, value_PG), axis=1) >= -1e-12).all()


def test_a_picture_whose_value_is_unknown_is_unknown() -> None:
    expected_PN = expected_best(np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([[NAN, 1.0], [0.0, 1.0]]))
    assert np.isnan(expected_PN[0]).all()
    assert expected_PN[1].tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("most", "expected"), [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (8, (1, 2, 4, 8)), (12, (1, 2, 4, 8, 12))]
)
def test_sizes_double_and_end_with_the_most(most: int, expected: tuple[int, ...]) -> None:
    assert sizes(most) == expected
