"""How single verdicts add up: means over prompts, per category and overall, with intervals.

A prompt counts once, however many pictures it has; the overall score is the unweighted mean of the category
means, as in GenEval.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tessera.statistics.intervals import estimate, overall_estimate, prompt_means
from tessera.types import EvalRecord


def summarise(records: Sequence[EvalRecord], categories: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Returns {benchmark: {"overall", "categories", "soft": {the same two}, "facts", "images", "missing"}}.

    `categories` names the benchmarks and their categories in the order of the tables.
    """
    by_benchmark: dict[str, list[EvalRecord]] = {}
    for record in records:
        by_benchmark.setdefault(record.benchmark, []).append(record)
    return {
        benchmark: _one(by_benchmark.get(benchmark, []), names) for benchmark, names in categories.items()
    }


def _one(records: Sequence[EvalRecord], categories: Sequence[str]) -> dict[str, Any]:
    facts: dict[str, list[bool]] = {}
    for record in records:
        for fact in record.grade.facts:
            facts.setdefault(fact.kind, []).append(fact.holds)
    return {
        **_scores(records, categories, "strict"),
        "soft": _scores(records, categories, "soft"),
        "facts": {kind: {"mean": float(np.mean(held)), "n": len(held)} for kind, held in facts.items()},
        "images": len(records),
        "missing": sum(math.isnan(record.grade.strict) for record in records),
    }


def _scores(records: Sequence[EvalRecord], categories: Sequence[str], score: str) -> dict[str, Any]:
    found: dict[str, tuple[list[str], list[float]]] = {category: ([], []) for category in categories}
    for record in records:
        if record.category in found:
            names, values = found[record.category]
            names.append(record.prompt_id)
            values.append(getattr(record.grade, score))
    means = {category: prompt_means(names, values) for category, (names, values) in found.items()}
    return {
        "overall": overall_estimate(list(means.values())).to_json(),
        "categories": {name: estimate(values).to_json() for name, values in means.items()},
    }
