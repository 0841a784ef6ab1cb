"""What families of scorers share: rows in batches, the phrases of a prompt, values with reasons."""

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch

from tessera.tensors import Scores
from tessera.types import Prompt

NOT_FINITE = "the model gave no finite number; in float16 it may overflow: use float32 or bfloat16"

T = TypeVar("T")


def pieces(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yields the rows in batches of `size`, the last one smaller."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def phrases(prompt: Prompt, *keys: str) -> tuple[list[str], str]:
    """Returns the phrases in a prompt's metadata under the first key that has some, or why there are none."""
    for key in keys:
        listed = prompt.metadata.get(key)
        if listed is None:
            continue
        if not isinstance(listed, list | tuple) or not all(isinstance(each, str) for each in listed):
            return [], f"metadata {key!r} must be a list of phrases, got {listed!r:.80}"
        if filled := [each for each in listed if each.strip()]:
            return filled, ""
    return [], f"the prompt's metadata list no {' or '.join(keys)}, which is what is asked"


def scores(
    values: Sequence[float], reasons: Sequence[str], digest: str, not_finite: str = NOT_FINITE
) -> Scores:
    """Returns the values as scores: NaN and a reason where a value is not finite."""
    finite = [math.isfinite(value) for value in values]
    return Scores(
        value_B=torch.tensor(
            [value if good else math.nan for value, good in zip(values, finite, strict=True)],
            dtype=torch.float64,
        ),
        reasons=tuple(
            reason or ("" if good else not_finite) for reason, good in zip(reasons, finite, strict=True)
        ),
        digest=digest,
    )
