"""Differences between arms on the same prompts, what a doubling buys, and p-values of a family of claims.

Every function is a contrast (hierarchical.py): the same random effects, the same interval, and a p-value that
is below 0.05 exactly where the 95 % interval leaves out 0.

Axes: S and R training seeds of two arms, P prompts, L settings along an axis of scaling.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from tessera.statistics.hierarchical import Effect, contrast


def difference(
    new_SP: Float64[ndarray, "S P"], old_RP: Float64[ndarray, "R P"], category_P: Sequence[str]
) -> Effect:
    """Returns the overall score of one arm minus that of another; a base is an arm of one row."""
    return contrast([new_SP, old_RP], [1.0, -1.0], category_P)


def difference_by_category(
    new_SP: Float64[ndarray, "S P"], old_RP: Float64[ndarray, "R P"], category_P: Sequence[str]
) -> dict[str, Effect]:
    """Returns the difference in each category, in the order in which they first appear.

    Their p-values are a family: adjust them by `holm` before pointing at one.
    """
    named_P = np.array(category_P, dtype=str)
    return {
        name: difference(new_SP[:, named_P == name], old_RP[:, named_P == name], [name] * count)
        for name in dict.fromkeys(category_P)
        if (count := int((named_P == name).sum()))
    }


def doubling(
    scores: Sequence[Float64[ndarray, "_ P"]], size_L: Sequence[float], category_P: Sequence[str]
) -> Effect:
    """Returns what a doubling buys: the slope of the overall score over log2 of the size, by least squares.

        slope = sum_L w_L score_L,   w_L = (u_L - mean u) / sum (u - mean u)^2,   u = log2 size

    One score_SP per size (samples per prompt, training prompts, rounds), on the same prompts. The interval
    is that of the weighted sum. It does not ask whether a line fits; look at the points too.
    """
    if len(scores) != len(size_L):
        raise ValueError(f"{len(scores)} arms for {len(size_L)} sizes")
    if min(size_L, default=1) <= 0 or len(set(size_L)) < 2:
        raise ValueError(f"a slope needs two sizes above 0 that differ, got {list(size_L)}")
    u_L = np.log2(np.array(size_L, dtype=np.float64))
    centred_L = u_L - u_L.mean()
    return contrast(scores, (centred_L / (centred_L**2).sum()).tolist(), category_P)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns the p-values adjusted for making several claims, in the given order (Holm 1979).

        the i-th smallest of m becomes the largest of (m - j + 1) p_(j) over j <= i, at most 1.

    Whoever calls those below 0.05 true is wrong anywhere in the family with a chance of 5 % at most, however
    the tests depend on one another. NaN (no test could be made) stays NaN and is no member of the family.
    """
    known = [place for place, p in enumerate(p_values) if not math.isnan(p)]
    adjusted = [math.nan] * len(p_values)
    worst = 0.0
    for rank, place in enumerate(sorted(known, key=lambda place: p_values[place])):
        worst = max(worst, min((len(known) - rank) * p_values[place], 1.0))
        adjusted[place] = worst
    return adjusted
