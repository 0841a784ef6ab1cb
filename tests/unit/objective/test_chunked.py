"""Chunks give the values and the gradients of the plain form, and never the logits of all tokens."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tessera.objective.chunked import CHUNK, chunked_logp_entropy, chunked_token_logp
from tessera.objective.kl import entropy
from tessera.objective.policy import log_distribution
from tessera.training.accountant import peak_of
from tessera.types import View

ROWS, CHANNELS, CODES = 11, 4, 7
VIEWS = [View(), View(temperature=0.7), View(temperature=0.7, top_k=5, top_p=0.9)]
# How the head is: it trains and is run again, it trains and its distributions are kept, it is frozen.
WAYS = ["again", "kept", "frozen"]


@pytest.fixture
def head() -> nn.Linear:
    return nn.Linear(CHANNELS, CODES, dtype=torch.float64)


@pytest.fixture(name="features_ND")
def _features() -> Tensor:
    return torch.randn(ROWS, CHANNELS, dtype=torch.float64, requires_grad=True)


def _plain(features_ND: Tensor, head: nn.Linear, tokens_N: Tensor, view: View) -> tuple[Tensor, Tensor]:
    logp_NV = log_distribution(head(features_ND), view)
    return logp_NV.gather(1, tokens_N[:, None])[:, 0], entropy(logp_NV)


def _likely_tokens(features_ND: Tensor, head: nn.Linear) -> Tensor:
    """Returns tokens that no view here filters out."""
    return head(features_ND).argmax(dim=1)


def _leaves(features_ND: Tensor, head: nn.Linear, way: str) -> tuple[Tensor, ...]:
    """Returns what has a gradient, having frozen the head if that is the way."""
    head.requires_grad_(way != "frozen")
    return (features_ND,) if way == "frozen" else (features_ND, head.weight, head.bias)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("chunk", [1, 4, ROWS, 100])
@pytest.mark.parametrize("way", WAYS)
def test_values_and_gradients_are_those_of_the_plain_form(
    head: nn.Linear, features_ND: Tensor, view: View, chunk: int, way: str
) -> None:
    leaves, again = _leaves(features_ND, head, way), way == "again"
    tokens_N = _likely_tokens(features_ND, head)
    weight_N = torch.randn(ROWS, dtype=torch.float64)
    plain_N, plain_entropy_N = _plain(features_ND, head, tokens_N, view)
    plain = torch.autograd.grad((plain_N * weight_N).sum(), leaves, retain_graph=True)
    plain_both = torch.autograd.grad(((plain_N + plain_entropy_N.square()) * weight_N).sum(), leaves)

    logp_N = chunked_token_logp(features_ND, head, tokens_N, view, chunk, again=again)
    ours = torch.autograd.grad((logp_N * weight_N).sum(), leaves)
    logp_too_N, entropy_N = chunked_logp_entropy(features_ND, head, tokens_N, view, chunk, again=again)
    ours_both = torch.autograd.grad(((logp_too_N + entropy_N.square()) * weight_N).sum(), leaves)
    looked_N, looked_at_N = chunked_logp_entropy(
        features_ND, head, tokens_N, view, chunk, entropy_gradient=False, again=again
    )
    ours_looked = torch.autograd.grad((looked_N * weight_N).sum(), leaves)

    assert not looked_at_N.requires_grad
    for found, expected in [
        *((each_N, plain_N) for each_N in (logp_N, logp_too_N, looked_N)),
        *((each_N, plain_entropy_N) for each_N in (entropy_N, looked_at_N)),
        *zip(ours, plain, strict=True),
        *zip(ours_looked, plain, strict=True),
        *zip(ours_both, plain_both, strict=True),
    ]:
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("again", [True, False])
def test_gradients_of_features_and_head_equal_finite_differences(
    head: nn.Linear, features_ND: Tensor, again: bool
) -> None:
    tokens_N = torch.arange(ROWS) % CODES

    def both(features_ND: Tensor, weight_VD: Tensor) -> tuple[Tensor, Tensor]:
        return chunked_logp_entropy(
            features_ND, lambda x: x @ weight_VD.T, tokens_N, View(temperature=0.8), 3, again=again
        )

    assert torch.autograd.gradcheck(both, (features_ND, head.weight))


def test_gradients_below_a_frozen_head_equal_finite_differences(head: nn.Linear, features_ND: Tensor) -> None:
    """Mixed from two branches by a caller, as under guidance; the null prompt's branch pushes away."""
    head.requires_grad_(False)
    tokens_N = torch.arange(ROWS) % CODES
    null_ND = torch.randn_like(features_ND, requires_grad=True)

    def both(conditional_ND: Tensor, null_ND: Tensor) -> tuple[Tensor, Tensor]:
        mixed_ND = torch.lerp(null_ND, conditional_ND, 2.5)
        return chunked_logp_entropy(mixed_ND, head, tokens_N, View(temperature=0.8), 3)

    assert torch.autograd.gradcheck(both, (features_ND, null_ND))


