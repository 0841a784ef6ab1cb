"""Preference losses by hand, their slopes by finite differences, and what each does at its edges."""

import math
from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from tessera.objective.preference import (
    NORMALISED,
    REFERENCE_FREE,
    PairLogp,
    PreferenceType,
    hinge,
    ipo,
    orpo,
    preference_loss,
    preference_metrics,
    robust,
    sft,
    sigmoid,
    simpo,
)

KINDS: tuple[PreferenceType, ...] = get_args(PreferenceType)


def _float(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _pairs(*, chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor) -> PairLogp:
    """Returns pairs of four chosen and two rejected tokens."""
    return PairLogp(
        chosen=chosen,
        rejected=rejected,
        ref_chosen=ref_chosen,
        ref_rejected=ref_rejected,
        chosen_tokens=torch.full(chosen.shape, 4),
        rejected_tokens=torch.full(chosen.shape, 2),
    )


# Margin, summed: (-4 + 6) - (-8 + 7) = 3; averaged: 2/4 + 1/2 = 1. Without reference: 4; averaged: 3.
PAIR = _pairs(chosen=_float(-4), rejected=_float(-8), ref_chosen=_float(-6), ref_rejected=_float(-7))


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("sigmoid", {"beta": 0.5}, math.log1p(math.exp(-1.5))),
        (
            "sigmoid",
            {"beta": 0.5, "label_smoothing": 0.1},
            0.9 * math.log1p(math.exp(-1.5)) + 0.1 * math.log1p(math.exp(1.5)),
        ),
        ("sigmoid_norm", {"beta": 0.5}, math.log1p(math.exp(-0.5))),
        ("hinge", {"beta": 0.1}, 0.7),
        ("hinge", {"beta": 0.5}, 0.0),
        ("ipo", {"beta": 0.1}, (1 - 5) ** 2),
        (
            "robust",
            {"beta": 0.5, "label_smoothing": 0.1},
            (0.9 * math.log1p(math.exp(-1.5)) - 0.1 * math.log1p(math.exp(1.5))) / 0.8,
        ),
        ("cpo", {"beta": 0.5}, math.log1p(math.exp(-2))),
        ("simpo", {"beta": 2.0, "gamma": 1.0}, math.log1p(math.exp(-5))),
        # p = e^-1 and e^-4: odds 1/(e - 1) and 1/(e^4 - 1), so -log sigma(log(x/y)) = log(1 + y/x).
        ("orpo", {"beta": 0.1}, 0.1 * math.log1p((math.e - 1) / (math.e**4 - 1))),
    ],
)
def test_losses_are_those_worked_out_by_hand(
    kind: PreferenceType, settings: dict[str, float], expected: float
) -> None:
    assert preference_loss(kind, PAIR, **settings).tolist() == [pytest.approx(expected, rel=1e-12)]


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_finite_differences_and_spare_the_reference(kind: PreferenceType) -> None:
    generator = torch.Generator().manual_seed(5)
    logps = [
        (-4 - 3 * torch.rand(3, generator=generator, dtype=torch.float64)).requires_grad_() for _ in range(4)
    ]
    chosen, rejected, ref_chosen, ref_rejected = logps

    def loss(chosen: Tensor, rejected: Tensor) -> Tensor:
        pairs = _pairs(chosen=chosen, rejected=rejected, ref_chosen=ref_chosen, ref_rejected=ref_rejected)
        return preference_loss(kind, pairs, beta=0.3)

    assert torch.autograd.gradcheck(loss, (chosen, rejected))
    loss(chosen, rejected).sum().backward()
    assert ref_chosen.grad is None
    assert ref_rejected.grad is None


@pytest.mark.parametrize("kind", KINDS)
def test_every_loss_pushes_the_chosen_up_and_the_rejected_down(kind: PreferenceType) -> None:
    chosen, rejected = _float(-4).requires_grad_(), _float(-4).requires_grad_()
    pairs = _pairs(chosen=chosen, rejected=rejected, ref_chosen=_float(-4), ref_rejected=_float(-4))
    preference_loss(kind, pairs, beta=0.3).sum().backward()
    assert chosen.grad is not None
    assert rejected.grad is not None
    assert chosen.grad.item() < 0 < rejected.grad.item()


@pytest.mark.parametrize("kind", sorted(REFERENCE_FREE))
def test_a_reference_free_loss_does_not_look_at_the_reference(kind: PreferenceType) -> None:
    blind = replace(PAIR, ref_chosen=_float(math.nan), ref_rejected=_float(math.nan))
    assert torch.equal(preference_loss(kind, blind, beta=0.5), preference_loss(kind, PAIR, beta=0.5))


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_normalised_loss_looks_at_lengths(kind: PreferenceType) -> None:
    longer = replace(PAIR, chosen_tokens=torch.tensor([40]), rejected_tokens=torch.tensor([20]))
    same = torch.equal(preference_loss(kind, longer, beta=0.3), preference_loss(kind, PAIR, beta=0.3))
    assert same is (kind not in NORMALISED)


