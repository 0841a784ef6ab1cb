"""How the CLIP scorers answer: finite numbers, or NaN with the reason; and what they are, as a hash."""

import hashlib
from collections.abc import Sequence

from jaxtyping import Float64
from torch import Tensor

from tessera.scorers.placed import DTypeName
from tessera.scorers.rows import scores
from tessera.tensors import Scores


def answer(
    value_B: Float64[Tensor, " B"], reasons: Sequence[str], *, dtype: DTypeName, digest: str
) -> Scores:
    """Returns the scores; what came out neither finite nor with a reason becomes NaN with one."""
    zero = f"the model's features in {dtype} are zero or not finite; with dtype float32 they may be"
    return scores(value_B.tolist(), reasons, digest, not_finite=zero)


def identity(*words: str) -> str:
    """Returns a hash of what an instrument is made of."""
    return hashlib.blake2b("\0".join(words).encode(), digest_size=16).hexdigest()
