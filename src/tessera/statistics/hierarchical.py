"""How sure a score is when training seeds and prompts are both samples: a crossed random-effects interval.

An arm is trained S times, each policy is measured on the same P prompts. Another seed would give another
policy, another benchmark other prompts, and a claim about the *way of training* has to survive both:

    score_SP = mean of the category + seed_S + prompt_P + the rest_SP.

Seeds may favour categories; prompts are strata within categories; the overall score is the unweighted mean of
the category means. All policies get the same prompts and the same sampling seeds, so what is common to them
(difficulty, luck of a draw) belongs to the prompt and leaves every difference.

**The variance** is estimated without a bootstrap: resampling three seeds gives ten distinct samples and 2/3
of the variance, and for crossed data no bootstrap is exact (McCullagh, Bernoulli 6, 2000; the product one of
Owen and Eckles, arXiv:1106.2125, errs upward). With Y_S the overall score of each seed, m_P the mean of each
prompt over seeds, and n_c prompts in each category c out of K:

    V_seed   = var_S(Y_S) / S                               estimates (seed + rest) / S
    V_prompt = sum_c var_P(m_P) / (n_c K^2)                 estimates prompt + rest / S
    V_rest   = sum_c var_SP(rest_SP) / (S n_c K^2)          counted in both
    V        = V_seed + max(V_prompt - V_rest, 0).

That is the analysis of several readers who see the same cases (Dorfman, Berbaum and Metz 1992; Hillis,
Statistics in Medicine 26, 2007), with training seeds as readers and prompts as cases. V_rest comes from the
two-way residuals within a category.

**The quantile** is Student's, at degrees of freedom from

    1/df = (V_seed / V) / df_seed + (1 - V_seed / V) / df_prompt:

Cochran's rule (Biometrics 20, 1964: weight the critical values by the shares of the variance) on 1/df, in
which the critical value is nearly linear. Satterthwaite's rule squares the shares; as the shares are
estimates themselves it covers 92 to 95 % at three seeds, this one 94 to 97. Two seeds are covered less (92
to 93 %, in the worst case 91), and their intervals are too wide to be of use.

Axes: S training seeds of one arm, P prompts, K categories, L arms of a contrast.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from tessera.statistics.intervals import LEVEL
from tessera.statistics.student import NORMAL, t_cdf, t_quantile


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """A score, a difference or a slope, with its interval. NaN means it could not be known."""

    value: float
    ci_low: float
    ci_high: float
    error: float  # standard error
    df: float  # degrees of freedom of the interval
    seed_share: float  # of the variance: what more seeds would lower; the rest, more prompts
    prompts: int  # graded for every policy concerned
    dropped: int  # prompts without a grade for at least one
    seeds: tuple[int, ...]  # training seeds of each arm

    @property
    def counts_seeds(self) -> bool:
        """Whether the interval holds for other training seeds; if not, for these very policies alone."""
        return max(self.seeds) > 1

    def p_value(self, null: float = 0.0) -> float:
        """Returns the two-sided p-value: the smallest 1 - level at which the interval leaves out `null`."""
        if math.isnan(self.error):
            return math.nan
        return 2 * t_cdf(-abs(self.value - null) / self.error, self.df)

    def to_json(self) -> dict[str, float | int | bool | list[int] | None]:
        """Returns plain data; NaN becomes null, as JSON has no NaN."""
        numbers = {
            "value": self.value,
            "ci_low": self.ci_low,
            "ci_high": self.ci_high,
            "error": self.error,
            "df": self.df,
            "seed_share": self.seed_share,
        }
        return {
            **{name: None if math.isnan(value) else value for name, value in numbers.items()},
            "prompts": self.prompts,
            "dropped": self.dropped,
            "seeds": list(self.seeds),
            "counts_seeds": self.counts_seeds,
        }


def arm_score(score_SP: Float64[ndarray, "S P"], category_P: Sequence[str], level: float = LEVEL) -> Effect:
    """Returns the overall score of one arm; scores lie in [0, 1], and so does the interval.

    With one seed the interval is over prompts alone (`counts_seeds` is False).
    """
    effect = contrast([score_SP], [1.0], category_P, level)
    low, high = np.clip([effect.ci_low, effect.ci_high], 0.0, 1.0).tolist()  # NaN stays NaN
    return replace(effect, ci_low=low, ci_high=high)


def contrast(
    scores: Sequence[Float64[ndarray, "_ P"]],
    weights: Sequence[float],
    category_P: Sequence[str],
    level: float = LEVEL,
) -> Effect:
    """Returns sum over arms of weight * overall score, each arm with its own training seeds.

    `scores` holds one score_SP per arm, on the same prompts: means over the prompt's pictures in [0, 1], NaN
    where none was graded. A prompt that lacks one policy's score leaves all of them, so that differences stay
    paired. An arm of one row adds no variance of seeds: right for a base, which has none; for a trained arm
    the claim is then about that one policy. Seeds of different arms are taken as independent.

    A category without a graded prompt, or with one alone, makes the effect NaN. A category in which nothing
    varies over prompts (all solved, or no difference anywhere) would look certain: it gets the standard error
    z / (n + z^2) of Wilson's interval at 0 of n, times the largest weight.
    """
    if len(scores) != len(weights) or not scores:
        raise ValueError(f"{len(scores)} arms for {len(weights)} weights")
    if len(category_P) != scores[0].shape[1]:
        raise ValueError(f"{len(category_P)} categories for {scores[0].shape[1]} prompts")
    known_P = ~np.isnan(np.concatenate(scores).sum(axis=0))
    names = {name: row for row, name in enumerate(dict.fromkeys(category_P))}
    index_P = np.array([names[name] for name in category_P], dtype=np.int64)[known_P]
    count_K = np.bincount(index_P, minlength=len(names))
    seeds = tuple(len(score_SP) for score_SP in scores)
    prompts = int(known_P.sum())
    dropped = len(category_P) - prompts
    if len(names) == 0 or count_K.min() < 2:
        nan = math.nan
        return Effect(
            value=nan,
            ci_low=nan,
            ci_high=nan,
            error=nan,
            df=nan,
            seed_share=nan,
            prompts=prompts,
            dropped=dropped,
            seeds=seeds,
        )
    categories = len(names)
    value, rest = 0.0, 0.0
    mean_P = np.zeros(prompts)
    seed_terms: list[tuple[float, int]] = []
    for score_SP, weight in zip(scores, weights, strict=True):
        arm_SP = score_SP[:, known_P]
        seed_SK = _category_means(arm_SP, index_P, count_K)
        each_S = seed_SK.mean(axis=1)
        value += weight * float(each_S.mean())
        mean_P += weight * arm_SP.mean(axis=0)
        if len(arm_SP) > 1:
            count = len(arm_SP)
            seed_terms.append((weight**2 * float(each_S.var(ddof=1)) / count, count - 1))
            residual_SP = arm_SP - arm_SP.mean(axis=0) - seed_SK[:, index_P] + seed_SK.mean(axis=0)[index_P]
            square_K = np.bincount(index_P, weights=(residual_SP**2).sum(axis=0), minlength=categories)
            rest_K = square_K / ((count - 1) * (count_K - 1))
            rest += weight**2 * float((rest_K / count_K).sum()) / (count * categories**2)
    centred_P = mean_P - _category_means(mean_P[None], index_P, count_K)[0, index_P]
    variance_K = np.bincount(index_P, weights=centred_P**2, minlength=categories) / (count_K - 1)
    z = NORMAL.inv_cdf((1 + level) / 2)
    floor_K = (max(abs(weight) for weight in weights) * z / (count_K + z * z)) ** 2
    # Equal prompts differ by rounding once weights have touched them.
    error_K = np.where(variance_K > 1e-20, variance_K / count_K, floor_K) / categories**2
    over_prompts = max(float(error_K.sum()) - rest, 0.0)
    over_seeds = sum(term for term, _ in seed_terms)
    variance = over_seeds + over_prompts
    share = over_seeds / variance if variance > 0 else 0.0
    df_prompt = float(error_K.sum()) ** 2 / float((error_K**2 / (count_K - 1)).sum())
    inverse = (1 - share) / df_prompt
    if over_seeds > 0:
        # Among seeds of several arms, Welch's rule.
        inverse += share * sum(term**2 / free for term, free in seed_terms) / over_seeds**2
    df, error = 1 / inverse, math.sqrt(variance)
    reach = t_quantile((1 + level) / 2, df) * error
    return Effect(
        value=value,
        ci_low=value - reach,
        ci_high=value + reach,
        error=error,
        df=df,
        seed_share=share,
        prompts=prompts,
        dropped=dropped,
        seeds=seeds,
    )


def _category_means(
    score_SP: Float64[ndarray, "S P"], index_P: Int64[ndarray, " P"], count_K: Int64[ndarray, " K"]
) -> Float64[ndarray, "S K"]:
    """Returns the mean of each category for each seed."""
    return np.stack([np.bincount(index_P, weights=row_P, minlength=len(count_K)) for row_P in score_SP]) / (
        count_K
    )
