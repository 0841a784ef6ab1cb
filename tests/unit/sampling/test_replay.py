"""Replaying: the values and gradients of all logits at once, whatever is kept of them."""

import pytest
import torch
from torch import Tensor

from tessera.objective.kl import entropy
from tessera.objective.policy import token_logp
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.sampling import replay
from tessera.sampling.replay import replay_distribution, replay_logp, replay_logp_entropy
from tessera.types import View
from tests.contracts.policies import tiny_mosaic

ROWS = 3
VIEWS = [View(), View(guidance=2.0), View(guidance=1.5, temperature=0.7)]


@pytest.fixture(name="policy")
def _policy() -> MosaicPolicy:
    policy = tiny_mosaic()
    with torch.no_grad():  # away from uniform, where every token would have one log-probability
        policy.transformer.head.weight.mul_(50)
    return policy.double()


def tokens(policy: MosaicPolicy) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(policy.spec.codebook, (ROWS, policy.spec.tokens), generator=generator)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("head_trains", [True, False])
@pytest.mark.parametrize("recompute", [True, False])
def test_values_and_gradients_are_those_of_all_logits_at_once(
    policy: MosaicPolicy, view: View, head_trains: bool, recompute: bool
) -> None:
    text, tokens_BT = policy.tokenize(["a star", "a red ring", "two hearts"]), tokens(policy)
    policy.transformer.head.requires_grad_(head_trains)
    policy.recompute(recompute)
    parameters = [parameter for _, parameter in policy.trainable() if parameter.requires_grad]

    def with_gradients(logp_BT: Tensor, entropy_BT: Tensor) -> list[Tensor]:
        loss = (logp_BT.square() + entropy_BT).sum()
        return [logp_BT, entropy_BT, *torch.autograd.grad(loss, parameters)]

    logp_BTV = replay_distribution(policy, text, tokens_BT, view)
    plain = with_gradients(token_logp(logp_BTV, tokens_BT), entropy(logp_BTV))
    for at_once in (replay.LOGITS_AT_ONCE, 0):
        logp_BT, entropy_BT = replay_logp_entropy(
            policy, text, tokens_BT, view, entropy_gradient=True, logits_at_once=at_once
        )
        alone_BT = replay_logp(policy, text, tokens_BT, view, logits_at_once=at_once)
        assert torch.equal(alone_BT, logp_BT)
        for ours, expected in zip(with_gradients(logp_BT, entropy_BT), plain, strict=True):
            torch.testing.assert_close(ours, expected, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("at_once", [replay.LOGITS_AT_ONCE, 0])
def test_an_entropy_that_is_only_looked_at_has_no_gradient(policy: MosaicPolicy, at_once: int) -> None:
    text, tokens_BT = policy.tokenize(["a star", "a red ring", "two hearts"]), tokens(policy)
    parameters = [parameter for _, parameter in policy.trainable()]

    def gradients(weight: float) -> list[Tensor]:
        logp_BT, entropy_BT = replay_logp_entropy(policy, text, tokens_BT, View(), logits_at_once=at_once)
        return list(torch.autograd.grad(logp_BT.sum() + weight * entropy_BT.sum(), parameters))

    for one, other in zip(gradients(0.0), gradients(5.0), strict=True):
        assert torch.equal(one, other)


def test_the_limit_is_between_mosaic_and_a_large_codebook() -> None:
    """Where the head trains, 32 pictures of mosaic are kept; 4 of 576 tokens over 16,384 codes are not."""
    assert 32 * 64 * 1024 < replay.LOGITS_AT_ONCE < 4 * 576 * 16_384
