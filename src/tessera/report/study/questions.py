"""Which claims a study's experiments speak to, and from which arms each is answered.

How an algorithm stands a faulty reward is compared only between policies that moved equally far from the
base: at unequal KL the one that moved less looks sturdier.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tessera.report.study import claims
from tessera.report.study.budget import is_growing
from tessera.report.study.effects import Term, compare, difference, doubling_terms, same_kl
from tessera.report.study.inference_claims import inference_verdicts
from tessera.report.study.lookup import (
    EXACT,
    SERIES,
    find_arm,
    first_answer,
    places,
    scaled,
    shared_rewards,
)
from tessera.report.study.read import Study
from tessera.report.study.rows import OVERALL
from tessera.report.study.variety import variety_verdicts
from tessera.report.study.verdicts import Verdict, adjusted, of_correlation, of_effect
from tessera.report.theme import Series
from tessera.statistics.correlation import correlate
from tessera.statistics.hierarchical import Effect
from tessera.statistics.student import NORMAL

FEWEST_REWARDS = 3  # of a correlation


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardPoint:
    """One reward by itself and as a teacher: gains over the base."""

    reward: str
    choosing: float  # best of n of the base's pictures
    choosing_error: float  # standard error
    training: Effect


def verdicts(study: Study) -> list[Verdict]:
    """Returns a verdict on each claim that the study speaks to, in the order of the page."""
    return adjusted(
        [
            *_domains(study),
            *_rewards(study),
            *_scaling(study),
            *inference_verdicts(study),
            *variety_verdicts(study),
            *_learning(study),
        ]
    )


def reward_points(study: Study, experiment: str, algorithm: str, benchmark: str) -> list[RewardPoint]:
    """Returns a point for each reward of the experiment that also chose among the base's pictures there."""
    base = study.base(experiment)
    points = []
    for row in study.rows:
        mine = (row.arm.experiment, row.benchmark, row.category, row.score)
        if (
            mine != (experiment, benchmark, OVERALL, "strict")
            or row.best_of == 1
            or row.arm.trained
            or base is None
        ):
            continue
        arm = find_arm(study, experiment, algorithm, row.arm.reward)
        effect = None if arm is None else difference(study, arm, base, benchmark)
        if effect is not None:
            reach = (row.estimate.ci_high - row.estimate.ci_low) / 2
            points.append(
                RewardPoint(
                    reward=row.arm.reward,
                    choosing=row.estimate.mean - study.mean(base, benchmark),
                    choosing_error=reach / NORMAL.inv_cdf(0.975),  # of a 95 % interval
                    training=effect,
                )
            )
    return points


def _domains(study: Study) -> Iterator[Verdict]:
    for series in SERIES:
        yield from first_answer(
            _ahead(study, series, experiment, name) for experiment, name in places(study, series)
        )
        yield from first_answer(
            _ahead_on_average(study, series, experiment, name) for experiment, name in places(study, series)
        )


def _ahead(study: Study, series: Series, experiment: str, benchmark: str) -> list[Verdict]:
    dpo, grpo = (find_arm(study, experiment, name, EXACT) for name in ("dpo", "grpo"))
    if dpo is None or grpo is None:
        return []
    pair = (dpo, grpo) if series == "in-domain" else (grpo, dpo)
    effect = difference(study, *pair, benchmark)
    return of_effect(study, claims.ahead(series), pair, benchmark, effect)


def _ahead_on_average(study: Study, series: Series, experiment: str, benchmark: str) -> list[Verdict]:
    rewards = shared_rewards(study, experiment)
    sides = ("dpo", "grpo") if series == "in-domain" else ("grpo", "dpo")
    found = [[find_arm(study, experiment, name, reward) for name in sides] for reward in rewards]
    pairs = [(first, second) for first, second in found if first is not None and second is not None]
    if len(pairs) < 2:
        return []
    terms: list[Term] = []
    for first, second in pairs:
        terms += [(first, 1 / len(pairs)), (second, -1 / len(pairs))]
    effect = compare(study, terms, benchmark)
    made = of_effect(study, claims.ahead(series, len(pairs)), pairs[0], benchmark, effect)
    return [replace(each, pair=None, notes=(*each.notes, f"Over {', '.join(rewards)}.")) for each in made]


