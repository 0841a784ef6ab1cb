"""Judging the judges: how far scorers agree with the verdict and with one another, and what choosing gains.

All numbers are of candidates of one benchmark at a time, many pictures for each prompt. What a scorer's unit
needs (a threshold, a logistic curve) is fitted on one half of the prompts and judged on the other, and the
other way round: the prompts of a category take turns in going to either half.

Axes: P prompts, G pictures of each, N how many are chosen from (1 to G).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from tessera.benchmarks.best_of import ORACLE, RANDOM
from tessera.benchmarks.candidates import Table, Values, key
from tessera.statistics.agreement import (
    auc,
    balancing_threshold,
    fit_logistic,
    pair_accuracy,
    reliability,
    sigmoid,
    tau_b,
)
from tessera.statistics.selection import choose, expected_best

SHOWN = 8  # pictures of each kind of disagreement

Row = Float64[ndarray, " P"]


def judged(table: Table, values: Values, scorer: str) -> dict[str, Any]:
    """Returns what a scorer is worth on a benchmark.

    auc, accuracy, pairs (which of two pictures of a prompt has more facts right), pairs_strict (which of a
    right and a wrong one is right): {"overall", "categories"} with intervals over prompts. ece, reliability:
    after a logistic fit. best_of: {"strict", "soft"}: the expected choice from n, for n = 1 to G. majority:
    the accuracy of whoever calls every picture what most are. ties: prompts whose highest score is shared.
    """
    score_PG, strict_PG = table.scores(values, scorer), table.strict
    right_PG = strict_PG == 1
    half_P = halves(table)
    called_PG, chance_PG = _called_right(score_PG, right_PG, half_P), _chances(score_PG, right_PG, half_P)
    hit_PG = np.where(np.isnan(called_PG), np.nan, called_PG == right_PG)
    bins, ece = reliability(chance_PG.ravel(), right_PG.ravel())
    choice = choose(score_PG)
    return {
        "auc": _aucs(table, score_PG, right_PG),
        "accuracy": table.estimates(_row_means(hit_PG)),
        "majority": max(float(right_PG.mean()), float(1 - right_PG.mean())),
        "pairs": table.estimates(pair_accuracy(score_PG, table.soft)),
        "pairs_strict": table.estimates(pair_accuracy(score_PG, strict_PG)),
        "ece": ece,
        "reliability": [asdict(each) for each in bins],
        "best_of": _curves(table, lambda value_PG: expected_best(score_PG, value_PG)),
        "pictures": int(score_PG.size),
        "missing": int(np.isnan(score_PG).sum()),
        "prompts": len(table.rows),
        "ties": int(choice.tied_P.sum()),
        "blind": int(choice.blind_P.sum()),
    }


def bounds(table: Table) -> dict[str, Any]:
    """Returns the best-of curves that no judge makes: a blind choice and the verifier's own."""
    truth_PG = table.strict + table.soft  # of equally right pictures the one with more facts
    blind_PG = np.zeros_like(truth_PG)
    return {
        RANDOM: _curves(table, lambda value_PG: expected_best(blind_PG, value_PG)),
        ORACLE: _curves(table, lambda value_PG: expected_best(truth_PG, value_PG)),
    }


