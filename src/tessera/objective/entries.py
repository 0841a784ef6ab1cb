"""What rows of logits say of their tokens, and the slopes of that: in closed form, with few passes over V.

With p the distribution of the view, H its entropy and t its temperature,

    d log p(token) / d logits = (1[token] - p) / t          dH / d logits = -p (log p + H) / t

A filter changes nothing here: what it removes has p = 0, and where it cuts is constant but for jumps.

Axes: C rows (tokens of a chunk), V codebook.
"""

from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from tessera.objective.policy import log_distribution
from tessera.types import View

# Of the entropy: not asked for; only to be looked at; with a gradient.
EntropyUse = Literal["none", "looked at", "learnt from"]

# In place of log 0 beside its p = 0, whose product would be NaN. Its exponential is 0 in 64 bits, too.
LOG_NOTHING = -1e4


def read_tokens(
    logits_CV: Float[Tensor, "C V"], tokens_C: Int[Tensor, " C"], view: View
) -> tuple[Float[Tensor, "C V"], Float[Tensor, " C"]]:
    """Returns the log-probabilities of all codes, new and for the caller to spoil, and of the tokens."""
    logp_CV = log_distribution(logits_CV.detach(), view)
    return logp_CV, logp_CV.gather(1, tokens_C[:, None])[:, 0]


def entropies_(logp_CV: Float[Tensor, "C V"]) -> tuple[Float[Tensor, "C V"], Float[Tensor, " C"]]:
    """Returns probabilities and entropies; log 0 becomes LOG_NOTHING in place."""
    p_CV = logp_CV.exp()
    logp_CV.clamp_(min=LOG_NOTHING)
    # As a product, a sum over V is one pass that writes nothing of [C, V]; autocast would make it of 16 bits.
    with torch.autocast(logp_CV.device.type, enabled=False):
        return p_CV, -torch.linalg.vecdot(p_CV, logp_CV)


def add_at_tokens_(
    value_CV: Float[Tensor, "C V"],
    tokens_C: Int[Tensor, " C"],
    logp_C: Float[Tensor, " C"],
    amount_C: Float[Tensor, " C"],
) -> None:
    """Adds each row's amount at its token, in place; a token that is filtered out has no slope of its own."""
    amount_C = amount_C.to(value_CV.dtype).masked_fill(logp_C == -torch.inf, 0.0)
    value_CV.scatter_add_(1, tokens_C[:, None], amount_C[:, None])


class ReadEntries(torch.autograd.Function):
    """Log-probabilities and entropies with a gradient to logits; the distribution is kept for backward."""

    @staticmethod
    def forward(
        ctx: Any, logits_CV: Tensor, tokens_C: Tensor, view: View, use: EntropyUse
    ) -> tuple[Tensor, Tensor | None]:
        logp_CV, logp_C = read_tokens(logits_CV, tokens_C, view)
        entropy_C = None if use == "none" else entropies_(logp_CV)[1]
        ctx.temperature, ctx.dtype, ctx.use = view.temperature, logits_CV.dtype, use
        ctx.save_for_backward(logp_CV, tokens_C, logp_C, entropy_C)
        if use == "looked at":
            ctx.mark_non_differentiable(entropy_C)
        return logp_C, entropy_C

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Any) -> tuple[Tensor, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride] - once_differentiable renames ctx
        logp_CV, tokens_C, logp_C, entropy_C = ctx.saved_tensors
        of_logp_C, of_entropy_C = upstream
        of_logp_C = of_logp_C / ctx.temperature
        slope_CV = logp_CV.exp()
        if ctx.use == "learnt from":
            of_entropy_C = of_entropy_C / ctx.temperature
            factor_CV = (logp_CV + entropy_C[:, None]).mul_(of_entropy_C[:, None]).add_(of_logp_C[:, None])
            slope_CV.mul_(factor_CV.neg_())
        else:
            slope_CV.mul_(-of_logp_C[:, None])
        add_at_tokens_(slope_CV, tokens_C, logp_C, of_logp_C)
        return slope_CV.to(ctx.dtype), None, None, None
