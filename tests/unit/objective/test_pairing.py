"""Which rollouts make a pair: by hand on small groups, and what no pair may ever be."""

import math
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from tessera.objective.pairing import PairIndex, all_pairs, random_pairs, widest_pairs

NAN = math.nan


def _rewards(*groups: tuple[float, ...]) -> Tensor:
    return torch.tensor(groups, dtype=torch.float64)


def _triples(pairs: PairIndex) -> list[tuple[int, int, int]]:
    return list(zip(pairs.prompt.tolist(), pairs.chosen.tolist(), pairs.rejected.tolist(), strict=True))


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


REWARDS = _rewards(
    (3, 1, 2, NAN),
    (NAN, 5, NAN, NAN),  # alone
    (4, 4, NAN, 4),  # equal
    (0, 7, 7, 0),  # two best, two worst
)


def test_best_is_paired_with_worst_and_the_first_of_equals_is_taken() -> None:
    pairs = widest_pairs(REWARDS)
    assert _triples(pairs) == [(0, 0, 1), (3, 1, 0)]
    assert pairs.margin.tolist() == [2, 7]


def test_several_pairs_of_a_prompt_are_its_widest_ones() -> None:
    pairs = widest_pairs(_rewards((0, 1, 10, 4)), per_prompt=3)
    assert set(_triples(pairs)) == {(0, 2, 0), (0, 2, 1), (0, 2, 3)}
    assert len(widest_pairs(REWARDS, per_prompt=100)) == 3 + 0 + 0 + 4


def test_all_pairs_are_all_couples_further_apart_than_the_margin() -> None:
    assert _triples(all_pairs(REWARDS)) == [
        *[(0, 0, 1), (0, 0, 2), (0, 2, 1)],
        *[(3, 1, 0), (3, 1, 3), (3, 2, 0), (3, 2, 3)],
    ]
    assert _triples(all_pairs(REWARDS, margin=1.0)) == [
        (0, 0, 1),  # 3 - 2 and 2 - 1 are not above 1
        *[(3, 1, 0), (3, 1, 3), (3, 2, 0), (3, 2, 3)],
    ]


def test_prompts_without_a_pair_are_counted_by_reason() -> None:
    pairs = all_pairs(REWARDS)
    assert (pairs.missing, pairs.empty_groups, pairs.no_contrast_groups) == (5, 1, 1)
    assert all_pairs(REWARDS, margin=5.0).no_contrast_groups == 2
    assert all_pairs(REWARDS, margin=7.0).no_contrast_groups == 3


def test_a_random_pair_is_every_possible_one_equally_often() -> None:
    """Six possible pairs, 6,000 draws: a correct program fails with chance 1e-6."""
    reward_PG = _rewards((3, 1, 2, 0)).expand(6000, 4)
    found = Counter(triple[1:] for triple in _triples(random_pairs(reward_PG, _seeded())))
    assert set(found) == {triple[1:] for triple in _triples(all_pairs(reward_PG[:1]))}
    chi_square = sum((count - 1000) ** 2 / 1000 for count in found.values())
    assert chi_square < stats.chi2.isf(1e-6, df=5)


def test_random_pairs_of_a_prompt_are_different_ones() -> None:
    assert sorted(_triples(random_pairs(REWARDS, _seeded(), per_prompt=100))) == _triples(all_pairs(REWARDS))
    twice = random_pairs(_rewards((3, 1, 2, 0)).expand(50, 4), _seeded(), per_prompt=2)
    assert len(set(_triples(twice))) == len(twice) == 100


def test_a_random_pair_depends_on_the_seed_and_on_no_other_prompt() -> None:
    mine = _rewards((3, 1, 2, 0))
    one = _triples(random_pairs(torch.cat([_rewards((5, 5, 5, NAN)), mine]), _seeded(1)))
    other = _triples(random_pairs(torch.cat([_rewards((9, 4, 1, 0)), mine]), _seeded(1)))
    assert one == other[1:]
    draws = {tuple(_triples(random_pairs(mine, _seeded(seed)))) for seed in range(40)}
    assert len(draws) > 1  # forty seeds that agree on one of six: chance 6 * 6**-40


METHODS: dict[str, Callable[[Tensor, float], PairIndex]] = {
    "widest": lambda reward_PG, margin: widest_pairs(reward_PG, per_prompt=2, margin=margin),
    "random": lambda reward_PG, margin: random_pairs(reward_PG, _seeded(), per_prompt=2, margin=margin),
    "all": lambda reward_PG, margin: all_pairs(reward_PG, margin=margin),
}
GROUPS = st.integers(1, 5).flatmap(
    lambda g: st.lists(
        st.lists(st.integers(-3, 3).map(float) | st.just(NAN), min_size=g, max_size=g), max_size=5
    ).map(lambda rows: torch.tensor(rows, dtype=torch.float64).reshape(-1, g))
)


@given(GROUPS, st.sampled_from(sorted(METHODS)), st.sampled_from([0.0, 1.0, 2.5]))
def test_no_pair_is_a_tie_or_has_a_missing_reward(reward_PG: Tensor, method: str, margin: float) -> None:
    pairs = METHODS[method](reward_PG, margin)
    chosen_N, rejected_N = reward_PG[pairs.prompt, pairs.chosen], reward_PG[pairs.prompt, pairs.rejected]
    assert (chosen_N - rejected_N > margin).all()  # false where either is NaN
    assert torch.equal(pairs.margin, chosen_N - rejected_N)
    with_pair = len(set(pairs.prompt.tolist()))
    assert with_pair + pairs.empty_groups + pairs.no_contrast_groups == len(reward_PG)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_an_infinite_reward_or_a_negative_margin_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match="infinite"):
        METHODS[method](_rewards((1, math.inf)), 0.0)
    with pytest.raises(ValueError, match="margin"):
        METHODS[method](REWARDS, -1.0)


def test_no_pairs_per_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        widest_pairs(REWARDS, per_prompt=0)