def watched(head: nn.Linear, seen: list[int]) -> Callable[[Tensor], Tensor]:
    """Returns the head, writing down how many rows it is called with; no rows are free."""

    def call(rows_CD: Tensor) -> Tensor:
        seen.extend([len(rows_CD)] if len(rows_CD) else [])
        return head(rows_CD)

    return call


@pytest.mark.parametrize(("way", "runs_again"), [("again", True), ("kept", False), ("frozen", False)])
def test_no_call_of_the_head_sees_more_than_a_chunk(
    head: nn.Linear, features_ND: Tensor, way: str, runs_again: bool
) -> None:
    """Forward 4 + 4 + 3 rows, and the same once more for backward, where that was asked of a trained head."""
    _leaves(features_ND, head, way)
    seen: list[int] = []
    tokens_N = torch.zeros(ROWS, dtype=torch.long)
    logp_N = chunked_token_logp(features_ND, watched(head, seen), tokens_N, View(), 4, again=way == "again")
    assert seen == [4, 4, 3]
    logp_N.sum().backward()
    assert sorted(seen[3:]) == ([3, 4, 4] if runs_again else [])


def test_without_gradients_the_head_runs_once_and_nothing_is_kept(
    head: nn.Linear, features_ND: Tensor
) -> None:
    tokens_N = _likely_tokens(features_ND, head)
    with torch.no_grad():
        logp_N = chunked_token_logp(features_ND, head, tokens_N, View(), 4)
    assert not logp_N.requires_grad
    torch.testing.assert_close(logp_N, _plain(features_ND, head, tokens_N, View())[0])
    head.requires_grad_(False)
    assert not chunked_token_logp(features_ND.detach(), head, tokens_N, View(), 4).requires_grad


def test_a_frozen_head_leaves_a_slope_as_large_as_the_features_and_no_logits() -> None:
    """Counted: 2,048 tokens of 512 codes have 4 MiB of logits, and 128 KiB of features."""
    features_ND = torch.randn(2048, 16, requires_grad=True)
    head = nn.Linear(16, 512).requires_grad_(False)
    tokens_N = torch.randint(512, (2048,))
    held = [features_ND, *head.parameters(), tokens_N]
    before = sum(each.untyped_storage().nbytes() for each in held)
    peak, logp_N = peak_of(lambda: chunked_token_logp(features_ND, head, tokens_N, View(), 64), held)
    assert peak - before < 2048 * (16 + 2) * 4 + 4 * 64 * 512 * 4
    (kept_ND,) = logp_N.grad_fn.saved_tensors  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
    assert kept_ND.shape == features_ND.shape


def test_a_frozen_policy_below_a_trained_head_is_possible(head: nn.Linear, features_ND: Tensor) -> None:
    """Features without a gradient, as in training the head alone."""
    tokens_N = torch.zeros(ROWS, dtype=torch.long)
    chunked_token_logp(features_ND.detach(), head, tokens_N, View(), 4).sum().backward()
    assert head.weight.grad is not None
    expected = torch.autograd.grad(_plain(features_ND, head, tokens_N, View())[0].sum(), head.weight)[0]
    torch.testing.assert_close(head.weight.grad, expected)


