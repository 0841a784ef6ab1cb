"""How far a score agrees with the truth, and with another score. NumPy only.

Missing scores are NaN: they leave every number here, and whoever asks counts them.

Axes: P prompts, G pictures of each, B pictures, R bootstrap resamples.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from tessera.statistics.intervals import LEVEL, RESAMPLES, Estimate, wilson

BINS = 10  # of the reliability curve, equally wide
NEWTON_STEPS = 50  # of the logistic fit; a handful suffices


def auc(score_PG: Float64[ndarray, "P G"], right_PG: Bool[ndarray, "P G"], seed: int = 0) -> Estimate:
    """Returns how often a right picture has the higher score of a right and a wrong one; a tie counts half.

    Pictures of all prompts are compared. The interval is a percentile bootstrap over prompts; where it has no
    width, Wilson's on the number of prompts. NaN where all pictures are right or none is.
    """
    known_B = ~np.isnan(score_PG.ravel())
    prompts = score_PG.shape[0]
    order_B = np.argsort(score_PG.ravel()[known_B], kind="stable")
    score_B = score_PG.ravel()[known_B][order_B]
    right_B = right_PG.ravel()[known_B][order_B].astype(np.float64)
    row_B = np.repeat(np.arange(prompts), score_PG.shape[1])[known_B][order_B]
    starts = np.flatnonzero(np.diff(score_B, prepend=np.nan) != 0)  # where a new value begins
    mean = _auc(right_B, 1 - right_B, starts)
    if math.isnan(mean):
        return Estimate(math.nan, math.nan, math.nan, prompts)
    rng = np.random.default_rng(seed)
    drawn_R = np.empty(RESAMPLES)
    for resample in range(RESAMPLES):
        weight_B = np.bincount(rng.integers(prompts, size=prompts), minlength=prompts)[row_B]
        drawn_R[resample] = _auc(weight_B * right_B, weight_B * (1 - right_B), starts)
    drawn_R = drawn_R[~np.isnan(drawn_R)]  # resamples without a right or without a wrong picture
    low, high = (float(q) for q in np.quantile(drawn_R, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    if low == high:
        low, high = wilson(mean, prompts)
    return Estimate(mean, low, high, prompts)


def _auc(right_B: Float64[ndarray, " B"], wrong_B: Float64[ndarray, " B"], starts: ndarray) -> float:
    """Returns the AUC of weighted pictures in order of score; equal scores begin at `starts`."""
    if right_B.sum() == 0 or wrong_B.sum() == 0:
        return math.nan
    right_K, wrong_K = np.add.reduceat(right_B, starts), np.add.reduceat(wrong_B, starts)
    below_K = np.cumsum(wrong_K) - wrong_K
    return float((right_K * (below_K + wrong_K / 2)).sum() / (right_K.sum() * wrong_K.sum()))


def balancing_threshold(score_B: Float64[ndarray, " B"], right_B: Bool[ndarray, " B"]) -> float:
    """Returns the threshold at which as many pictures are called right (score >= it) as are right."""
    known_B = ~np.isnan(score_B)
    falling_B = np.sort(score_B[known_B])[::-1]
    rights = int(right_B[known_B].sum())
    if rights == 0:
        return math.inf
    if rights == len(falling_B):
        return -math.inf
    return float((falling_B[rights - 1] + falling_B[rights]) / 2)


def fit_logistic(score_B: Float64[ndarray, " B"], right_B: Bool[ndarray, " B"]) -> tuple[float, float]:
    """Returns (slope, intercept) of p(right) = 1 / (1 + exp(-(slope score + intercept))), fitted by Newton.

    Targets are Platt's (1999), (n+ + 1)/(n+ + 2) and 1/(n- + 2), so that a score that separates all right
    pictures from all wrong ones has a finite slope.
    """
    known_B = ~np.isnan(score_B)
    if not known_B.any():
        return 0.0, 0.0
    value_B, rights = score_B[known_B], int(right_B[known_B].sum())
    wrongs = len(value_B) - rights
    target_B = np.where(right_B[known_B], (rights + 1) / (rights + 2), 1 / (wrongs + 2))
    centre, scale = float(value_B.mean()), float(value_B.std())
    if scale == 0.0:
        share = float(target_B.mean())
        return 0.0, math.log(share / (1 - share))
    design_BK = np.stack([(value_B - centre) / scale, np.ones_like(value_B)], axis=1)
    weight_K = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        p_B = sigmoid(design_BK @ weight_K)
        gradient_K = design_BK.T @ (p_B - target_B)
        hessian_KK = (design_BK * (p_B * (1 - p_B))[:, None]).T @ design_BK + 1e-9 * np.eye(2)
        step_K = np.linalg.solve(hessian_KK, gradient_K)
        # Where the curve is flat a whole Newton step overshoots: halve it until the loss falls.
        loss = _log_loss(design_BK @ weight_K, target_B)
        while _log_loss(design_BK @ (weight_K - step_K), target_B) > loss and np.abs(step_K).max() > 1e-10:
            step_K = step_K / 2
        weight_K = weight_K - step_K
        if np.abs(step_K).max() < 1e-10:
            break
    slope = float(weight_K[0]) / scale
    return slope, float(weight_K[1]) - slope * centre


def sigmoid(x_B: Float64[ndarray, " B"]) -> Float64[ndarray, " B"]:
    """Returns 1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x_B))


