"""Do two numbers go together over a handful of points, such as judges: by choosing, and by training on them?

Three things are unsure: each point was measured with an error, the points are a sample of all that could have
been taken, and there are few. The interval honours the first two, `least_p` says the third: four points in
perfect order have a p-value of 2/24, so no four points can show a correlation at the usual level.

Axes: N points, D draws.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from tessera.statistics.intervals import LEVEL

DRAWS = 10_000
EXACT = 7  # points; 7! = 5,040 orders are all counted, of more points as many as DRAWS are drawn
# Variance of Fisher's z of Spearman's rank correlation, times N - 3 (Fieller, Hartley and Pearson 1957).
SPEARMAN_SPREAD = 1.06

Kind = Literal["pearson", "spearman"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Correlation:
    """How far two numbers go together; NaN means it could not be known."""

    kind: Kind
    value: float
    ci_low: float
    ci_high: float
    p_value: float  # two-sided: share of the orders of y that do as well
    least_p: float  # of any order of these points: above 0.05 the test cannot find anything
    points: int

    def to_json(self) -> dict[str, float | int | str | None]:
        """Returns plain data; NaN becomes null, as JSON has no NaN."""
        numbers = {
            "value": self.value,
            "ci_low": self.ci_low,
            "ci_high": self.ci_high,
            "p_value": self.p_value,
            "least_p": self.least_p,
        }
        known = {name: None if math.isnan(value) else value for name, value in numbers.items()}
        return {"kind": self.kind, **known, "points": self.points}


def correlate(
    x_N: Float64[ndarray, " N"],
    y_N: Float64[ndarray, " N"],
    x_error_N: Float64[ndarray, " N"],
    y_error_N: Float64[ndarray, " N"],
    kind: Kind = "spearman",
    seed: int = 0,
) -> Correlation:
    """Returns the correlation of two numbers known up to standard errors, independent of one another.

    **Interval.** Per draw, every point moves by a normal error of its own size and the correlation r is
    computed again; atanh(r), centred on that of the value, moves by Fisher's error of a sample of N points,
    sqrt(1 / (N - 3)) (1.06 / (N - 3) for ranks). The interval is the middle 95 % of tanh. At three points or
    fewer Fisher's error is infinite, and the interval is [-1, 1]. Errors pull the value itself towards 0, and
    nothing pushes it back. In simulation 95 % or more are covered at 4, 6 and 12 points whose errors are a
    fifth of their spread; where errors are half of it, 75 % of the studies with 12 points and r = .9.

    **p-value.** Share of the orders of y whose |r| is as large: exact up to seven points, else of so many
    drawn orders and the one at hand. Valid at any number of points.
    """
    count = len(x_N)
    nan = math.nan
    unknown = Correlation(
        kind=kind, value=nan, ci_low=nan, ci_high=nan, p_value=nan, least_p=nan, points=count
    )
    if count < 2 or np.isnan(x_N + y_N).any():
        return unknown
    prepare = _ranks if kind == "spearman" else _same
    one_N, two_N = prepare(x_N[None])[0], prepare(y_N[None])[0]
    value = float(_pearson(one_N[None], two_N[None])[0])
    if math.isnan(value):
        return unknown
    rng = np.random.default_rng(seed)
    low, high = -1.0, 1.0
    if count > 3:
        moved_x_DN = x_N + x_error_N * rng.standard_normal((DRAWS, count))
        moved_y_DN = y_N + y_error_N * rng.standard_normal((DRAWS, count))
        # Few points are often in perfect order, and atanh(1) is infinite. Ranks go half the way to the next
        # order's value, 1 - 12 / (N^3 - N).
        most = 1 - (6 / (count**3 - count) if kind == "spearman" else 1e-9)
        r_D = np.clip(_pearson(prepare(moved_x_DN), prepare(moved_y_DN)), -most, most)
        spread = math.sqrt((SPEARMAN_SPREAD if kind == "spearman" else 1.0) / (count - 3))
        z_D = np.arctanh(r_D[~np.isnan(r_D)])
        # Centred on the value: errors that are in it already would blur it a second time.
        z_D = math.atanh(min(max(value, -most), most)) + z_D - z_D.mean()
        z_D = z_D + spread * rng.standard_normal(len(z_D))
        low, high = (float(q) for q in np.tanh(np.quantile(z_D, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])))
    if count <= EXACT:
        orders_DN = np.array(list(itertools.permutations(range(count))))
    else:
        drawn_DN = rng.permuted(np.tile(np.arange(count), (DRAWS, 1)), axis=1)
        orders_DN = np.concatenate([np.arange(count)[None], drawn_DN])
    other_D = np.abs(_pearson(np.broadcast_to(one_N, orders_DN.shape), two_N[orders_DN]))
    return Correlation(
        kind=kind,
        value=value,
        ci_low=low,
        ci_high=high,
        p_value=float((other_D >= abs(value) - 1e-12).mean()),
        least_p=float((other_D >= other_D.max() - 1e-12).mean()),
        points=count,
    )


def _pearson(x_DN: Float64[ndarray, "D N"], y_DN: Float64[ndarray, "D N"]) -> Float64[ndarray, " D"]:
    """Returns the correlation of each row; NaN where one of the two does not vary."""
    x_DN = x_DN - x_DN.mean(axis=1, keepdims=True)
    y_DN = y_DN - y_DN.mean(axis=1, keepdims=True)
    scale_D = np.sqrt((x_DN**2).sum(axis=1) * (y_DN**2).sum(axis=1))
    shared_D = (x_DN * y_DN).sum(axis=1)
    return np.divide(shared_D, scale_D, out=np.full(len(scale_D), np.nan), where=scale_D > 0)


def _ranks(x_DN: Float64[ndarray, "D N"]) -> Float64[ndarray, "D N"]:
    """Returns the rank of each value in its row; equal values share their mean rank."""
    below_DN = (x_DN[:, None, :] < x_DN[:, :, None]).sum(axis=2)
    equal_DN = (x_DN[:, None, :] == x_DN[:, :, None]).sum(axis=2)
    return below_DN + (equal_DN + 1) / 2


def _same(x_DN: Float64[ndarray, "D N"]) -> Float64[ndarray, "D N"]:
    return x_DN