def test_at_the_reference_dpo_is_log_two_with_slope_minus_half_beta() -> None:
    margin_N = _float(0).requires_grad_()
    loss_N = sigmoid(margin_N, 0.1)
    assert loss_N.item() == pytest.approx(math.log(2))
    (slope,) = torch.autograd.grad(loss_N.sum(), margin_N)
    assert slope.item() == pytest.approx(-0.05)


def test_far_margins_stay_finite() -> None:
    """-log sigma(-5000) is 5000, and the slope there is -1; sigma itself would be 0 and its log infinite."""
    margin_N = _float(-5e4, 5e4).requires_grad_()
    loss_N = sigmoid(margin_N, 0.1)
    assert loss_N.tolist() == [pytest.approx(5000), 0]
    (slope,) = torch.autograd.grad(loss_N.sum(), margin_N)
    assert slope.tolist() == [pytest.approx(-0.1), 0]


def test_the_smoothed_loss_has_its_minimum_where_the_odds_are_those_of_the_labels() -> None:
    """sigma(beta h) = 0.9: beta h = log 9."""
    margin_N = _float(math.log(9) / 0.5).requires_grad_()
    (slope,) = torch.autograd.grad(sigmoid(margin_N, 0.5, 0.1).sum(), margin_N)
    assert slope.item() == pytest.approx(0, abs=1e-15)


def test_the_robust_loss_on_flipped_labels_is_dpo_on_true_ones_in_expectation() -> None:
    margin_N, s = _float(-2.0, 0.3, 4.0), 0.2
    expectation = (1 - s) * robust(margin_N, 0.5, s) + s * robust(-margin_N, 0.5, s)
    torch.testing.assert_close(expectation, sigmoid(margin_N, 0.5))


def test_without_smoothing_the_robust_loss_is_dpo() -> None:
    margin_N = _float(-2.0, 0.3, 4.0)
    torch.testing.assert_close(robust(margin_N, 0.5, 0.0), sigmoid(margin_N, 0.5))


def test_past_its_target_hinge_rests_and_ipo_pulls_back() -> None:
    margin_N = _float(20.0).requires_grad_()
    (resting,) = torch.autograd.grad(hinge(margin_N, 0.1).sum(), margin_N)
    (pulling,) = torch.autograd.grad(ipo(margin_N, 0.1).sum(), margin_N)
    assert (resting.item(), pulling.item()) == (0, 30)


def test_simpo_wants_the_margin_gamma_over_beta() -> None:
    """At beta (c - r) = gamma the loss is log 2."""
    assert simpo(_float(-1.0), _float(-1.5), 2.0, 1.0).item() == pytest.approx(math.log(2))


def test_orpo_is_finite_in_value_and_gradient_on_both_branches_of_its_logarithm() -> None:
    chosen_N = _float(-1e-8, -0.1, -0.7, -50.0).requires_grad_()
    rejected_N = _float(-50.0, -0.7, -0.1, -1e-8).requires_grad_()
    loss_N = orpo(chosen_N, rejected_N, 1.0)
    gradients = torch.autograd.grad(loss_N.sum(), (chosen_N, rejected_N))
    assert loss_N.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("smoothing", [-0.1, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["sigmoid", "robust", "simpo"])
def test_smoothing_of_half_the_labels_or_more_is_refused(kind: PreferenceType, smoothing: float) -> None:
    with pytest.raises(ValueError, match="label smoothing"):
        preference_loss(kind, PAIR, beta=0.1, label_smoothing=smoothing)


def test_a_setting_that_the_loss_would_not_read_is_refused() -> None:
    with pytest.raises(ValueError, match="'hinge' has no label smoothing"):
        preference_loss("hinge", PAIR, beta=0.1, label_smoothing=0.1)
    with pytest.raises(ValueError, match="'sigmoid' has no target margin"):
        preference_loss("sigmoid", PAIR, beta=0.1, gamma=0.5)


def test_sft_is_the_loss_per_token_of_the_chosen_rollout() -> None:
    assert sft(PAIR).tolist() == [1]


def test_metrics_are_those_worked_out_by_hand() -> None:
    """Three pairs: better, worse and equal to the reference's preference."""
    pairs = _pairs(
        chosen=_float(-4, -6, -5),
        rejected=_float(-8, -6, -5),
        ref_chosen=_float(-6, -5, -5),
        ref_rejected=_float(-7, -7, -5),
    )
    means = {k: m.mean().item() for k, m in preference_metrics("sigmoid", pairs, beta=0.5).items()}
    # Margins 3, -2, 0; changes of chosen 2, -1, 0 and of rejected -1, 1, 0.
    assert means == pytest.approx(
        {"margin": 0.5 / 3, "accuracy": 1 / 3, "chosen_change": 1 / 3, "rejected_change": 0}
    )
    # simpo sees -1 + 4, -1.5 + 3, -1.25 + 2.5.
    means = {k: m.mean().item() for k, m in preference_metrics("simpo", pairs, beta=2.0).items()}
    assert means["margin"] == pytest.approx(2 * 5.75 / 3)
    assert means["accuracy"] == 1
