"""Log-probabilities of tokens that are known: what a view makes of a policy's features, by teacher forcing.

Axes: B rows (pictures), T tokens, D features, V codes, R rows of all branches: B, or 2B with guidance, the
prompt's branch first and the null prompt's after it.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tessera.objective.chunked import chunked_logp_entropy, chunked_token_logp
from tessera.objective.policy import log_distribution, mix_guidance
from tessera.protocols import Policy
from tessera.tensors import TextBatch
from tessera.types import View

# Replayed tokens times codes above which the distributions of a head that trains are made again for backward,
# chunk by chunk, instead of kept: 2^25 of them are 128 MiB in float32. A frozen head never needs either.
LOGITS_AT_ONCE = 2**25


def view_logp(policy: Policy, features: Float[Tensor, "R *N D"], view: View) -> Float[Tensor, "B *N V"]:
    """Returns the log-probabilities that the view gives features: R is B, or 2B with guidance.

    Guidance is mixed before the head, which is affine: one product with the codebook instead of two.
    """
    return log_distribution(policy.head(_mixed(features, view)), view)


def _mixed(features: Float[Tensor, "R *N D"], view: View) -> Float[Tensor, "B *N D"]:
    """Returns the features of both branches as one."""
    if not view.guided:
        return features
    conditional, null = features.chunk(2)
    return mix_guidance(conditional, null, view.guidance)


def replay_logp(
    policy: Policy,
    text_B: TextBatch,
    tokens_BT: Int[Tensor, "B T"],
    view: View,
    *,
    logits_at_once: int = LOGITS_AT_ONCE,
) -> Float[Tensor, "B T"]:
    """Returns the log-probability of given tokens under the view, by teacher forcing; differentiable."""
    features_BTD = _replay_features(policy, text_B, tokens_BT, view)
    logp_N = chunked_token_logp(
        features_BTD.flatten(0, 1),
        policy.head,
        tokens_BT.flatten(),
        view,
        again=tokens_BT.numel() * policy.spec.codebook > logits_at_once,
    )
    return logp_N.view_as(tokens_BT)


def replay_logp_entropy(
    policy: Policy,
    text_B: TextBatch,
    tokens_BT: Int[Tensor, "B T"],
    view: View,
    *,
    entropy_gradient: bool = False,
    logits_at_once: int = LOGITS_AT_ONCE,
) -> tuple[Float[Tensor, "B T"], Float[Tensor, "B T"]]:
    """Returns log-probabilities as `replay_logp` does, and the entropies of what the tokens were drawn from.

    Without `entropy_gradient` the entropy is only to be looked at: its graph over V codes would be dear.
    """
    features_BTD = _replay_features(policy, text_B, tokens_BT, view)
    logp_N, entropy_N = chunked_logp_entropy(
        features_BTD.flatten(0, 1),
        policy.head,
        tokens_BT.flatten(),
        view,
        entropy_gradient=entropy_gradient,
        again=tokens_BT.numel() * policy.spec.codebook > logits_at_once,
    )
    return logp_N.view_as(tokens_BT), entropy_N.view_as(tokens_BT)


def replay_distribution(
    policy: Policy, text_B: TextBatch, tokens_BT: Int[Tensor, "B T"], view: View
) -> Float[Tensor, "B T V"]:
    """Returns the log-probabilities that the view gave at each token, given those before it."""
    return log_distribution(policy.head(_replay_features(policy, text_B, tokens_BT, view)), view)


def _replay_features(
    policy: Policy, text_B: TextBatch, tokens_BT: Int[Tensor, "B T"], view: View
) -> Float[Tensor, "B T D"]:
    """Returns what the head maps to the view's logits at each token."""
    if not view.guided:
        return policy.features(text_B, tokens_BT)
    text_2B = text_B.cat(policy.null_like(text_B))
    return _mixed(policy.features(text_2B, torch.cat([tokens_BT, tokens_BT])), view)
