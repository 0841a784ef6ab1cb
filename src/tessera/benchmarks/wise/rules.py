"""WISE's rules: which category a prompt is of, how an answer is read, what it is worth, how it adds up.

Read in the READMEs and scripts of PKU-YuanGroup/WISE (arXiv 2503.07265); it has no licence, so nothing of it
is here but what it computes. Two editions:

- verified (2026, the current one): the judge says 0 or 1.
- legacy (2025): three marks of 0, 1 or 2; WiScore = (0.7 consistency + 0.2 realism + 0.1 aesthetics) / 2.

The last mark of a name counts. An answer without a mark, or with one that is not allowed, is missing; the
legacy scripts write 999 for it and then refuse the whole file.
"""

import math
import re
from collections.abc import Mapping

from tessera.benchmarks.wise.settings import Edition
from tessera.types import Grade

CATEGORIES = ("culture", "time", "space", "biology", "physics", "chemistry")

# The last prompt_id of each category; the first is 1, or follows the category before.
LAST: Mapping[Edition, tuple[int, ...]] = {
    "verified": (400, 520, 640, 760, 880, 1000),
    "legacy": (400, 567, 700, 800, 900, 1000),
}
# Of each category in the overall score.
WEIGHTS: Mapping[Edition, tuple[float, ...]] = {
    "verified": (0.40, 0.12, 0.12, 0.12, 0.12, 0.12),
    "legacy": (0.4, 0.167, 0.133, 0.1, 0.1, 0.1),
}
# What the judge is to name, with its weight in the score, and the best mark.
MARKS: Mapping[Edition, Mapping[str, float]] = {
    "verified": {"Score": 1.0},
    "legacy": {"Consistency": 0.7, "Realism": 0.2, "Aesthetic Quality": 0.1},
}
BEST: Mapping[Edition, int] = {"verified": 1, "legacy": 2}

# A colon, asterisks of Markdown and a bracket may stand before the mark.
NUMBER = r"[\s*:：\[]{0,8}(?P<mark>\d+(?:\.\d+)?)(?:\s*(?:/|out of)\s*(?P<best>\d+))?"


def category_of(edition: Edition, number: int) -> str:
    """Returns the category of a prompt_id from 1 to 1000."""
    return next(name for name, last in zip(CATEGORIES, LAST[edition], strict=True) if number <= last)


def marks_in(edition: Edition, answer: str) -> dict[str, int]:
    """Returns the marks that an answer gives, by name; those that are missing or not allowed are left out."""
    marks = {}
    for name in MARKS[edition]:
        found = list(re.finditer(rf"\b{name}{NUMBER}", answer, re.IGNORECASE))
        if not found or found[-1]["best"] not in (None, str(BEST[edition])):
            continue
        mark = float(found[-1]["mark"])
        if mark in range(BEST[edition] + 1):
            marks[name] = int(mark)
    return marks


def judged(edition: Edition, answer: str) -> Grade:
    """Returns the score of an answer, in [0, 1], as both numbers of the grade."""
    marks = marks_in(edition, answer)
    if lacking := [name for name in MARKS[edition] if name not in marks]:
        allowed = " or ".join(map(str, range(BEST[edition] + 1)))
        reason = f"no '{lacking[0]}: {allowed}' in the answer {answer!r:.300}"
        return Grade(strict=math.nan, soft=math.nan, reason=reason)
    weighted = sum(weight * marks[name] for name, weight in MARKS[edition].items())
    score = weighted / BEST[edition]
    return Grade(strict=score, soft=score)


def overall(edition: Edition, means: Mapping[str, float]) -> float:
    """Returns the weighted sum of the categories' means; NaN where one has none."""
    weights = zip(CATEGORIES, WEIGHTS[edition], strict=True)
    return sum(weight * means[name] for name, weight in weights)