@pytest.mark.parametrize("way", WAYS)
def test_a_second_derivative_is_refused(head: nn.Linear, features_ND: Tensor, way: str) -> None:
    """Else the gradient would pass for a constant."""
    (features_ND, *_) = _leaves(features_ND, head, way)
    tokens_N = torch.zeros(ROWS, dtype=torch.long)
    logp_N = chunked_token_logp(features_ND, head, tokens_N, View(), 4, again=way == "again")
    (gradient_ND,) = torch.autograd.grad(logp_N.square().sum(), features_ND, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient_ND.sum().backward()


@pytest.mark.parametrize("way", WAYS)
def test_under_autocast_values_and_gradients_are_as_near_as_those_of_the_plain_form(way: str) -> None:
    """Products have 8 bits there; sums over the codebook, and what is returned, have float32.

    Of 40 x 32 gradients; that of the plain form in float32 is the truth.
    """
    generator = torch.Generator().manual_seed(1)
    features_ND = torch.randn(40, 32, generator=generator).requires_grad_(True)
    head, tokens_N = nn.Linear(32, 200), torch.randint(200, (40,), generator=generator)
    _leaves(features_ND, head, way)
    true_N, _ = _plain(features_ND, head, tokens_N, View())
    (true_ND,) = torch.autograd.grad(true_N.sum(), features_ND)
    with torch.autocast("cpu", torch.bfloat16):
        plain_N, plain_entropy_N = _plain(features_ND, head, tokens_N, View())
        logp_N, entropy_N = chunked_logp_entropy(
            features_ND, head, tokens_N, View(), 16, entropy_gradient=False, again=way == "again"
        )
    (plain_ND,) = torch.autograd.grad(plain_N.sum(), features_ND)
    (ours_ND,) = torch.autograd.grad(logp_N.sum(), features_ND)
    assert logp_N.dtype == entropy_N.dtype == ours_ND.dtype == torch.float32
    assert torch.allclose(logp_N, plain_N, atol=1e-5)
    assert torch.allclose(entropy_N, plain_entropy_N, atol=1e-5)
    assert (ours_ND - true_ND).norm() < 1.1 * (plain_ND - true_ND).norm()


@pytest.mark.parametrize("way", WAYS)
def test_half_precision_features_give_float32_log_probabilities(features_ND: Tensor, way: str) -> None:
    head = nn.Linear(CHANNELS, CODES, dtype=torch.bfloat16)
    half_ND = features_ND.detach().bfloat16().requires_grad_(True)
    _leaves(half_ND, head, way)
    logp_N = chunked_token_logp(half_ND, head, torch.zeros(ROWS, dtype=torch.long), View(), 4)
    assert logp_N.dtype == torch.float32
    (gradient_ND,) = torch.autograd.grad(logp_N.sum(), half_ND)
    assert gradient_ND.dtype == torch.bfloat16


def test_a_token_that_is_filtered_out_has_no_probability_and_makes_no_nan(
    head: nn.Linear, features_ND: Tensor
) -> None:
    head.requires_grad_(False)
    tokens_N = head(features_ND).argmin(dim=1)
    logp_N, entropy_N = chunked_logp_entropy(features_ND, head, tokens_N, View(top_k=2), 4)
    assert (logp_N == -torch.inf).all()
    (gradient_ND,) = torch.autograd.grad((logp_N.exp() + entropy_N).sum(), features_ND)
    expected = torch.autograd.grad(_plain(features_ND, head, tokens_N, View(top_k=2))[1].sum(), features_ND)[
        0
    ]
    torch.testing.assert_close(gradient_ND, expected)


@pytest.mark.parametrize("way", WAYS)
def test_no_tokens_give_no_log_probabilities(head: nn.Linear, way: str) -> None:
    nothing_ND = torch.zeros(0, CHANNELS, dtype=torch.float64, requires_grad=True)
    nothing_N = torch.zeros(0, dtype=torch.long)
    _leaves(nothing_ND, head, way)
    logp_N = chunked_token_logp(nothing_ND, head, nothing_N, View(), again=way == "again")
    assert (logp_N.shape, logp_N.dtype) == ((0,), torch.float64)
    logp_N.sum().backward()
    assert [x.shape for x in chunked_logp_entropy(nothing_ND, head, nothing_N, View())] == [(0,), (0,)]


def test_a_chunk_of_nothing_is_refused(head: nn.Linear, features_ND: Tensor) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        chunked_token_logp(features_ND, head, torch.zeros(ROWS, dtype=torch.long), View(), 0)


def test_a_chunk_of_a_large_codebook_is_below_what_is_given_back_to_the_system() -> None:
    """glibc takes blocks of 32 MiB from the system each time (mallopt(3), M_MMAP_THRESHOLD)."""
    assert CHUNK * 16_384 * 4 < 32 * 2**20
