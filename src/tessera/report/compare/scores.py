"""The numbers of a comparison: every evaluation's score of every category, and its change from the first.

A prompt counts once, by the mean of its pictures; the overall score is the unweighted mean of the category
means. Scores have the intervals of `statistics.intervals`, differences those of `statistics.paired`.

Axes: P prompts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from tessera.report.compare.read import Evaluation
from tessera.report.compare.shared import Shared
from tessera.report.units import Unit, unit_of
from tessera.statistics.hierarchical import Effect
from tessera.statistics.intervals import Estimate, overall_estimate, prompt_means
from tessera.statistics.paired import difference, difference_by_category, holm

OVERALL = "overall"
SIGNIFICANT = 0.05  # where a 95 % interval leaves out 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One evaluation in one table. Columns are the categories, then OVERALL."""

    name: str
    scores: Mapping[str, Estimate]
    changes: Mapping[str, Effect]  # from the first line; empty in it, and where graders differ
    marks: Mapping[str, str]  # of the changes: "", "*" or "**" (see `ScoreTable`)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreTable:
    """One benchmark, a line for each evaluation.

    A change is marked "*" where its 95 % interval leaves out 0, and "**" where it still does once all changes
    of the table count as one family (Holm).
    """

    benchmark: str
    title: str
    unit: Unit
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    prompts: int
    paired: bool  # whether there are changes at all
    best: Mapping[str, tuple[str, ...]]  # by column, who has the highest mean; nobody where all are equal
    level: tuple[str, ...]  # whose overall score is not distinguishable from the best one


def score_table(shared: Shared) -> ScoreTable:
    """Returns the table of one benchmark."""
    categories = list(shared.prompts.values())
    columns = (*shared.categories, OVERALL)
    means = [_means(each, shared) for each in shared.members]
    scores = [_scores(mean_P, categories, shared.categories) for mean_P in means]
    grades = [record.grade.strict for each in shared.members for record in each.of(shared.benchmark)]
    widest = 1.0 if all(0 <= grade <= 1 or math.isnan(grade) for grade in grades) else math.inf
    changes: list[dict[str, Effect]] = [{} for _ in means]
    if shared.same_grader:
        changes[1:] = [_changes(mean_P, means[0], categories, widest) for mean_P in means[1:]]
    adjusted = iter(holm([change.p_value() for each in changes for change in each.values()]))
    marks = [{column: _mark(change, next(adjusted)) for column, change in each.items()} for each in changes]
    names = [each.name for each in shared.members]
    best = {
        column: _best([score[column].mean for score in scores], names) if shared.same_grader else ()
        for column in columns
    }
    return ScoreTable(
        benchmark=shared.benchmark,
        title=shared.title,
        unit=unit_of(shared.benchmark, grades),
        columns=columns,
        lines=tuple(
            Line(name=name, scores=score, changes=change, marks=mark)
            for name, score, change, mark in zip(names, scores, changes, marks, strict=True)
        ),
        prompts=len(categories),
        paired=shared.same_grader,
        best=best,
        level=_level(best[OVERALL], names, means, categories),
    )


def _means(evaluation: Evaluation, shared: Shared) -> Float64[ndarray, " P"]:
    """Returns the mean strict grade of each shared prompt, NaN where none of its pictures was graded."""
    rows = [record for record in evaluation.of(shared.benchmark) if record.prompt_id in shared.prompts]
    mean_P = prompt_means([row.prompt_id for row in rows], [row.grade.strict for row in rows])
    by_id = dict(zip(dict.fromkeys(row.prompt_id for row in rows), mean_P.tolist(), strict=True))
    return np.array([by_id[prompt] for prompt in shared.prompts], dtype=np.float64)


def _scores(
    mean_P: Float64[ndarray, " P"], category_P: Sequence[str], categories: Sequence[str]
) -> dict[str, Estimate]:
    named_P = np.array(category_P, dtype=str)
    parts = {name: mean_P[named_P == name] for name in categories}
    each = {name: overall_estimate([part_P]) for name, part_P in parts.items()}
    return {**each, OVERALL: overall_estimate(list(parts.values()))}


def _changes(
    new_P: Float64[ndarray, " P"],
    old_P: Float64[ndarray, " P"],
    category_P: Sequence[str],
    widest: float,
) -> dict[str, Effect]:
    each = difference_by_category(new_P[None], old_P[None], category_P)
    each[OVERALL] = difference(new_P[None], old_P[None], category_P)
    return {name: _possible(change, widest) for name, change in each.items()}


def _possible(change: Effect, widest: float) -> Effect:
    """Returns the effect with its interval cut at the widest possible difference. NaN stays NaN."""
    low, high = np.clip([change.ci_low, change.ci_high], -widest, widest).tolist()
    return replace(change, ci_low=low, ci_high=high)


def leaves_out_zero(change: Effect) -> bool:
    """Returns whether the interval of a difference is known and on one side of 0."""
    return change.ci_low > 0 or change.ci_high < 0


def _mark(change: Effect, adjusted: float) -> str:
    return "" if not leaves_out_zero(change) else "**" if adjusted < SIGNIFICANT else "*"


def _best(means: Sequence[float], names: Sequence[str]) -> tuple[str, ...]:
    known = [mean for mean in means if not math.isnan(mean)]
    if len(set(known)) < 2:
        return ()
    return tuple(name for name, mean in zip(names, means, strict=True) if mean == max(known))


def _level(
    best: Sequence[str],
    names: Sequence[str],
    means: Sequence[Float64[ndarray, " P"]],
    category_P: Sequence[str],
) -> tuple[str, ...]:
    """Returns the others whose paired difference from the best has 0 in its interval, or no interval."""
    if not best:
        return ()
    top_P = means[names.index(best[0])]
    return tuple(
        name
        for name, mean_P in zip(names, means, strict=True)
        if name not in best and not leaves_out_zero(difference(top_P[None], mean_P[None], category_P))
    )
