"""How the CLIP scorers answer: finite numbers, or NaN with the reason; and what they are, as a hash."""

import hashlib
import math
from collections.abc import Sequence

from jaxtyping import Float64
from torch import Tensor

from tessera.scorers.placed import DTypeName
from tessera.tensors import Scores


def answer(
    value_B: Float64[Tensor, " B"], reasons: Sequence[str], *, dtype: DTypeName, digest: str
) -> Scores:
    """Returns the scores; what came out neither finite nor with a reason becomes NaN with one."""
    reasons = [
        reason
        if reason or math.isfinite(value)
        else f"the model's features in {dtype} are zero or not finite; with dtype float32 they may be"
        for reason, value in zip(reasons, value_B.tolist(), strict=True)
    ]
    kept_B = value_B.where(value_B.isfinite(), float("nan"))
    return Scores(value_B=kept_B, reasons=tuple(reasons), digest=digest)


def identity(*words: str) -> str:
    """Returns a hash of what an instrument is made of."""
    return hashlib.blake2b("\0".join(words).encode(), digest_size=16).hexdigest()
