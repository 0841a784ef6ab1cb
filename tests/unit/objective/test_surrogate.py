"""Policy-gradient terms by hand, where clipping cuts the gradient, and splits of a batch."""

import math
from typing import get_args

import pytest
import torch
from torch import Tensor

from tessera.objective.surrogate import (
    CLIP,
    Level,
    LossType,
    Surrogate,
    aggregate,
    aggregate_count,
    importance_ratio,
    surrogate,
)

LOSS_TYPES: tuple[LossType, ...] = get_args(LossType)
LEVELS: tuple[Level, ...] = get_args(Level)


def _column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def _terms(
    loss_type: LossType,
    logp_BT: Tensor,
    old_BT: Tensor,
    advantage_B: Tensor,
    mask_BT: Tensor | None = None,
    *,
    clip: tuple[float, float] = (0.2, 0.2),
    level: Level = "token",
) -> Surrogate:
    mask_BT = torch.ones_like(logp_BT, dtype=torch.bool) if mask_BT is None else mask_BT
    low, high = clip
    return surrogate(
        loss_type, logp_BT, old_BT, advantage_B, mask_BT, eps_low=low, eps_high=high, level=level
    )


def _advantages(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# Ratios 0.5, 0.9, 1.5 with either sign of the advantage, bounds 0.8 and 1.2; the gradient with respect to
# log pi is -A rho where nothing is clipped.
CLIP_CASES = [
    # ratio, advantage, loss, gradient, clipped
    (0.5, 2.0, -1.0, -1.0, ""),  # wants up, is low: not clipped, pulls back
    (0.9, 2.0, -1.8, -1.8, ""),
    (1.5, 2.0, -2.4, 0.0, "high"),  # held at 1.2
    (0.5, -2.0, 1.6, 0.0, "low"),  # held at 0.8
    (0.9, -2.0, 1.8, 1.8, ""),
    (1.5, -2.0, 3.0, 3.0, ""),  # wants down, is high: not clipped
    (1.5, 0.0, 0.0, 0.0, ""),
]


@pytest.mark.parametrize("loss_type", ["grpo", "bnpo", "dr_grpo", "dapo"])
@pytest.mark.parametrize(("ratio", "advantage", "loss", "gradient", "clipped"), CLIP_CASES)
def test_the_clipped_term_and_its_gradient_are_those_worked_out_by_hand(
    loss_type: LossType, ratio: float, advantage: float, loss: float, gradient: float, clipped: str
) -> None:
    logp_BT = _column(math.log(ratio) - 1).requires_grad_()
    found = _terms(loss_type, logp_BT, torch.full_like(logp_BT, -1.0), _advantages(advantage))
    found.loss_BT.sum().backward()
    assert found.loss_BT.item() == pytest.approx(loss)
    assert logp_BT.grad is not None
    assert logp_BT.grad.item() == pytest.approx(gradient)
    assert found.clipped_low_BT.item() is (clipped == "low")
    assert found.clipped_high_BT.item() is (clipped == "high")


def test_clip_higher_moves_the_upper_bound_alone() -> None:
    old_BT = _column(-1, -1, -1)
    logp_BT = old_BT + _column(1.25, 1.29, 0.79).log()
    found = _terms("dapo", logp_BT, old_BT, _advantages(1, 1, -1), clip=CLIP["dapo"])
    torch.testing.assert_close(found.loss_BT, _column(-1.25, -1.28, 0.8))
    assert found.clipped_high_BT.flatten().tolist() == [False, True, False]
    assert found.clipped_low_BT.flatten().tolist() == [False, False, True]


def test_cispo_weighs_log_probabilities_by_bounded_ratios_that_have_no_gradient() -> None:
    """Ratios 0.5, 3, 7 with bounds 0 and 5: weights 0.5, 3, 5, whatever the sign of the advantage."""
    logp_BT = _column(-1.0, -2.0, -3.0).requires_grad_()
    old_BT = logp_BT.detach() - _column(0.5, 3, 7).log()
    found = _terms("cispo", logp_BT, old_BT, _advantages(2, -2, 2), clip=CLIP["cispo"])
    torch.testing.assert_close(found.loss_BT, _column(1.0, -12.0, 30.0))
    found.loss_BT.sum().backward()
    torch.testing.assert_close(logp_BT.grad, _column(-1.0, 6.0, -10.0))
    assert found.clipped_high_BT.flatten().tolist() == [False, False, True]
    assert not found.clipped_low_BT.any()


def test_a_sequence_ratio_is_the_geometric_mean_over_the_mask() -> None:
    """Ratios 2 and 8, and one outside the mask: 4 at both, 1 outside."""
    logp_BT = torch.tensor([[2.0, 8.0, 5.0], [1.0, 1.0, 1.0]], dtype=torch.float64).log()
    mask_BT = torch.tensor([[True, True, False], [False, False, False]])
    ratio_BT = importance_ratio(logp_BT, torch.zeros_like(logp_BT), mask_BT, "sequence")
    torch.testing.assert_close(
        ratio_BT, torch.tensor([[4.0, 4.0, 1.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
    )


def test_the_sequence_gradient_is_shared_by_the_tokens() -> None:
    """d(mean of two equal terms -s A)/d log pi_t = -A s / 2, here s = 2 and A = 3, far from the bounds."""
    logp_BT = torch.tensor([[0.0, math.log(4)]], dtype=torch.float64, requires_grad=True)
    old_BT = torch.zeros_like(logp_BT)
    found = _terms("grpo", logp_BT, old_BT, _advantages(3), clip=(0.9, 9.0), level="sequence")
    found.loss_BT.mean().backward()
    assert found.loss_BT.tolist() == [[pytest.approx(-6)] * 2]
    assert logp_BT.grad is not None
    assert logp_BT.grad.tolist() == [[pytest.approx(-3)] * 2]


def _batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns logp, old logp, advantages, mask: eight rows, one of a single token and one of none."""
    generator = torch.Generator().manual_seed(seed)
    old_BT = -3 * torch.rand(8, 5, generator=generator, dtype=torch.float64)
    logp_BT = old_BT + 0.4 * torch.randn(8, 5, generator=generator, dtype=torch.float64)
    advantage_B = torch.randn(8, generator=generator, dtype=torch.float64)
    mask_BT = torch.rand(8, 5, generator=generator) < 0.7
    mask_BT[0] = torch.tensor([True, False, False, False, False])
    mask_BT[1] = False
    return logp_BT, old_BT, advantage_B, mask_BT


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_on_policy_every_type_has_the_gradient_of_advantage_times_log_probability(
    loss_type: LossType, level: Level
) -> None:
    _, old_BT, advantage_B, _ = _batch()
    logp_BT = old_BT.clone().requires_grad_()
    found = _terms(loss_type, logp_BT, old_BT, advantage_B, level=level)
    found.loss_BT.sum().backward()
    assert (found.ratio_BT == 1).all()
    assert not (found.clipped_low_BT | found.clipped_high_BT).any()
    torch.testing.assert_close(logp_BT.grad, -advantage_B[:, None].expand(8, 5))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo", "dapo"])
def test_gradients_equal_finite_differences(loss_type: LossType, level: Level) -> None:
    """Not cispo: the gradient of its value is not its gradient, by definition."""
    logp_BT, old_BT, advantage_B, mask_BT = _batch()

    def loss(x_BT: Tensor) -> Tensor:
        found = _terms(loss_type, x_BT, old_BT, advantage_B, mask_BT, level=level)
        return aggregate(loss_type, found.loss_BT, mask_BT.to(torch.float64), length=5).sum

    assert torch.autograd.gradcheck(loss, logp_BT.requires_grad_())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_a_masked_token_may_be_anything(loss_type: LossType, level: Level) -> None:
    logp_BT, old_BT, advantage_B, mask_BT = _batch()
    results = []
    for poison in (0.0, math.nan, -math.inf):
        x_BT = logp_BT.masked_fill(~mask_BT, poison).requires_grad_()
        found = _terms(loss_type, x_BT, old_BT, advantage_B, mask_BT, level=level)
        total = aggregate(loss_type, found.loss_BT, mask_BT.to(torch.float64), length=5)
        (gradient_BT,) = torch.autograd.grad(total.sum, x_BT)
        assert not gradient_BT[~mask_BT].any()
        results.append((total.sum.item(), total.count.item(), gradient_BT.tolist()))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@pytest.mark.parametrize("split", [[1] * 8, [3, 5], [1, 2, 1, 4]])
def test_any_split_of_a_batch_gives_the_same_loss_and_gradient(
    loss_type: LossType, level: Level, split: list[int]
) -> None:
    """Accumulation 1x8 = 8x1: each part divides by the count of all parts, known before the first."""
    logp_BT, old_BT, advantage_B, mask_BT = _batch()
    weight_BT = mask_BT * torch.rand(8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def loss_and_gradient(sizes: list[int]) -> tuple[float, Tensor]:
        x_BT = logp_BT.clone().requires_grad_()
        rows = torch.arange(8).split(sizes)
        count = torch.stack([aggregate_count(loss_type, weight_BT[r]) for r in rows]).sum()
        value = 0.0
        for r in rows:
            found = _terms(loss_type, x_BT[r], old_BT[r], advantage_B[r], mask_BT[r], level=level)
            part = aggregate(loss_type, found.loss_BT, weight_BT[r], length=6)
            assert part.count == aggregate_count(loss_type, weight_BT[r])
            (part.sum / count).backward()
            value += (part.sum / count).item()
        assert x_BT.grad is not None
        return value, x_BT.grad

    whole, whole_gradient_BT = loss_and_gradient([8])
    parts, parts_gradient_BT = loss_and_gradient(split)
    assert parts == pytest.approx(whole, abs=1e-14)
    torch.testing.assert_close(parts_gradient_BT, whole_gradient_BT, rtol=0, atol=1e-15)


def test_the_three_ways_to_average_differ_as_worked_out_by_hand() -> None:
    """Rows of one token (value 6) and of three (values 1 2 3), T_max 4."""
    value_BT = torch.tensor([[6.0, 0, 0], [1, 2, 3]])
    weight_BT = torch.tensor([[1.0, 0, 0], [1, 1, 1]])
    means = {t: aggregate(t, value_BT, weight_BT, length=4).mean().item() for t in LOSS_TYPES}
    assert means == {"grpo": 4, "dr_grpo": 1.5, "dapo": 3, "bnpo": 3, "cispo": 3}


def test_metrics_are_shares_of_the_tokens_in_the_mask() -> None:
    old_BT = torch.zeros(1, 4, dtype=torch.float64)
    logp_BT = torch.tensor([[1.5, 1.0, 0.5, 9.0]], dtype=torch.float64).log()
    mask_BT = torch.tensor([[True, True, True, False]])
    found = _terms("grpo", logp_BT, old_BT, _advantages(1), mask_BT)
    means = {name: each.mean().item() for name, each in found.metrics(mask_BT).items()}
    assert means == pytest.approx(
        {"ratio": 1, "clip_fraction": 1 / 3, "clip_fraction_low": 0, "clip_fraction_high": 1 / 3}
    )


def test_a_token_that_left_the_filtered_view_does_no_harm_to_the_clipped_term() -> None:
    """Its new log-probability is -inf and its ratio 0."""
    logp_BT = torch.tensor([[-math.inf], [-math.inf]], dtype=torch.float64, requires_grad=True)
    found = _terms("grpo", logp_BT, torch.full_like(logp_BT, -1.0), _advantages(1, -1))
    assert found.loss_BT.flatten().tolist() == [0, 0.8]
    (gradient_BT,) = torch.autograd.grad(found.loss_BT.sum(), logp_BT)
    assert gradient_BT.flatten().tolist() == [0, 0]
