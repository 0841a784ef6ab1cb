"""How sure a mean is: intervals for shares and scores measured on a sample of prompts. NumPy only.

The unit of resampling is the prompt. Several pictures of one prompt share its difficulty, so they are one
cluster and enter as one number, their mean; resampling single pictures would make intervals too narrow.

Axes: B graded pictures, P prompts, R bootstrap resamples.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

# Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 14.2: percentile intervals want 1,000
# resamples or more. With 2,000 the 2.5 % point lies between the 50th and 51st value.
RESAMPLES = 2_000
LEVEL = 0.95
DRAWN = 1 << 21  # prompts drawn at once, 16 bytes each: all resamples of many prompts do not fit into memory


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval; `n` is the number of prompts it rests on. NaN means it could not be known."""

    mean: float
    ci_low: float
    ci_high: float
    n: int

    def to_json(self) -> dict[str, float | int | None]:
        """Returns plain data; NaN becomes null, as JSON has no NaN."""
        mean, low, high = (None if math.isnan(v) else v for v in (self.mean, self.ci_low, self.ci_high))
        return {"mean": mean, "ci_low": low, "ci_high": high, "n": self.n}

    @staticmethod
    def from_json(row: Mapping[str, Any]) -> "Estimate":
        """Returns the estimate that `to_json` wrote."""
        mean, low, high = (
            math.nan if row[k] is None else float(row[k]) for k in ("mean", "ci_low", "ci_high")
        )
        return Estimate(mean, low, high, row["n"])


def prompt_means(prompt_ids: Sequence[str], values: Sequence[float]) -> Float64[ndarray, " P"]:
    """Returns the mean value of each prompt, in the order in which the prompts first appear.

    NaN values (could not be graded) leave their prompt's mean; a prompt with nothing else is NaN itself.
    """
    if len(prompt_ids) != len(values):
        raise ValueError(f"{len(prompt_ids)} prompt ids for {len(values)} values")
    rows: dict[str, int] = {}
    row_B = np.array([rows.setdefault(name, len(rows)) for name in prompt_ids], dtype=np.int64)
    value_B = np.array(values, dtype=np.float64)
    graded_B = ~np.isnan(value_B)
    sum_P = np.bincount(row_B, weights=np.where(graded_B, value_B, 0.0), minlength=len(rows))
    count_P = np.bincount(row_B, weights=graded_B, minlength=len(rows))
    return np.divide(sum_P, count_P, out=np.full(len(rows), np.nan), where=count_P > 0)


