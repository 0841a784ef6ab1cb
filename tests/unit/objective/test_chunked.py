"""Chunks give the values and the gradients of the plain form, and never the logits of all tokens."""

import pytest
import torch
from torch import Tensor, nn

from tessera.objective.chunked import chunked_logp_entropy, chunked_token_logp
from tessera.objective.kl import entropy
from tessera.objective.policy import log_distribution
from tessera.types import View

ROWS, CHANNELS, CODES = 11, 4, 7
VIEWS = [View(), View(temperature=0.7, top_k=5, top_p=0.9)]


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


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("chunk", [1, 4, ROWS, 100])
def test_values_and_gradients_are_those_of_the_plain_form(
    head: nn.Linear, features_ND: Tensor, view: View, chunk: int
) -> None:
    tokens_N = _likely_tokens(features_ND, head)
    weight_N = torch.randn(ROWS, dtype=torch.float64)
    leaves = (features_ND, head.weight, head.bias)
    plain_N, plain_entropy_N = _plain(features_ND, head, tokens_N, view)
    plain = torch.autograd.grad((plain_N * weight_N).sum(), leaves, retain_graph=True)
    plain_both = torch.autograd.grad(((plain_N + plain_entropy_N.square()) * weight_N).sum(), leaves)

    logp_N = chunked_token_logp(features_ND, head, tokens_N, view, chunk)
    ours = torch.autograd.grad((logp_N * weight_N).sum(), leaves)
    logp_too_N, entropy_N = chunked_logp_entropy(features_ND, head, tokens_N, view, chunk)
    ours_both = torch.autograd.grad(((logp_too_N + entropy_N.square()) * weight_N).sum(), leaves)

    for found, expected in [
        (logp_N, plain_N),
        (logp_too_N, plain_N),
        (entropy_N, plain_entropy_N),
        *zip(ours, plain, strict=True),
        *zip(ours_both, plain_both, strict=True),
    ]:
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_gradients_equal_finite_differences(head: nn.Linear, features_ND: Tensor) -> None:
    tokens_N = torch.arange(ROWS) % CODES

    def logp(features_ND: Tensor, weight_VD: Tensor) -> Tensor:
        return chunked_token_logp(features_ND, lambda x: x @ weight_VD.T, tokens_N, View(temperature=0.8), 3)

    assert torch.autograd.gradcheck(logp, (features_ND, head.weight))


def test_no_call_of_the_head_sees_more_than_a_chunk(head: nn.Linear, features_ND: Tensor) -> None:
    """Forward 4 + 4 + 3 rows, and the same once more for backward."""
    seen: list[int] = []

    def watched(rows_CD: Tensor) -> Tensor:
        seen.append(len(rows_CD))
        return head(rows_CD)

    logp_N = chunked_token_logp(features_ND, watched, torch.zeros(ROWS, dtype=torch.long), View(), 4)
    assert seen == [4, 4, 3]
    logp_N.sum().backward()
    assert sorted(seen[3:]) == [3, 4, 4]


def test_without_gradients_the_head_runs_once_and_nothing_is_kept(
    head: nn.Linear, features_ND: Tensor
) -> None:
    tokens_N = _likely_tokens(features_ND, head)
    with torch.no_grad():
        logp_N = chunked_token_logp(features_ND, head, tokens_N, View(), 4)
    assert not logp_N.requires_grad
    torch.testing.assert_close(logp_N, _plain(features_ND, head, tokens_N, View())[0])


def test_a_frozen_policy_below_a_trained_head_is_possible(head: nn.Linear, features_ND: Tensor) -> None:
    """Features without a gradient, as in training the head alone."""
    tokens_N = torch.zeros(ROWS, dtype=torch.long)
    chunked_token_logp(features_ND.detach(), head, tokens_N, View(), 4).sum().backward()
    assert head.weight.grad is not None
    expected = torch.autograd.grad(_plain(features_ND, head, tokens_N, View())[0].sum(), head.weight)[0]
    torch.testing.assert_close(head.weight.grad, expected)


def test_half_precision_features_give_float32_log_probabilities(features_ND: Tensor) -> None:
    head = nn.Linear(CHANNELS, CODES, dtype=torch.bfloat16)
    tokens_N = torch.zeros(ROWS, dtype=torch.long)
    logp_N = chunked_token_logp(features_ND.bfloat16(), head, tokens_N, View(), 4)
    assert logp_N.dtype == torch.float32


def test_no_tokens_give_no_log_probabilities(head: nn.Linear) -> None:
    nothing_ND = torch.zeros(0, CHANNELS, dtype=torch.float64)
    nothing_N = torch.zeros(0, dtype=torch.long)
    assert chunked_token_logp(nothing_ND, head, nothing_N, View()).shape == (0,)
    assert [x.shape for x in chunked_logp_entropy(nothing_ND, head, nothing_N, View())] == [(0,), (0,)]


def test_a_chunk_of_nothing_is_refused(head: nn.Linear, features_ND: Tensor) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        chunked_token_logp(features_ND, head, torch.zeros(ROWS, dtype=torch.long), View(), 0)
