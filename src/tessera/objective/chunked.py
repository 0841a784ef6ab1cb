"""Log-probabilities of tokens without the logits of all: some rows at a time, made again for backward.

A picture of 576 tokens over a codebook of 16,384 has 9.4 million logits, and the plain form holds several
copies of them for the backward pass. Here head and softmax run on `chunk` tokens at a time; only the
features, which exist anyway, are kept, and backward runs each chunk's head once more. Values and gradients
are those of the plain form: the same functions see the same rows.

`python -m tests.performance.chunked_logp` measures both.

Axes: N tokens (rows times positions, in any order), D feature channels, V codebook.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from tessera.objective.kl import entropy
from tessera.objective.policy import log_distribution
from tessera.types import View

# Tokens at a time. 512 of them over 16,384 codes in float32 are 32 MiB: enough for a full-speed product, and
# the size from which glibc gives freed memory straight back. Smaller blocks leave holes: on a CPU, 256 tokens
# at a time peaked at 873 MiB where 512 peaked at 474.
CHUNK = 512


def chunked_token_logp(
    features_ND: Float[Tensor, "N D"],
    head: Callable[[Tensor], Tensor],
    tokens_N: Int[Tensor, " N"],
    view: View,
    chunk: int = CHUNK,
) -> Float[Tensor, " N"]:
    """Returns the log-probability of each token under the view; differentiable in features and head.

    Guidance is mixed into the features by the caller, as the head is affine. The head must be a function of
    its rows alone, and give the same when called again.
    """

    def rows(features_CD: Tensor, tokens_C: Tensor) -> Tensor:
        return _entry(log_distribution(head(features_CD), view), tokens_C)

    return torch.cat(_over_chunks(rows, features_ND, tokens_N, chunk))


def chunked_logp_entropy(
    features_ND: Float[Tensor, "N D"],
    head: Callable[[Tensor], Tensor],
    tokens_N: Int[Tensor, " N"],
    view: View,
    chunk: int = CHUNK,
    *,
    entropy_gradient: bool = True,
) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
    """Returns the log-probability of each token and the entropy of the distribution it was drawn from.

    An entropy that is only looked at needs no gradient.
    """

    def rows(features_CD: Tensor, tokens_C: Tensor) -> Tensor:
        logp_CV = log_distribution(head(features_CD), view)
        entropy_C = entropy(logp_CV if entropy_gradient else logp_CV.detach())
        return torch.stack([_entry(logp_CV, tokens_C), entropy_C])

    logp_N, entropy_N = torch.cat(_over_chunks(rows, features_ND, tokens_N, chunk), dim=1)
    return logp_N, entropy_N


def _entry(logp_CV: Tensor, tokens_C: Tensor) -> Tensor:
    """Returns each row's entry at its token."""
    return logp_CV.gather(1, tokens_C[:, None])[:, 0]


def _over_chunks(
    rows: Callable[[Tensor, Tensor], Tensor], features_ND: Tensor, tokens_N: Tensor, chunk: int
) -> list[Tensor]:
    """Returns what `rows` says of each chunk; with gradients on, nothing it made on the way is kept.

    No tokens is one chunk of none, so that the result has its dtype and its place in the graph.
    """
    if chunk < 1:
        raise ValueError(f"a chunk must have at least one token, got {chunk}")
    pieces = zip(features_ND.split(chunk), tokens_N.split(chunk), strict=True)
    if not torch.is_grad_enabled():
        return [rows(features_CD, tokens_C) for features_CD, tokens_C in pieces]
    # Nothing here is drawn at random, so there is no random state to put back before the second run.
    return [
        checkpoint(rows, features_CD, tokens_C, use_reentrant=False, preserve_rng_state=False)
        for features_CD, tokens_C in pieces
    ]