def estimate(
    means_P: Float64[ndarray, " P"],
    seed: int | np.random.Generator = 0,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Estimate:
    """Returns the mean over prompts with its interval; it is `overall_estimate` of one category."""
    return overall_estimate([means_P], seed, resamples=resamples, level=level)


def overall_estimate(
    categories: Sequence[Float64[ndarray, " _"]],
    seed: int | np.random.Generator = 0,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Estimate:
    """Returns the unweighted mean of the category means, as in GenEval, with its interval.

    Each category is the array of its prompts' means; NaN prompts leave the sample.

    **Bootstrap.** Per resample, each category's prompts are drawn again with replacement, as many as there
    are (strata are kept), and the overall mean is computed; the interval runs from the (1-level)/2 to the
    (1+level)/2 quantile of these means (percentile bootstrap; Efron and Tibshirani 1993, chapter 13).

    **Where it collapses.** A category whose prompts all have the same value resamples to that value for
    ever: its interval would have no width, at 20 of 20 right as at 1,000 of 1,000. Such a category gets the
    Wilson interval on its number of prompts (`wilson`), and its deviations join those of the bootstrapped
    rest in squares, weighted by its share w = 1/K of the overall mean (the MOVER rule; Zou and Donner,
    Statistics in Medicine 27, 2008):

        low = mean - sqrt((mean - low_rest)^2 + sum_c w^2 (mean_c - low_c)^2),  high likewise.

    Without a collapsed category that is the bootstrap, with nothing else it is Wilson combined. Values
    outside [0, 1] have no such rule: a collapsed category of them has the interval NaN.

    **Nothing to measure.** A category without a graded prompt makes the overall NaN: a mean over fewer
    categories would be another quantity under the same name.

    Coverage falls short where prompts are few or nearly all alike, as the percentile bootstrap's does: in
    simulation (4 pictures each) 94 % at 40 prompts whose chances are Beta(2, 2), 92 % at 10, and 89 % at 50
    prompts whose chances are Beta(3, 0.1), where nearly every picture is right.
    """
    rng = np.random.default_rng(seed)
    graded = [means_P[~np.isnan(means_P)] for means_P in categories]
    n = sum(len(means_P) for means_P in graded)
    if not graded or any(len(means_P) == 0 for means_P in graded):
        return Estimate(math.nan, math.nan, math.nan, n)
    share = 1 / len(graded)
    mean = share * sum(float(means_P.mean()) for means_P in graded)
    rest_R = np.zeros(resamples)  # the bootstrapped categories' part of the overall mean
    rest = below = above = 0.0
    for means_P in graded:
        if means_P.min() < means_P.max():
            rest_R += share * _resampled_means(means_P, rng, resamples)
            rest += share * float(means_P.mean())
        else:
            value = float(means_P[0])
            low, high = wilson(value, len(means_P), level)
            below += (share * (value - low)) ** 2
            above += (share * (high - value)) ** 2
    low_rest, high_rest = (float(q) for q in np.quantile(rest_R, [(1 - level) / 2, (1 + level) / 2]))
    if below == above == 0.0:
        return Estimate(mean, low_rest, high_rest, n)
    low = mean - math.sqrt((rest - low_rest) ** 2 + below)
    high = mean + math.sqrt((high_rest - rest) ** 2 + above)
    return Estimate(mean, low, high, n)


def wilson(mean: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Returns the Wilson score interval of a share on n prompts; NaN for a mean outside [0, 1].

        (p + z^2/2n ± z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)

    Wilson, JASA 22 (1927); Brown, Cai and DasGupta, Statistical Science 16 (2001), recommend it for small n
    and for shares near 0 and 1. It is made for values that are 0 or 1; values in between with the same mean
    vary less (at most p(1-p)), so for them it is wider than needed, never narrower.
    """
    if not 0 <= mean <= 1:
        return math.nan, math.nan
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = mean + z * z / (2 * n)
    reach = z * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # The mean is always inside; rounding would leave it out at 0 and 1.
    return min((centre - reach) / scale, mean), max((centre + reach) / scale, mean)


def _resampled_means(
    means_P: Float64[ndarray, " P"], rng: np.random.Generator, resamples: int
) -> Float64[ndarray, " R"]:
    """Returns the means of so many resamples of the prompts, some of them at a time."""
    step = max(1, DRAWN // len(means_P))
    parts = []
    for first in range(0, resamples, step):
        drawn_RP = rng.integers(len(means_P), size=(min(step, resamples - first), len(means_P)))
        parts.append(means_P[drawn_RP].mean(axis=1))
    return np.concatenate(parts)


def mean_estimate(categories: Sequence[Float64[ndarray, " _"]], *, level: float = LEVEL) -> Estimate:
    """Returns the mean over categories of the mean of their prompts' values, with a normal interval.

    For what is no share: changes of the same prompts, scores in a unit of their own. NaN values leave; a
    category without any makes the mean unknown, one of fewer than two the interval.
    """
    known = [value_P[~np.isnan(value_P)] for value_P in categories]
    n = sum(len(value_P) for value_P in known)
    if not known or not all(len(value_P) for value_P in known):
        return Estimate(math.nan, math.nan, math.nan, n)
    mean = float(np.mean([value_P.mean() for value_P in known]))
    if min(len(value_P) for value_P in known) < 2:
        return Estimate(mean, math.nan, math.nan, n)
    error = math.sqrt(sum(value_P.var(ddof=1) / len(value_P) for value_P in known)) / len(known)
    reach = NormalDist().inv_cdf((1 + level) / 2) * error
    return Estimate(mean, mean - reach, mean + reach, n)
