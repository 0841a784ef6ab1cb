"""One batch of rollouts: prompts prefilled once, rows fanned out, then T steps of draw and feed.

Axes: P distinct prompts, B rows (pictures), T tokens. With guidance the cache holds 2B rows, the prompt's
branch first and the null prompt's after it, so both take every step in one batch.
"""

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from tessera.errors import SamplingError
from tessera.objective.policy import draw_tokens, log_distribution, mix_guidance, token_logp
from tessera.protocols import Cache, Policy
from tessera.tensors import TextBatch
from tessera.types import View


def prefill_rows(
    policy: Policy, text_P: TextBatch, rows_B: Int[Tensor, " B"], view: View
) -> tuple[Cache, Float[Tensor, "R D"]]:
    """Returns a cache with every row's prefix in it, and the features that predict the first token.

    Each distinct prompt is read once, the null prompt once for all rows: R is B, or 2B with guidance.
    """
    prompts, spec = len(text_P), policy.spec
    if view.guided:
        first = torch.zeros(1, dtype=torch.long, device=text_P.ids.device)
        text_P = text_P.cat(policy.null_like(text_P.rows(first)))
        rows_B = torch.cat([rows_B, torch.full_like(rows_B, prompts)])
    prefix = policy.new_cache(len(text_P), spec.prefix)
    features_PD = policy.prefill(text_P, prefix)
    cache = policy.new_cache(len(rows_B), spec.prefix + spec.tokens - 1)
    cache.fan_out(prefix, rows_B, spec.prefix)
    return cache, features_PD[rows_B]


def view_logp(policy: Policy, features: Float[Tensor, "R *N D"], view: View) -> Float[Tensor, "B *N V"]:
    """Returns the log-probabilities that the view gives features: R is B, or 2B with guidance.

    Guidance is mixed before the head, which is affine: one product with the codebook instead of two.
    """
    if view.guided:
        conditional, null = features.chunk(2)
        features = mix_guidance(conditional, null, view.guidance)
    return log_distribution(policy.head(features), view)


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
    policy: Policy, text_B: TextBatch, tokens_BT: Int[Tensor, "B T"], view: View
) -> Float[Tensor, "B T"]:
    """Returns the log-probability of given tokens under the view, by teacher forcing; differentiable."""
    return token_logp(replay_distribution(policy, text_B, tokens_BT, view), tokens_BT)


def replay_distribution(
    policy: Policy, text_B: TextBatch, tokens_BT: Int[Tensor, "B T"], view: View
) -> Float[Tensor, "B T V"]:
    """Returns the log-probabilities that the view gave at each token, given those before it."""
    if view.guided:
        text_B = text_B.cat(policy.null_like(text_B))
        features = policy.features(text_B, torch.cat([tokens_BT, tokens_BT]))
    else:
        features = policy.features(text_B, tokens_BT)
    return view_logp(policy, features, view)
