"""Sums and counts by hand, and the one claim they are for: any split of a batch gives the same loss."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tessera.objective.reduce import (
    add_terms,
    constant_mean,
    mix_terms,
    row_count,
    sequence_mean,
    tally,
    token_mean,
    token_weights,
    uniform_weighting,
)
from tessera.tensors import LossTerm, Tally

VALUE_BT = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]], dtype=torch.float64)
# Three tokens, then one of weight 2 and one of weight 1, then none.
WEIGHT_BT = torch.tensor([[1.0, 1.0, 1.0], [2.0, 0.0, 1.0], [0.0, 0.0, 0.0]], dtype=torch.float64)


def _pair(found: Tally) -> tuple[float, float]:
    return found.sum.item(), found.count.item()


def test_sums_and_counts_are_those_worked_out_by_hand() -> None:
    # Weighted rows: 6 of weight 3, 8 + 6 = 14 of weight 3, nothing.
    assert _pair(token_mean(VALUE_BT, WEIGHT_BT)) == (20, 6)
    assert _pair(sequence_mean(VALUE_BT, WEIGHT_BT)) == pytest.approx((6 / 3 + 14 / 3, 2))
    assert _pair(constant_mean(VALUE_BT, WEIGHT_BT, length=4)) == (5, 2)
    assert row_count(WEIGHT_BT) == 2


Reduction = Callable[[Tensor, Tensor], Tally]
REDUCTIONS: list[Reduction] = [token_mean, sequence_mean, partial(constant_mean, length=3)]


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_a_value_without_weight_is_not_looked_at(reduce: Reduction) -> None:
    poisoned = VALUE_BT.masked_fill(WEIGHT_BT == 0, math.nan).requires_grad_()
    found = reduce(poisoned, WEIGHT_BT)
    assert _pair(found) == _pair(reduce(VALUE_BT, WEIGHT_BT))
    (gradient,) = torch.autograd.grad(found.sum, poisoned)
    assert gradient.isfinite().all()
    assert (gradient[WEIGHT_BT == 0] == 0).all()


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_a_batch_of_nothing_has_sum_zero_count_zero_and_mean_nan(reduce: Reduction) -> None:
    value_BT = VALUE_BT.clone().requires_grad_()
    found = reduce(value_BT, torch.zeros_like(WEIGHT_BT))
    assert _pair(found) == (0, 0)
    assert found.mean().isnan()
    (gradient,) = torch.autograd.grad(found.sum, value_BT)
    assert not gradient.any()


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_uniform_full_rows_make_every_reduction_the_plain_mean(reduce: Reduction) -> None:
    assert reduce(VALUE_BT, torch.ones_like(VALUE_BT)).mean() == pytest.approx(5)


def test_metrics_are_tallied_inside_the_mask_and_carry_no_gradient() -> None:
    value = torch.tensor([1.0, 2.0, math.nan], requires_grad=True)
    found = tally(value, torch.tensor([True, True, False]))
    assert _pair(found) == (3, 2)
    assert not found.sum.requires_grad
    assert _pair(tally(torch.tensor(4.0))) == (4, 1)


# --- weights ------------------------------------------------------------------------------------------------

TOKENS_BT = torch.tensor([[3, 1], [0, 2]])
MASK_BT = torch.tensor([[True, True], [True, False]])


def test_uniform_weights_are_the_mask() -> None:
    found = token_weights(uniform_weighting, TOKENS_BT, torch.zeros(2, 2), MASK_BT)
    assert found.tolist() == [[1, 1], [1, 0]]


def _by_token(tokens_BT: Int[Tensor, "B T"], old_logp_BT: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Weight = id; NaN for token 2, which lies outside the mask."""
    return torch.where(tokens_BT == 2, math.nan, tokens_BT.to(old_logp_BT.dtype))


def test_a_weighting_is_asked_inside_the_mask_only() -> None:
    assert token_weights(_by_token, TOKENS_BT, torch.zeros(2, 2), MASK_BT).tolist() == [[3, 1], [0, 0]]


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_a_weight_that_is_no_weight_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        token_weights(lambda tokens, logp: torch.full_like(logp, bad), TOKENS_BT, torch.zeros(2, 2), MASK_BT)


# --- terms --------------------------------------------------------------------------------------------------


def _term(total: float, count: float, **metrics: tuple[float, float]) -> LossTerm:
    return LossTerm(
        sum=torch.tensor(float(total)),
        count=torch.tensor(float(count)),
        metrics={
            name: Tally(sum=torch.tensor(float(s)), count=torch.tensor(float(c)))
            for name, (s, c) in metrics.items()
        },
    )


def test_micro_batches_add_up_with_their_metrics() -> None:
    """A mean of means would say (1/1 + 5/4) / 2."""
    found = add_terms([_term(1, 1, a=(1, 2)), _term(5, 4, a=(2, 2), b=(7, 1))])
    assert (found.sum / found.count).item() == pytest.approx(6 / 5)
    assert {name: each.mean().item() for name, each in found.metrics.items()} == {"a": 0.75, "b": 7}


def test_losses_on_one_batch_mix_by_their_weights() -> None:
    found = mix_terms([(1.0, _term(2, 4, a=(1, 1))), (0.5, _term(6, 4, b=(2, 1)))])
    assert (found.sum.item(), found.count.item()) == (5, 4)
    assert set(found.metrics) == {"a", "b"}


def test_losses_that_count_different_things_do_not_mix() -> None:
    with pytest.raises(ValueError, match="count 4 and 8"):
        mix_terms([(1.0, _term(2, 4)), (1.0, _term(6, 8))])


def test_a_metric_is_not_overwritten_by_another_of_its_name() -> None:
    with pytest.raises(ValueError, match="'a'"):
        mix_terms([(1.0, _term(2, 4, a=(1, 1))), (1.0, _term(6, 4, a=(2, 1)))])
