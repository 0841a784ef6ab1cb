"""Before measuring: how many prompts, pictures and training seeds show a difference of a given size.

The variance of a difference between two arms, trained S times each and measured with n pictures of P prompts:

    V = prompt / P + sum over arms of (seed + (interaction + picture / n) / P) / S

    prompt        one prompt suits one arm more than another prompt does, whatever the seed
    seed          training seeds differ in their overall score
    interaction   one training seed does better on one prompt than on another
    picture       two pictures of one prompt differ: p (1 - p) where scores are 0 and 1

as in hierarchical.py, whose test this predicts. What prompts have in common for both arms, their difficulty,
is in none of them: that is what pairing buys. More prompts never lower `seed / S`.

Axes: S and R training seeds of two arms, P prompts, G pictures of each, D draws, A arms with seeds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from tessera.statistics.intervals import LEVEL
from tessera.statistics.student import NORMAL, t_quantile

MOST_PROMPTS = 100_000  # nobody grades more; a difference that needs them is out of reach
DRAWS = 2_000  # power to half a percent
LEAST_PROMPTS = 10  # below, intervals over prompts do not hold


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """Variances of one arm, in squared units of the score. A fixed one is measured once: it has no seeds."""

    seed: float
    interaction: float
    picture: float
    fixed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Components:
    """Variances of a difference between two arms."""

    prompt: float
    new: Arm
    old: Arm


# Strict accuracy on the embedded world: three seeds each of mosaic-grpo and mosaic-dpo and the base, two
# pictures of 360 prompts in and 293 out of domain. Pictures: .17 and .11. Interactions: 0 to .012. Prompts: 0
# to .02. Seeds: 0 to .0002, a standard deviation of 1.5 points; DPO with conditional log-probs has 4 to 6.
TYPICAL_ARM = Arm(seed=0.0002, interaction=0.005, picture=0.15)
TYPICAL = Components(prompt=0.01, new=TYPICAL_ARM, old=TYPICAL_ARM)


def power(components: Components, difference: float, *, prompts: int, pictures: int, seeds: int) -> float:
    """Returns how often a study of this size finds a true difference at level 0.05, two-sided.

    With one seed the claim is about these very policies, and the variance of seeds is not in it. With more,
    the test estimates it from so few seeds that power depends on luck: it is a mean over draws of these
    estimates (chi-square), of the probability that the difference exceeds its bound.
    """
    over_prompts = components.prompt / prompts
    terms: list[float] = []
    for arm in (components.new, components.old):
        noise = (arm.interaction + arm.picture / pictures) / prompts
        if arm.fixed or seeds == 1:
            over_prompts += noise
        else:
            terms.append((arm.seed + noise) / seeds)
    truth = over_prompts + sum(terms)
    if truth == 0:
        raise ValueError("nothing varies: every difference is found")
    estimate_D = np.full(1, over_prompts)
    inverse_df_D = np.full(1, 1 / (prompts - 1))
    if terms:
        rng = np.random.default_rng(0)  # the same draws for every size: power rises smoothly with it
        free = seeds - 1
        term_DA = np.array(terms) * rng.chisquare(free, (DRAWS, len(terms))) / free
        seeds_D = term_DA.sum(axis=1)
        estimate_D = over_prompts + seeds_D
        among_D = (term_DA**2).sum(axis=1) / free / seeds_D  # Welch's 1/df, times the variance
        inverse_df_D = (over_prompts / (prompts - 1) + among_D) / estimate_D
    bound_D = np.interp(inverse_df_D, *_quantiles()) * np.sqrt(estimate_D)
    ups, downs = ((shift - bound_D) / math.sqrt(truth) for shift in (abs(difference), -abs(difference)))
    return sum(NORMAL.cdf(up) + NORMAL.cdf(down) for up, down in zip(ups, downs, strict=True)) / len(ups)


@cache
def _quantiles() -> tuple[list[float], list[float]]:
    """Returns 1/df and Student's bound there, to read between: it is nearly linear in 1/df."""
    inverses = np.linspace(1e-4, 1.0, 400).tolist()
    return inverses, [t_quantile((1 + LEVEL) / 2, 1 / each) for each in inverses]


