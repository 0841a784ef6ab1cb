"""Best of n: which candidate a score chooses, and what its choice is worth. NumPy only.

Candidates lie side by side in the order in which they were drawn, so the first n are what drawing n gives.

Axes: P pictures to be made, G candidates for each, N how many of them are chosen from (1 to G).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One candidate for each picture."""

    index_P: Int64[ndarray, " P"]
    tied_P: Bool[ndarray, " P"]  # another candidate has the same score, and the first was taken
    blind_P: Bool[ndarray, " P"]  # no candidate has a score, and the first was taken


def choose(score_PG: Float64[ndarray, "P G"]) -> Choice:
    """Returns the candidate of highest score; a missing score (NaN) is lower than any."""
    rank_PG = np.where(np.isnan(score_PG), -np.inf, score_PG)
    index_P = rank_PG.argmax(axis=1)  # of equals the first
    blind_P = np.isneginf(rank_PG.max(axis=1))
    best_PG = rank_PG == rank_PG.max(axis=1, keepdims=True)
    return Choice(index_P=index_P, tied_P=(best_PG.sum(axis=1) > 1) & ~blind_P, blind_P=blind_P)


def taken(value_PG: Float64[ndarray, "P G"], choice: Choice) -> Float64[ndarray, " P"]:
    """Returns the value of each chosen candidate."""
    return np.take_along_axis(value_PG, choice.index_P[:, None], axis=1)[:, 0]


def expected_best(
    score_PG: Float64[ndarray, "P G"], value_PG: Float64[ndarray, "P G"]
) -> Float64[ndarray, "P N"]:
    """Returns the expected value of the choice from n of the G candidates, for n from 1 to G.

    The mean over all subsets of n: an unbiased estimate with less noise than the choice from the first n, as
    pass@k is estimated (Chen et al., arXiv:2107.03374, equation 1). A candidate with `a` better ones, one
    of `t` that tie, is chosen with probability

        (C(G-a, n) - C(G-a-t, n)) / (t C(G, n)),

    so ties count as broken at random, which they are where the order of drawing breaks them. Missing scores
    tie below all others. A picture with a candidate whose value is NaN is NaN.
    """
    rank_PG = np.where(np.isnan(score_PG), -np.inf, score_PG)
    size = rank_PG.shape[1]
    better_PG = (rank_PG[:, None, :] > rank_PG[:, :, None]).sum(axis=2)
    tied_PG = (rank_PG[:, None, :] == rank_PG[:, :, None]).sum(axis=2)
    # Share of the subsets of n without the `a` best: rows a from 0 to G, columns n from 1 to G.
    without_AN = np.array(
        [[math.comb(size - a, n) / math.comb(size, n) for n in range(1, size + 1)] for a in range(size + 1)]
    )
    chance_PGN = (without_AN[better_PG] - without_AN[better_PG + tied_PG]) / tied_PG[:, :, None]
    return np.einsum("pgn,pg->pn", chance_PGN, value_PG)


def sizes(most: int) -> tuple[int, ...]:
    """Returns 1, 2, 4, ... and `most`."""
    powers = [2**power for power in range(most.bit_length()) if 2**power < most]
    return (*powers, most)
