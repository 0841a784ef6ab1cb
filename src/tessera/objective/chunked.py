"""Log-probabilities of tokens, and entropies, without the logits of all: some rows at a time.

A picture of 576 tokens over a codebook of 16,384 has 9.4 million logits, and the plain form holds several
copies of them for the backward pass. But what a row says depends on its own features alone, so one of three
ways is enough:

    nothing learns        values only
    the head is frozen    the slope d log p / d features, [N, D], is made together with the value, while the
                          chunk's logits are there; backward multiplies it by what comes from above. As many
                          products with the head as in the plain form, and nothing of [N, V]
    the head trains       its gradient needs a factor for each row that only backward knows. So the
                          distribution of each chunk is kept; or, if there are too many, its head runs again

Whether the head trains is seen by asking it for the logits of no rows. Values and gradients are those of the
plain form, to rounding. There are no second derivatives: torch refuses to make them.

`tessera bench logprob` measures all of them.

Axes: N tokens (rows times positions, in any order), C tokens of a chunk, D feature channels, V codebook.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from tessera.objective.entries import EntropyUse, ReadEntries, add_at_tokens_, entropies_, read_tokens
from tessera.types import View

# Tokens at a time. On a CPU, 256 of them over 16,384 codes in float32 are 16 MiB, which glibc hands out again
# without asking the system: a quarter faster than 512, whose every block is new pages.
CHUNK = 256

Head = Callable[[Tensor], Tensor]


def chunked_token_logp(
    features_ND: Float[Tensor, "N D"],
    head: Head,
    tokens_N: Int[Tensor, " N"],
    view: View,
    chunk: int = CHUNK,
    *,
    again: bool = True,
) -> Float[Tensor, " N"]:
    """Returns the log-probability of each token under the view; differentiable in features and head.

    Guidance is mixed into the features by the caller, as the head is affine. The head must be a function of
    its rows alone, and give the same when called again. `again` is for a head that trains: whether it runs
    once more in backward, or its distributions are kept.
    """
    logp_N, _ = _read(features_ND, head, tokens_N, view, chunk, "none", again=again)
    return logp_N


def chunked_logp_entropy(
    features_ND: Float[Tensor, "N D"],
    head: Head,
    tokens_N: Int[Tensor, " N"],
    view: View,
    chunk: int = CHUNK,
    *,
    entropy_gradient: bool = True,
    again: bool = True,
) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
    """Returns the log-probability of each token and the entropy of the distribution it was drawn from.

    An entropy that is only looked at needs no gradient.
    """
    use: EntropyUse = "learnt from" if entropy_gradient else "looked at"
    logp_N, entropy_N = _read(features_ND, head, tokens_N, view, chunk, use, again=again)
    assert entropy_N is not None  # it was asked for
    return logp_N, entropy_N


def _read(
    features_ND: Tensor, head: Head, tokens_N: Tensor, view: View, chunk: int, use: EntropyUse, *, again: bool
) -> tuple[Tensor, Tensor | None]:
    """Returns log-probabilities, and entropies if wanted, in the cheapest way that gives their gradients."""
    if chunk < 1:
        raise ValueError(f"a chunk must have at least one token, got {chunk}")
    if not torch.is_grad_enabled():
        return _values(features_ND, head, tokens_N, view, chunk, use)
    if head(features_ND[:0].detach()).requires_grad:
        return _by_graph(features_ND, head, tokens_N, view, chunk, use, again=again)
    if features_ND.requires_grad:
        return _with_slopes(features_ND, head, tokens_N, view, chunk, use)
    return _values(features_ND, head, tokens_N, view, chunk, use)


def _values(
    features_ND: Tensor, head: Head, tokens_N: Tensor, view: View, chunk: int, use: EntropyUse
) -> tuple[Tensor, Tensor | None]:
    """Returns both without a gradient."""
    logp_N, entropy_N = _room(features_ND, use)
    for rows in _chunks(len(tokens_N), chunk):
        logp_CV, logp_N[rows] = read_tokens(head(features_ND[rows]), tokens_N[rows], view)
        if entropy_N is not None:
            _, entropy_N[rows] = entropies_(logp_CV)
    return logp_N, entropy_N


def _by_graph(
    features_ND: Tensor, head: Head, tokens_N: Tensor, view: View, chunk: int, use: EntropyUse, *, again: bool
) -> tuple[Tensor, Tensor | None]:
    """Returns both with a gradient to features and to what the head is made of."""

    def read(features_CD: Tensor, tokens_C: Tensor) -> Any:  # a pair, the second None where not wanted
        return ReadEntries.apply(head(features_CD), tokens_C, view, use)

    found = [
        # Nothing here is drawn at random, so there is no random state to put back before the second run.
        checkpoint(read, features_ND[rows], tokens_N[rows], use_reentrant=False, preserve_rng_state=False)
        if again
        else read(features_ND[rows], tokens_N[rows])
        for rows in _chunks(len(tokens_N), chunk)
    ]
    logp_N = torch.cat([logp_C for logp_C, _ in found])
    return logp_N, None if use == "none" else torch.cat([entropy_C for _, entropy_C in found])


def _with_slopes(
    features_ND: Tensor, head: Head, tokens_N: Tensor, view: View, chunk: int, use: EntropyUse
) -> tuple[Tensor, Tensor | None]:
    """Returns both with a gradient to the features, whose slopes are made here and now."""
    logp_N, entropy_N = _room(features_ND, use)
    slope_ND = torch.empty_like(features_ND)
    entropy_slope_ND = torch.empty_like(features_ND) if use == "learnt from" else None
    for rows in _chunks(len(tokens_N), chunk):
        features_CD, tokens_C = features_ND[rows].detach().requires_grad_(True), tokens_N[rows]
        logits_CV = head(features_CD)
        with torch.no_grad():
            logp_CV, logp_N[rows] = read_tokens(logits_CV, tokens_C, view)
            if entropy_N is None:
                p_CV = logp_CV.exp_()
            else:
                p_CV, entropy_N[rows] = entropies_(logp_CV)
                if entropy_slope_ND is not None:
                    fall_CV = logp_CV.add_(entropy_N[rows, None]).mul_(p_CV)
                    entropy_slope_ND[rows] = _pulled_back(logits_CV, features_CD, fall_CV, view, keep=True)
                    del fall_CV
            del logp_CV
            add_at_tokens_(p_CV, tokens_C, logp_N[rows], torch.full_like(logp_N[rows], -1.0))
            slope_ND[rows] = _pulled_back(logits_CV, features_CD, p_CV, view)
    if entropy_N is not None and entropy_slope_ND is not None:
        entropy_N = KnownSlope.apply(features_ND, entropy_N, entropy_slope_ND)
    return KnownSlope.apply(features_ND, logp_N, slope_ND), entropy_N


def _pulled_back(
    logits_CV: Tensor, features_CD: Tensor, fall_CV: Tensor, view: View, *, keep: bool = False
) -> Tensor:
    """Returns the slope by features of what falls by `fall / temperature` with the logits."""
    # What autocast made of the forward pass is in the graph; backward must not round once more.
    with torch.autocast(features_CD.device.type, enabled=False):
        (slope_CD,) = torch.autograd.grad(
            logits_CV, features_CD, fall_CV.to(logits_CV.dtype), retain_graph=keep
        )
    return slope_CD.mul_(-1 / view.temperature)


class KnownSlope(torch.autograd.Function):
    """Values of rows whose slope by the row's features is known already."""

    @staticmethod
    def forward(ctx: Any, features_ND: Tensor, value_N: Tensor, slope_ND: Tensor) -> Tensor:  # noqa: ARG004 - the gradient goes there
        ctx.save_for_backward(slope_ND)
        return value_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Any) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride] - once_differentiable renames ctx
        (slope_ND,) = ctx.saved_tensors
        (of_value_N,) = upstream
        return (slope_ND * of_value_N[:, None]).to(slope_ND.dtype), None, None


def _room(features_ND: Tensor, use: EntropyUse) -> tuple[Tensor, Tensor | None]:
    """Returns room for log-probabilities, and for entropies if wanted.

    Made before the first logits: small tensors made between large ones leave holes in a heap.
    """
    dtype = torch.promote_types(features_ND.dtype, torch.float32)
    logp_N = torch.empty(len(features_ND), dtype=dtype, device=features_ND.device)
    return logp_N, None if use == "none" else torch.empty_like(logp_N)


def _chunks(count: int, chunk: int) -> Iterator[slice]:
    """Yields so many rows at a time; no rows are one chunk of none, which has its place in the graph."""
    for start in range(0, max(count, 1), chunk):
        yield slice(start, min(start + chunk, count))
