"""Estimators of the KL divergence: values by hand, expectations and gradients against the exact one."""

import math

import pytest
import torch
from torch import Tensor

from tessera.objective.kl import KLKind, entropy, penalised_reward, token_kl, with_ratio

KINDS: tuple[KLKind, ...] = ("k1", "k2", "k3")


def test_estimates_are_those_worked_out_by_hand() -> None:
    """pi = 1/2; the reference twice and half as likely: r = 2 and 1/2."""
    logp_BT = torch.tensor([[0.5, 0.5]], dtype=torch.float64).log()
    ref_BT = torch.tensor([[1.0, 0.25]], dtype=torch.float64).log()
    log2 = math.log(2)
    expected = {"k1": [-log2, log2], "k2": [log2**2 / 2] * 2, "k3": [1 - log2, -0.5 + log2]}
    for kind in KINDS:
        assert token_kl(kind, logp_BT, ref_BT).tolist() == [pytest.approx(expected[kind])]


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_that_is_its_reference_is_at_zero(kind: KLKind) -> None:
    logp_BT = torch.randn(2, 3, dtype=torch.float64)
    assert not token_kl(kind, logp_BT, logp_BT).any()


def test_k3_keeps_its_digits_near_the_reference() -> None:
    """At log r = 1e-4 in float32, exp(x) - 1 - x would lose all but two digits of 5e-9."""
    logp_BT = torch.tensor([[0.0]])
    assert token_kl("k3", logp_BT, logp_BT + 1e-4).item() == pytest.approx(5e-9, rel=0.01)


def _distributions(distance: float = 1.0) -> tuple[Tensor, Tensor]:
    """Returns logits of a policy over six tokens, with gradient, and the log-probabilities of a reference."""
    generator = torch.Generator().manual_seed(3)
    ref = torch.randn(6, generator=generator, dtype=torch.float64)
    policy = ref + distance * torch.randn(6, generator=generator, dtype=torch.float64)
    return policy.requires_grad_(), ref.log_softmax(0)


def _exact(logits: Tensor, ref: Tensor, *, forward: bool = False) -> Tensor:
    logp = logits.log_softmax(0)
    return (ref.exp() * (ref - logp)).sum() if forward else (logp.exp() * (logp - ref)).sum()


@pytest.mark.parametrize("kind", ["k1", "k3"])
def test_k1_and_k3_have_the_divergence_as_expectation(kind: KLKind) -> None:
    logits, ref = _distributions()
    logp = logits.log_softmax(0)
    expectation = (logp.exp() * token_kl(kind, logp[None], ref[None])[0]).sum()
    assert expectation.item() == pytest.approx(_exact(logits, ref).item(), rel=1e-12)


def test_k2_comes_near_the_divergence_where_both_are_close() -> None:
    logits, ref = _distributions(0.01)
    logp = logits.log_softmax(0)
    expectation = (logp.exp() * token_kl("k2", logp[None], ref[None])[0]).sum()
    assert expectation.item() == pytest.approx(_exact(logits, ref).item(), rel=0.01)


def _expected_gradient(kind: KLKind, logits: Tensor, ref: Tensor, *, corrected: bool = False) -> Tensor:
    """Returns the expectation over tokens of the gradient of the value, as a loss on drawn tokens has it."""
    logp = logits.log_softmax(0)
    value = token_kl(kind, logp[None], ref[None])
    if corrected:
        value = with_ratio(value, (logp - logp.detach()).exp()[None])
    (gradient,) = torch.autograd.grad((logp.exp().detach() * value[0]).sum(), logits)
    return gradient


@pytest.mark.parametrize(
    ("kind", "corrected", "gradient_of"),
    [
        ("k1", False, "nothing"),
        ("k2", False, "reverse"),
        ("k3", False, "forward"),
        ("k3", True, "reverse"),
        ("k1", True, "reverse"),
    ],
)
def test_each_estimator_descends_what_its_table_says(kind: KLKind, corrected: bool, gradient_of: str) -> None:
    logits, ref = _distributions()
    if gradient_of == "nothing":
        expected = torch.zeros_like(logits)
    else:
        (expected,) = torch.autograd.grad(_exact(logits, ref, forward=gradient_of == "forward"), logits)
    torch.testing.assert_close(_expected_gradient(kind, logits, ref, corrected=corrected), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_finite_differences_and_spare_the_reference(kind: KLKind) -> None:
    logp_BT = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    ref_BT = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: token_kl(kind, x, ref_BT.detach()), logp_BT)
    token_kl(kind, logp_BT, ref_BT).sum().backward()
    assert ref_BT.grad is None


def test_a_token_that_the_reference_excludes_is_infinitely_far() -> None:
    logp_BT, ref_BT = torch.tensor([[-1.0]]), torch.tensor([[-math.inf]])
    assert [token_kl(kind, logp_BT, ref_BT).item() for kind in KINDS] == [math.inf] * 3


def test_a_reward_is_lowered_by_the_divergence_of_the_whole_picture() -> None:
    kl_BT = torch.tensor([[1.0, 2.0, math.nan], [1.0, 1.0, 1.0]], requires_grad=True)
    mask_BT = torch.tensor([[True, True, False], [True, True, True]])
    found = penalised_reward(torch.tensor([5.0, math.nan]), kl_BT, mask_BT, beta=0.1)
    assert found[0].item() == pytest.approx(4.7)
    assert found[1].isnan()
    assert not found.requires_grad


# --- entropy ------------------------------------------------------------------------------------------------


def test_entropy_is_the_one_worked_out_by_hand() -> None:
    probability = torch.tensor(
        [[0.5, 0.25, 0.25, 0.0], [1.0, 0.0, 0.0, 0.0], [0.25] * 4], dtype=torch.float64
    )
    found = entropy(probability.log())
    assert found.tolist() == pytest.approx([1.5 * math.log(2), 0, math.log(4)])


def test_entropy_passes_no_nan_through_excluded_tokens() -> None:
    logits = torch.tensor([1.0, 2.0, -math.inf], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(entropy(logits.log_softmax(0)), logits)
    assert gradient.isfinite().all()
    assert gradient[2] == 0
    # For two tokens dH/dx = -p(1-p)(x - y).
    p = 1 / (1 + math.exp(1))
    assert gradient[:2].tolist() == pytest.approx([p * (1 - p), -p * (1 - p)])


def test_the_gradient_of_entropy_equals_finite_differences() -> None:
    logits = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: entropy(x.log_softmax(-1)), logits)
