"""Student's t without SciPy: its distribution and its quantile.

SciPy is no dependency of the package; the unit tests compare these with it.
"""

import math
from statistics import NormalDist

NORMAL = NormalDist()
# Above, the normal distribution stands in: at 10^5 degrees of freedom its 97.5 % point differs by 2e-5.
NORMAL_FROM = 1e5


def t_cdf(t: float, df: float) -> float:
    """Returns P(T <= t) of Student's t with `df` degrees of freedom, which need not be whole."""
    if df > NORMAL_FROM:
        return NORMAL.cdf(t)
    tail = 0.5 * _beta_inc(df / 2, 0.5, df / (df + t * t))
    return 1 - tail if t > 0 else tail


def t_quantile(p: float, df: float) -> float:
    """Returns the point that T stays below with probability `p`, for p from 1/2 on."""
    if not 0.5 <= p < 1:
        raise ValueError(f"p must lie in [0.5, 1), got {p}; the lower half is the upper one mirrored")
    # The CDF is concave above 0 and the normal point lies left of the root: Newton climbs and never passes.
    t = NORMAL.inv_cdf(p)
    if df > NORMAL_FROM:
        return t
    scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    for _ in range(200):
        step = (p - t_cdf(t, df)) / math.exp(scale - (df + 1) / 2 * math.log1p(t * t / df))
        t += step
        if step < 1e-10 * max(t, 1.0):
            break
    return t


def _beta_inc(a: float, b: float, x: float) -> float:
    """Returns the regularised incomplete beta function (Abramowitz and Stegun 26.5.8; Lentz's method)."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_inc(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 1000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + numerator * d)
            c = 1 + numerator / c
            value *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return front * value / a
