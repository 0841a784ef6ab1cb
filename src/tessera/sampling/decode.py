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
    policy: Policy, text_P: TextBatch, rows_B: Int[Tensor, " B"], view: View, cache: Cache | None = None
) -> tuple[Cache, Float[Tensor, "R D"]]:
    """Returns a cache with every row's prefix in it, and the features that predict the first token.

    Each distinct prompt is read once, and each distinct null prompt: R is B, or 2B with guidance. The cache
    is a new one unless given.
    """
    prompts, spec = len(text_P), policy.spec
    if view.guided:
        null, place_P = policy.null_like(text_P).distinct()
        text_P = text_P.cat(null)
        rows_B = torch.cat([rows_B, prompts + place_P[rows_B]])
    prefix = policy.new_cache(len(text_P), spec.prefix)
    features_PD = policy.prefill(text_P, prefix)
    if cache is None:
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
    cache, features = prefill_rows(policy, text_P, rows_B, view)
    return checked(*draw_rows(policy, cache, features, uniform_BT, view))


def draw_rows(
    policy: Policy,
    cache: Cache,
    features: Float[Tensor, "R D"],
    uniform_BT: Float64[Tensor, "B T"],
    view: View,
) -> tuple[Int[Tensor, "B T"], Float[Tensor, "B T"]]:
    """Returns tokens and log-probabilities, step after step from a cache that has the prefix.

    Nothing here waits for a GPU.
    """
    tokens_BT = torch.empty(uniform_BT.shape, dtype=torch.long, device=uniform_BT.device)
    logp_BT = torch.empty(uniform_BT.shape, dtype=torch.float32, device=uniform_BT.device)
    for index in range(uniform_BT.shape[1]):
        if index:
            features = policy.step(fed(tokens_BT[:, index - 1], view), index - 1, cache)
        tokens_BT[:, index], logp_BT[:, index] = draw_column(policy, features, uniform_BT[:, index], view)
    return tokens_BT, logp_BT


def draw_column(
    policy: Policy, features: Float[Tensor, "R D"], uniform_B: Float64[Tensor, " B"], view: View
) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"]]:
    """Returns a token for each row, and its log-probability."""
    logp_BV = view_logp(policy, features, view)
    tokens_B = draw_tokens(logp_BV, uniform_B)
    return tokens_B, token_logp(logp_BV[:, None], tokens_B[:, None])[:, 0]


def fed(tokens_B: Int[Tensor, " B"], view: View) -> Int[Tensor, " R"]:
    """Returns what a step is given: the tokens, for both branches where there are two."""
    return torch.cat([tokens_B, tokens_B]) if view.guided else tokens_B


def checked(
    tokens_BT: Int[Tensor, "B T"], logp_BT: Float[Tensor, "B T"]
) -> tuple[Int[Tensor, "B T"], Float[Tensor, "B T"]]:
    """Returns what was drawn, if it is sound.

    One look at the end instead of one a step: asking earlier would stop a GPU at every token.
    """
    if not torch.isfinite(logp_BT).all():
        raise SamplingError("the policy gave NaN or infinite log-probabilities: its weights are unusable")
    return tokens_BT, logp_BT
