"""One batch of rollouts: prompts prefilled once, rows fanned out, then T steps of draw and feed.

Axes: P distinct prompts, B rows (pictures), T tokens. With guidance the cache holds 2B rows, the prompt's
branch first and the null prompt's after it, so both take every step in one batch.
"""

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from tessera.errors import SamplingError
from tessera.objective.policy import draw_tokens, token_logp
from tessera.protocols import Cache, Policy
from tessera.sampling.replay import view_logp
from tessera.tensors import TextBatch
from tessera.types import View


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
