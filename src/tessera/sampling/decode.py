"""One batch of rollouts: prompts prefilled once, rows fanned out, then T steps of draw and feed.

Axes: P distinct prompts, B rows (pictures), T tokens. With guidance the cache holds 2B rows, the prompt's
branch first and the null prompt's after it, so both take every step in one batch.
"""

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from tessera.errors import SamplingError
from tessera.objective.chunked import chunked_logp_entropy, chunked_token_logp
from tessera.objective.kl import entropy
from tessera.objective.policy import draw_tokens, log_distribution, mix_guidance, token_logp
from tessera.protocols import Cache, Policy
from tessera.tensors import TextBatch
from tessera.types import View

# Replayed tokens times codes above which log-probabilities are made in chunks: 2^25 logits are 128 MiB in
# float32, and the plain form holds several of them. Below, one large product is faster than many small ones.
LOGITS_AT_ONCE = 2**25


def prefill_rows(
    policy: Policy, text_P: TextBatch, rows_B: Int[Tensor, " B"], view: View
) -> tuple[Cache, Float[Tensor, "R D"]]:
    """Returns a cache with every row's prefix in it, and the features that predict the first token.

    Each distinct prompt is read once, and each distinct null prompt: R is B, or 2B with guidance.
    """
    prompts, spec = len(text_P), policy.spec
    if view.guided:
        null, place_P = policy.null_like(text_P).distinct()
        text_P = text_P.cat(null)
        rows_B = torch.cat([rows_B, prompts + place_P[rows_B]])
    prefix = policy.new_cache(len(text_P), spec.prefix)
    features_PD = policy.prefill(text_P, prefix)
    cache = policy.new_cache(len(rows_B), spec.prefix + spec.tokens - 1)
    cache.fan_out(prefix, rows_B, spec.prefix)
    return cache, features_PD[rows_B]


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


@torch.no_grad()
def decode_rows(
    policy: Policy,
    text_P: TextBatch,
    rows_B: Int[Tensor, " B"],
    uniform_BT: Float64[Tensor, "B T"],
    view: View,
) -> tuple[Int[Tensor, "B T"], Float[Tensor, "B T"]]:
    """Returns each row's tokens and their log-probabilities as drawn; `rows_B` names each row's prompt."""
    total = policy.spec.tokens
    cache, features = prefill_rows(policy, text_P, rows_B, view)
    tokens_BT = torch.empty(len(rows_B), total, dtype=torch.long, device=rows_B.device)
    logp_BT = torch.empty(len(rows_B), total, dtype=torch.float32, device=rows_B.device)
    for index in range(total):
        logp_BV = view_logp(policy, features, view)
        tokens_B = draw_tokens(logp_BV, uniform_BT[:, index])
        tokens_BT[:, index] = tokens_B
        logp_BT[:, index] = token_logp(logp_BV[:, None], tokens_B[:, None])[:, 0]
        if index + 1 < total:
            features = policy.step(torch.cat([tokens_B, tokens_B]) if view.guided else tokens_B, index, cache)
    # One look at the end instead of one a step: asking earlier would stop a GPU at every token.
    if not torch.isfinite(logp_BT).all():
        raise SamplingError("the policy gave NaN or infinite log-probabilities: its weights are unusable")
    return tokens_BT, logp_BT


def replay_logp(
    policy: Policy,
    text_B: TextBatch,
    tokens_BT: Int[Tensor, "B T"],
    view: View,
    *,
    logits_at_once: int = LOGITS_AT_ONCE,
) -> Float[Tensor, "B T"]:
    """Returns the log-probability of given tokens under the view, by teacher forcing; differentiable."""
    if tokens_BT.numel() * policy.spec.codebook <= logits_at_once:
        return token_logp(replay_distribution(policy, text_B, tokens_BT, view), tokens_BT)
    features_BTD = _replay_features(policy, text_B, tokens_BT, view)
    logp_N = chunked_token_logp(features_BTD.flatten(0, 1), policy.head, tokens_BT.flatten(), view)
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
    if tokens_BT.numel() * policy.spec.codebook <= logits_at_once:
        logp_BTV = replay_distribution(policy, text_B, tokens_BT, view)
        entropy_BT = entropy(logp_BTV if entropy_gradient else logp_BTV.detach())
        return token_logp(logp_BTV, tokens_BT), entropy_BT
    features_BTD = _replay_features(policy, text_B, tokens_BT, view)
    logp_N, entropy_N = chunked_logp_entropy(
        features_BTD.flatten(0, 1), policy.head, tokens_BT.flatten(), view, entropy_gradient=entropy_gradient
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