def _log_loss(x_B: Float64[ndarray, " B"], target_B: Float64[ndarray, " B"]) -> float:
    return float((np.logaddexp(0.0, x_B) - target_B * x_B).sum())


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """Pictures of about the same predicted chance to be right."""

    predicted: float  # mean
    right: float  # share
    count: int


def reliability(p_B: Float64[ndarray, " B"], right_B: Bool[ndarray, " B"]) -> tuple[list[Bin], float]:
    """Returns the bins that hold pictures, and the expected calibration error.

        ECE = sum over bins of count / B * |share of right - mean prediction|

    as Guo et al. (arXiv:1706.04599, equation 3), with bins of equal width.
    """
    known_B = ~np.isnan(p_B)
    p_B, right_B = p_B[known_B], right_B[known_B]
    bin_B = np.minimum((p_B * BINS).astype(np.int64), BINS - 1)
    bins = [
        Bin(predicted=float(p_B[mine].mean()), right=float(right_B[mine].mean()), count=int(mine.sum()))
        for mine in (bin_B == number for number in range(BINS))
        if mine.any()
    ]
    if not bins:
        return [], math.nan
    return bins, sum(each.count * abs(each.right - each.predicted) for each in bins) / len(p_B)


def pair_accuracy(
    score_PG: Float64[ndarray, "P G"], truth_PG: Float64[ndarray, "P G"]
) -> Float64[ndarray, " P"]:
    """Returns, per prompt, in what share of pairs that differ in truth the better one scores higher.

    Equal scores count half. NaN for a prompt without such a pair.
    """
    score_PGG = np.sign(score_PG[:, :, None] - score_PG[:, None, :])
    counted_PGG = (truth_PG[:, :, None] > truth_PG[:, None, :]) & ~np.isnan(score_PGG)
    won_P = np.where(counted_PGG, (np.nan_to_num(score_PGG) + 1) / 2, 0.0).sum(axis=(1, 2))
    count_P = counted_PGG.sum(axis=(1, 2))
    return np.divide(won_P, count_P, out=np.full(len(count_P), np.nan), where=count_P > 0)


def tau_b(one_PG: Float64[ndarray, "P G"], two_PG: Float64[ndarray, "P G"]) -> Float64[ndarray, " P"]:
    """Returns Kendall's tau-b of two scores within each prompt; NaN where one of them ties everywhere.

    tau-b = (concordant - discordant) / sqrt(pairs not tied in one * pairs not tied in the other)
    """
    one_PGG = np.sign(one_PG[:, :, None] - one_PG[:, None, :])
    two_PGG = np.sign(two_PG[:, :, None] - two_PG[:, None, :])
    known_PGG = ~np.isnan(one_PGG) & ~np.isnan(two_PGG)
    one_PGG, two_PGG = np.where(known_PGG, one_PGG, 0.0), np.where(known_PGG, two_PGG, 0.0)
    agreed_P = (one_PGG * two_PGG).sum(axis=(1, 2))
    untied_P = np.sqrt(np.abs(one_PGG).sum(axis=(1, 2)) * np.abs(two_PGG).sum(axis=(1, 2)))
    return np.divide(agreed_P, untied_P, out=np.full(len(agreed_P), np.nan), where=untied_P > 0)
