"""Advantages against values worked out by hand; what is missing, alone or equal teaches nothing."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tessera.objective.advantage import AdvantageKind, group_advantages

NAN = math.nan
KINDS: tuple[AdvantageKind, ...] = ("grpo", "centred", "leave-one-out", "batch", "global")


def _rewards(*groups: tuple[float, ...]) -> Tensor:
    return torch.tensor(groups, dtype=torch.float64)


# Group one: mean 3, deviations -2, -1, 3, sum of squares 14. Group two: mean 2, deviations -2 and 2.
REWARDS = ((1, 2, 6), (0, 4, NAN))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # Unbiased stds: sqrt(14/2) and sqrt(8/1).
        (
            "grpo",
            ((-2 / 7**0.5, -1 / 7**0.5, 3 / 7**0.5), (-2 / 8**0.5, 2 / 8**0.5, 0)),
        ),
        ("centred", ((-2, -1, 3), (-2, 2, 0))),
        # Means of the others: 8/2, 7/2, 3/2 and 4, 0.
        ("leave-one-out", ((-3, -1.5, 4.5), (-4, 4, 0))),
        # All rewards 1 2 6 0 4: mean 2.6, squares 2.56 + .36 + 11.56 + 6.76 + 1.96 = 23.2, over 4: 5.8.
        ("batch", ((-2 / 5.8**0.5, -1 / 5.8**0.5, 3 / 5.8**0.5), (-2 / 5.8**0.5, 2 / 5.8**0.5, 0))),
        # All deviations -2 -1 3 -2 2: mean 0, squares 22, over 4: 5.5.
        ("global", ((-2 / 5.5**0.5, -1 / 5.5**0.5, 3 / 5.5**0.5), (-2 / 5.5**0.5, 2 / 5.5**0.5, 0))),
    ],
)
def test_advantages_are_those_worked_out_by_hand(
    kind: AdvantageKind, expected: tuple[tuple[float, ...], ...]
) -> None:
    found = group_advantages(_rewards(*REWARDS), kind, eps=0.0)
    torch.testing.assert_close(found.advantage_PG, _rewards(*expected))


def test_leave_one_out_is_the_distance_from_the_others_to_full_precision() -> None:
    """n / (n - 1) of two integer tensors would be a float32: off by 1e-8 in a group of four."""
    reward_PG = torch.randn(3, 4, dtype=torch.float64)
    others_PG = (reward_PG.sum(dim=1, keepdim=True) - reward_PG) / 3
    found = group_advantages(reward_PG, "leave-one-out")
    torch.testing.assert_close(found.advantage_PG, reward_PG - others_PG, rtol=0, atol=1e-14)


def test_eps_is_added_to_the_standard_deviation() -> None:
    """Rewards 0 and 2 have std sqrt 2, not its square with eps inside."""
    found = group_advantages(_rewards((0, 2)), "grpo", eps=0.5)
    torch.testing.assert_close(found.advantage_PG, _rewards((-1 / (2**0.5 + 0.5), 1 / (2**0.5 + 0.5))))


def test_what_is_left_out_is_counted() -> None:
    found = group_advantages(
        _rewards((1, 2, NAN), (NAN, 5, NAN), (NAN, NAN, NAN), (3, 3, NAN), (4, 4, 4)), "grpo"
    )
    assert found.missing == 1 + 2 + 3 + 1
    assert found.empty_groups == 2
    assert found.zero_variance_groups == 2
    assert found.contrast_P.tolist() == [True, False, False, False, False]
    assert found.valid_PG.tolist() == [
        [True, True, False],
        [False, False, False],  # alone: nobody to be compared with
        [False, False, False],
        [True, True, False],
        [True, True, True],
    ]
    assert found.advantage_PG[1:].abs().sum() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_reward_leaves_the_others_as_if_it_had_not_been_drawn(kind: AdvantageKind) -> None:
    with_hole = group_advantages(_rewards((1, NAN, 2, 6), (NAN, 5, 1, 0)), kind).advantage_PG
    without = group_advantages(_rewards((1, 2, 6), (5, 1, 0)), kind).advantage_PG
    torch.testing.assert_close(with_hole[0, [0, 2, 3]], without[0])
    torch.testing.assert_close(with_hole[1, [1, 2, 3]], without[1])
    assert with_hole[0, 1] == with_hole[1, 0] == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("eps", [0.0, 1e-4])
def test_equal_rewards_give_zero_exactly(kind: AdvantageKind, eps: float) -> None:
    """The mean of three times 0.1 is not 0.1 in floating point; its error must not be divided by 0."""
    found = group_advantages(_rewards((0.1, 0.1, 0.1), (0.7, 0.7, NAN)), kind, eps=eps)
    assert found.advantage_PG.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert found.zero_variance_groups == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(0, 4), (3, 1)])
def test_no_groups_and_groups_of_one_teach_nothing(kind: AdvantageKind, shape: tuple[int, int]) -> None:
    found = group_advantages(torch.ones(shape), kind)
    assert found.advantage_PG.shape == shape
    assert not found.advantage_PG.any()
    assert found.empty_groups == shape[0]


def test_an_infinite_reward_is_refused() -> None:
    with pytest.raises(ValueError, match="infinite"):
        group_advantages(_rewards((1, math.inf)), "grpo")


FINITE = st.floats(-100, 100, allow_nan=False).map(lambda x: round(x, 3))
GROUPS = st.integers(2, 6).flatmap(
    lambda g: st.lists(st.lists(FINITE | st.just(NAN), min_size=g, max_size=g), min_size=1, max_size=4)
)


@given(GROUPS, st.sampled_from(KINDS), FINITE)
def test_advantages_of_a_group_add_up_to_zero_and_ignore_a_shift(
    groups: list[list[float]], kind: AdvantageKind, shift: float
) -> None:
    reward_PG = torch.tensor(groups, dtype=torch.float64)
    found = group_advantages(reward_PG, kind).advantage_PG
    assert found.isfinite().all()
    torch.testing.assert_close(found.sum(dim=1), torch.zeros(len(groups), dtype=torch.float64))
    torch.testing.assert_close(
        group_advantages(reward_PG + shift, kind).advantage_PG, found, atol=1e-6, rtol=1e-6
    )


@given(GROUPS, st.sampled_from(KINDS), st.data())
def test_the_order_of_a_group_does_not_matter(
    groups: list[list[float]], kind: AdvantageKind, data: st.DataObject
) -> None:
    reward_PG = torch.tensor(groups, dtype=torch.float64)
    order = torch.tensor(data.draw(st.permutations(range(reward_PG.shape[1]))))
    torch.testing.assert_close(
        group_advantages(reward_PG[:, order], kind).advantage_PG,
        group_advantages(reward_PG, kind).advantage_PG[:, order],
    )
