"""Scores of arms and contrasts between them, over prompts and training seeds, from a study's evaluations.

Every policy was measured on the same prompts with the same sampling seeds, so contrasts are paired. The
method is that of `statistics.hierarchical`: training seeds are a random effect.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tessera.report.numbers import plural
from tessera.report.study.budget import UNIT_COSTS, match_unit
from tessera.report.study.names import COST_NAMES, cost_text
from tessera.report.study.read import Study
from tessera.report.study.rows import OVERALL, Arm
from tessera.statistics.crossed import Score, picture_means
from tessera.statistics.hierarchical import Effect, arm_score, contrast
from tessera.statistics.intervals import Estimate

# At these entries of the ledger two arms are compared; the others follow from them.
MATCHED_BY = ("images", "gradient_steps", "tokens_trained", "kl")
# Two KLs that differ by no more than this factor count as equal. A choice of ours: over a run KL varies more.
SAME_KL = 1.25

Term = tuple[Arm, float]  # an arm and its weight


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """One entry of the ledger for two arms, and by what factor the second differs."""

    name: str
    first: str
    second: str
    factor: str  # empty where they are equal, or where one is not known


def level(
    study: Study, arm: Arm, benchmark: str, category: str = OVERALL, score: Score = "strict"
) -> Estimate:
    """Returns the arm's score: the mean of the results, the interval over prompts and training seeds.

    Of one seed it is the row of the results, whose interval is over prompts. Without the evaluation folders
    several seeds have no interval.
    """
    rows = study.find(arm, benchmark, category, score)
    if len(rows) == 1:
        return rows[0].estimate
    mean = study.mean(arm, benchmark, category, score)
    crossed = study.crossed([arm], benchmark, score)
    if crossed is None or not rows:
        return Estimate(mean, math.nan, math.nan, rows[0].estimate.n if rows else 0)
    kept_P = np.array([_is(name, category) for name in crossed.category_P])
    names = [name for name in crossed.category_P if _is(name, category)]
    effect = arm_score(picture_means(crossed.score_SPG)[:, kept_P], names)
    return Estimate(mean, effect.ci_low, effect.ci_high, effect.prompts)


def compare(
    study: Study, terms: Sequence[Term], benchmark: str, score: Score = "strict", category: str = OVERALL
) -> Effect | None:
    """Returns the weighted sum of the arms' scores on their common prompts; None where it cannot be known."""
    arms = [arm for arm, _ in terms]
    crossed = study.crossed(arms, benchmark, score)
    if crossed is None:
        return None
    kept_P = np.array([_is(name, category) for name in crossed.category_P])
    ends = np.cumsum([len(study.cells_of(arm)) for arm in arms])[:-1]
    scores = np.split(picture_means(crossed.score_SPG)[:, kept_P], ends)
    names = [name for name in crossed.category_P if _is(name, category)]
    effect = contrast(scores, [weight for _, weight in terms], names)
    return None if math.isnan(effect.value) else effect


def difference(study: Study, one: Arm, other: Arm, benchmark: str) -> Effect | None:
    """Returns how much higher `one` scores than `other` (strict, overall)."""
    return compare(study, [(one, 1.0), (other, -1.0)], benchmark)


def doubling_terms(arms: Sequence[Arm], places: Sequence[float]) -> list[Term]:
    """Returns the contrast that is the slope over log2 of the arms' places on a scaling axis."""
    log2 = [math.log2(place) for place in places]
    mean = sum(log2) / len(log2)
    square = sum((each - mean) ** 2 for each in log2)
    return [(arm, (each - mean) / square) for arm, each in zip(arms, log2, strict=True)]


def matching(study: Study, one: Arm, other: Arm) -> tuple[Match, ...]:
    """Returns by how much two arms differ in what they were given, and in how far they moved."""
    first, second = study.cost(one), study.cost(other)
    names = dict.fromkeys((UNIT_COSTS[match_unit(study)], *MATCHED_BY))
    return tuple(
        Match(
            name=COST_NAMES[name],
            first=_known(name, first[name]),
            second=_known(name, second[name]),
            factor=_factor(first[name], second[name]),
        )
        for name in names
    )


def same_kl(study: Study, one: Arm, other: Arm) -> bool:
    """Returns whether both arms ended at about the same KL to the base; False where one is not known."""
    first, second = study.cost(one)["kl"], study.cost(other)["kl"]
    return min(first, second) > 0 and max(first, second) <= SAME_KL * min(first, second)


def rests_on(effect: Effect, with_base: bool) -> str:
    """Returns how many seeds and prompts an effect rests on; a base, the last arm, has no training seeds."""
    counts = effect.seeds[:-1] if with_base else effect.seeds
    if len(set(counts)) > 1:
        seeds = f"{', '.join(map(str, counts))} seeds"
    else:
        seeds = plural(counts[0], "seed") + (" of each arm" if len(counts) > 1 else "")
    return f"{seeds}, {plural(effect.prompts, 'prompt')}"


def _is(name: str, category: str) -> bool:
    return category in (OVERALL, name)


def _known(name: str, value: float) -> str:
    return "not known" if math.isnan(value) else cost_text(name, value)


def _factor(first: float, second: float) -> str:
    if not first > 0 or not second > 0 or abs(second / first - 1) < 0.005:
        return ""
    return f"×{second / first:.3g}"
