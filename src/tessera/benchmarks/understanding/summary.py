"""How answers add up: accuracy with its interval, and paired differences from the first policy.

A picture counts once in its category, however many questions are asked about it, for these share what makes
the picture hard; the overall accuracy is the unweighted mean over categories.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from tessera.statistics.intervals import estimate, overall_estimate, prompt_means
from tessera.statistics.paired import difference, difference_by_category, holm

Row = Mapping[str, Any]


def summarise_answers(answers: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """Returns {"policies": {name: scores}, "differences": {name: from the first}} of rows by policy.

    All policies were asked the same questions, in the same order.
    """
    first, *others = answers
    return {
        "policies": {name: _scores(rows) for name, rows in answers.items()},
        "differences": {name: {"from": first, **_change(answers[name], answers[first])} for name in others},
    }


def _scores(rows: Sequence[Row]) -> dict[str, Any]:
    values = _values(rows, "correct")
    return {
        **_estimates(rows, values),
        "contained": _estimates(rows, _values(rows, "contained"))["overall"],
        "questions": len(rows),
        "pictures": len({row["image"] for row in rows}),
        "right": sum(value == 1 for value in values),
        "missing": sum(math.isnan(value) for value in values),
        "policy_digest": rows[0]["policy_digest"],
    }


def _estimates(rows: Sequence[Row], values: Sequence[float]) -> dict[str, Any]:
    means_P, category_P = _by_picture(rows, values)
    named_P = np.array(category_P, dtype=str)
    means = {name: means_P[named_P == name] for name in dict.fromkeys(category_P)}
    return {
        "overall": overall_estimate(list(means.values())).to_json(),
        "categories": {name: estimate(values_P).to_json() for name, values_P in means.items()},
    }


def _change(new: Sequence[Row], old: Sequence[Row]) -> dict[str, Any]:
    pairs = list(zip(_values(new, "correct"), _values(old, "correct"), strict=True))
    both = [not any(math.isnan(value) for value in pair) for pair in pairs]
    new_P, category_P = _by_picture(
        new, [a if ok else math.nan for (a, _), ok in zip(pairs, both, strict=True)]
    )
    old_P, _ = _by_picture(old, [b if ok else math.nan for (_, b), ok in zip(pairs, both, strict=True)])
    effect = difference(new_P[None], old_P[None], category_P)
    by_category = difference_by_category(new_P[None], old_P[None], category_P)
    adjusted = holm([each.p_value() for each in by_category.values()])
    return {
        "overall": {**effect.to_json(), "p_value": _known(effect.p_value())},
        "categories": {
            name: {**each.to_json(), "p_holm": _known(p)}
            for (name, each), p in zip(by_category.items(), adjusted, strict=True)
        },
        "gained": sum(a > b for a, b in pairs),
        "lost": sum(a < b for a, b in pairs),
    }


def _by_picture(rows: Sequence[Row], values: Sequence[float]) -> tuple[Float64[ndarray, " P"], list[str]]:
    """Returns the mean of each picture within each category, and that category."""
    keys = [f"{row['category']}\n{row['image']}" for row in rows]
    categories = dict(zip(keys, (row["category"] for row in rows), strict=True))
    return prompt_means(keys, values), list(categories.values())


def _values(rows: Sequence[Row], key: str) -> list[float]:
    return [math.nan if row[key] is None else float(row[key]) for row in rows]  # null in a file read back


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