def prompts_needed(
    components: Components, difference: float, *, wanted: float, pictures: int, seeds: int
) -> int | None:
    """Returns the fewest prompts that reach the wanted power; None where no number of them does."""

    def enough(prompts: int) -> bool:
        return power(components, difference, prompts=prompts, pictures=pictures, seeds=seeds) >= wanted

    low, high = LEAST_PROMPTS, MOST_PROMPTS
    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def smallest_difference(
    components: Components, *, wanted: float, prompts: int, pictures: int, seeds: int
) -> float | None:
    """Returns the smallest difference found with the wanted power; None where it would exceed 1."""
    low, high = 0.0, 1.0
    if power(components, high, prompts=prompts, pictures=pictures, seeds=seeds) < wanted:
        return None
    while high - low > 1e-5:
        middle = (low + high) / 2
        found = power(components, middle, prompts=prompts, pictures=pictures, seeds=seeds) >= wanted
        low, high = (low, middle) if found else (middle, high)
    return high


def arm_from(score_SPG: Float64[ndarray, "S P G"], category_P: Sequence[str]) -> Arm:
    """Returns the variances of an arm, from two seeds and two pictures of each prompt at least; none missing.

    Mean squares of the crossed design, each less what it has of the ones below it, means over categories; a
    negative one is 0. What all seeds share of a picture's luck counts as `picture`.
    """
    seeds, prompts, pictures = score_SPG.shape
    if seeds < 2 or pictures < 2:
        raise ValueError(f"two seeds and two pictures tell variances apart, got {seeds} and {pictures}")
    picture = picture_variance(score_SPG, category_P)
    mean_SP = score_SPG.mean(axis=2)
    named_P = np.array(category_P, dtype=str)
    blocks = [mean_SP[:, named_P == name] for name in dict.fromkeys(category_P)]
    rests = []
    for block_SP in blocks:
        residual_SP = (
            block_SP - block_SP.mean(axis=0) - block_SP.mean(axis=1, keepdims=True) + block_SP.mean()
        )
        rests.append(float((residual_SP**2).sum()) / ((seeds - 1) * (block_SP.shape[1] - 1)))
    rest = float(np.mean(rests))
    overall_S = np.mean([block_SP.mean(axis=1) for block_SP in blocks], axis=0)
    return Arm(
        seed=max(float(overall_S.var(ddof=1)) - rest / prompts, 0.0),
        interaction=max(rest - picture / pictures, 0.0),
        picture=picture,
    )


def picture_variance(score_SPG: Float64[ndarray, "S P G"], category_P: Sequence[str]) -> float:
    """Returns the variance among pictures of one prompt and policy, the mean over categories."""
    within_P = score_SPG.var(axis=2, ddof=1).mean(axis=0)
    named_P = np.array(category_P, dtype=str)
    return float(np.mean([within_P[named_P == name].mean() for name in dict.fromkeys(category_P)]))


def prompt_variance(
    new_SPG: Float64[ndarray, "S P G"],
    old_RPG: Float64[ndarray, "R P G"],
    new: Arm,
    old: Arm,
    category_P: Sequence[str],
) -> float:
    """Returns the variance of the true difference over prompts: what pictures and seeds leave unexplained."""
    named_P = np.array(category_P, dtype=str)
    difference_P = new_SPG.mean(axis=(0, 2)) - old_RPG.mean(axis=(0, 2))
    total = float(np.mean([difference_P[named_P == name].var(ddof=1) for name in dict.fromkeys(category_P)]))
    for score_SPG, arm in ((new_SPG, new), (old_RPG, old)):
        seeds, _, pictures = score_SPG.shape
        total -= (arm.interaction + arm.picture / pictures) / seeds
    return max(total, 0.0)