def agreement(table: Table, values: Values, scorers: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Returns Kendall's tau-b of every two scorers, the mean over prompts; null where one never varies."""
    scores = {name: table.scores(values, name) for name in scorers}
    return {
        one: {two: _mean(tau_b(scores[one], scores[two])) for two in scorers if two != one} for one in scorers
    }


def reference(table: Table, values: Values, scorer: str) -> dict[str, float | int | None]:
    """Returns mean and standard deviation of a scorer's values, for `calibration=zscore`."""
    score_B = table.scores(values, scorer).ravel()
    known_B = score_B[~np.isnan(score_B)]
    if len(known_B) == 0:
        return {"mean": None, "std": None, "pictures": 0}
    return {"mean": float(known_B.mean()), "std": float(known_B.std()), "pictures": len(known_B)}


def disagreements(tables: Sequence[Table], values: Values, scorer: str) -> dict[str, list[dict[str, Any]]]:
    """Returns {"liked": wrong pictures of highest score, "disliked": right ones of lowest}, one per prompt.

    A score is told beside its place among all pictures of its benchmark, as a share of them below it.
    """
    rows = []
    for table in tables:
        score_PG = table.scores(values, scorer)
        known_B = np.sort(score_PG[~np.isnan(score_PG)])
        for place, row in enumerate(table.rows):
            for candidate, record in enumerate(row):
                score = float(score_PG[place, candidate])
                if not math.isnan(score) and not math.isnan(record.grade.strict):
                    share = float(np.searchsorted(known_B, score)) / len(known_B)
                    rows.append((score, share, record))
    kinds = {
        "liked": sorted((row for row in rows if row[2].grade.strict < 1), key=lambda row: -row[1]),
        "disliked": sorted((row for row in rows if row[2].grade.strict == 1), key=lambda row: row[1]),
    }
    found = {}
    for kind, ordered in kinds.items():
        first = {}
        for row in ordered:
            first.setdefault(key(row[2])[:2], row)
        found[kind] = [
            {
                "benchmark": record.benchmark,
                "prompt_id": record.prompt_id,
                "sample": record.sample,
                "score": score,
                "above": share,
            }
            for score, share, record in list(first.values())[:SHOWN]
        ]
    return found


def halves(table: Table) -> Bool[ndarray, " P"]:
    """Returns which prompts are of the first half: within a category they take turns."""
    seen: dict[str, int] = {}
    half = []
    for row in table.rows:
        category = row[0].category
        half.append(seen.setdefault(category, 0) % 2 == 0)
        seen[category] += 1
    return np.array(half)


def _by_halves(
    half_P: Bool[ndarray, " P"],
    fitted: Callable[[ndarray, ndarray], ndarray],
    size: int,
) -> Float64[ndarray, "P G"]:
    """Returns `fitted(fit on, applied to)` of both halves, put together."""
    value_PG = np.full((len(half_P), size), np.nan)
    for applied_P in (half_P, ~half_P):
        value_PG[applied_P] = fitted(~applied_P, applied_P)
    return value_PG


def _called_right(
    score_PG: Float64[ndarray, "P G"], right_PG: Bool[ndarray, "P G"], half_P: Bool[ndarray, " P"]
) -> Float64[ndarray, "P G"]:
    """Returns 1 where a scorer calls a picture right, by the threshold that balances the other half."""

    def fitted(on_P: Bool[ndarray, " P"], to_P: Bool[ndarray, " P"]) -> ndarray:
        threshold = balancing_threshold(score_PG[on_P].ravel(), right_PG[on_P].ravel())
        return np.where(np.isnan(score_PG[to_P]), np.nan, score_PG[to_P] >= threshold)

    return _by_halves(half_P, fitted, score_PG.shape[1])


def _chances(
    score_PG: Float64[ndarray, "P G"], right_PG: Bool[ndarray, "P G"], half_P: Bool[ndarray, " P"]
) -> Float64[ndarray, "P G"]:
    """Returns the chance to be right, by the logistic curve of the other half."""

    def fitted(on_P: Bool[ndarray, " P"], to_P: Bool[ndarray, " P"]) -> ndarray:
        slope, intercept = fit_logistic(score_PG[on_P].ravel(), right_PG[on_P].ravel())
        return sigmoid(slope * score_PG[to_P].ravel() + intercept).reshape(-1, score_PG.shape[1])

    return _by_halves(half_P, fitted, score_PG.shape[1])


def _aucs(table: Table, score_PG: Float64[ndarray, "P G"], right_PG: Bool[ndarray, "P G"]) -> dict[str, Any]:
    """Returns the AUC over all pictures, and within each category."""
    mine = {name: table.in_category(name) for name in table.categories}
    return {
        "overall": auc(score_PG, right_PG).to_json(),
        "categories": {
            name: auc(score_PG[rows], right_PG[rows]).to_json() for name, rows in mine.items() if rows.any()
        },
    }


def _curves(table: Table, chosen: Callable[[ndarray], Float64[ndarray, "P N"]]) -> Mapping[str, Any]:
    """Returns overall estimates of the chosen pictures for n = 1 to G, strict and soft."""
    return {
        name: [table.estimates(value_P)["overall"] for value_P in chosen(value_PG).T]
        for name, value_PG in (("strict", table.strict), ("soft", table.soft))
    }


def _row_means(value_PG: Float64[ndarray, "P G"]) -> Row:
    """Returns the mean of each row's known values, NaN where there is none."""
    known_PG = ~np.isnan(value_PG)
    count_P = known_PG.sum(axis=1)
    total_P = np.where(known_PG, value_PG, 0.0).sum(axis=1)
    return np.divide(total_P, count_P, out=np.full(len(count_P), np.nan), where=count_P > 0)


def _mean(value_P: Row) -> float | None:
    known_P = value_P[~np.isnan(value_P)]
    return float(known_P.mean()) if len(known_P) else None