def _learning(study: Study) -> Iterator[Verdict]:
    for algorithm in ("grpo", "dpo"):
        for series in SERIES:
            found = (_gain(study, algorithm, series, *place) for place in places(study, series))
            yield from first_answer(found)


def _gain(study: Study, algorithm: str, series: Series, experiment: str, benchmark: str) -> list[Verdict]:
    arm, base = find_arm(study, experiment, algorithm, EXACT), study.base(experiment)
    if arm is None or base is None:
        return []
    effect = difference(study, arm, base, benchmark)
    return of_effect(study, claims.learning(algorithm, series), (arm, base), benchmark, effect)


def _rewards(study: Study) -> Iterator[Verdict]:
    for experiment, benchmark in places(study, "out-of-domain"):
        for algorithm in ("dpo", "grpo"):
            points = reward_points(study, experiment, algorithm, benchmark)
            judges = [point for point in points if point.reward != EXACT]
            if len(judges) >= FEWEST_REWARDS:
                found = correlate(
                    np.array([point.choosing for point in judges]),
                    np.array([point.training.value for point in judges]),
                    np.array([point.choosing_error for point in judges]),
                    np.array([point.training.error for point in judges]),
                )
                claim = claims.reward_generalises(algorithm)
                seeds = min(point.training.seeds[0] for point in judges)
                yield of_correlation(claim, experiment, benchmark, found, seeds)
        for reward in shared_rewards(study, experiment):
            if reward != EXACT:
                yield from _robust(study, experiment, benchmark, reward)


def _robust(study: Study, experiment: str, benchmark: str, reward: str) -> list[Verdict]:
    grpo, dpo = (find_arm(study, experiment, name, reward) for name in ("grpo", "dpo"))
    grpo_exact, dpo_exact = (find_arm(study, experiment, name, EXACT) for name in ("grpo", "dpo"))
    if grpo is None or dpo is None or grpo_exact is None or dpo_exact is None:
        return []
    terms = [(grpo, 1.0), (grpo_exact, -1.0), (dpo, -1.0), (dpo_exact, 1.0)]
    effect = compare(study, terms, benchmark)
    made = of_effect(study, claims.robust(reward), (grpo, dpo), benchmark, effect)
    if same_kl(study, grpo, dpo):
        return made
    why = "The two are not known to have moved equally far from the base; who moved less looks sturdier."
    return [replace(each, word="not comparable", p=math.nan, notes=(*each.notes, why)) for each in made]


def _scaling(study: Study) -> Iterator[Verdict]:
    for series in SERIES:
        for experiment, benchmark in places(study, series):
            for (name, axis), arms in scaled(study, experiment).items():
                values = [arm.axis[1] for arm in arms if arm.axis is not None]
                effect = compare(study, doubling_terms(arms, values), benchmark)
                claim = claims.scaling(name, axis, series, growing=is_growing(study, experiment))
                ends = (arms[-1], arms[0])
                yield from of_effect(study, claim, ends, benchmark, effect, "points per doubling")
        for algorithm in ("grpo", "dpo"):
            found = (_iterating(study, algorithm, series, *place) for place in places(study, series))
            yield from first_answer(found)


def _iterating(
    study: Study, algorithm: str, series: Series, experiment: str, benchmark: str
) -> list[Verdict]:
    once = find_arm(study, experiment, algorithm, EXACT)
    again = find_arm(study, experiment, f"{algorithm}-iterated", EXACT)
    if once is None or again is None:
        return []
    effect = difference(study, again, once, benchmark)
    return of_effect(study, claims.iterating(algorithm, series), (again, once), benchmark, effect)
