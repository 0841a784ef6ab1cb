"""The official numbers of a benchmark of the field, beside those with intervals: how its own tool counts.

They are what `aggregate` returned: `title`, means under `tags` or `categories`, and what else it tells. An
outside benchmark tells what it likes; numbers and sentences that are not known here are shown as they are.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tessera.report.evaluation.read import words
from tessera.report.numbers import count, percent
from tessera.report.units import Unit
from tessera.statistics.intervals import Estimate

MEANS = ("tags", "categories")  # under which of its keys the means of categories are
OVERALL_IS = "overall_is"
OF_MEANS = ("mean", "images", "missing")
SHARES = {
    "correct_images": "right pictures, all categories together",
    "correct_prompts": "prompts with a right picture at least once",
}
COUNTS = {"images": "pictures graded", "prompts": "prompts", "missing": "pictures not graded"}


@dataclass(frozen=True, kw_only=True, slots=True)
class OfficialRow:
    """One category: the official mean, and the mean over prompts with its interval."""

    label: str
    emphasis: bool
    official: str
    mean: str
    interval: str
    pictures: str
    missing: str
    parts: tuple[str, ...]  # means of parts of the category


@dataclass(frozen=True, kw_only=True, slots=True)
class Official:
    """What the official tool would say."""

    heading: str
    title: str
    parts: tuple[str, ...]  # names of the columns of parts
    rows: tuple[OfficialRow, ...]
    told: tuple[tuple[str, str], ...]  # name, text
    overall: str  # empty where the tool itself has none


def official_of(
    name: str, summary: Mapping[str, Any], unit: Unit, missing: Mapping[str, int]
) -> Official | None:
    """Returns the official numbers of a benchmark's summary; None where it has none.

    `missing` says by category how many of all pictures could not be graded; with candidates to choose from,
    official numbers are of fewer pictures, and it is left out.
    """
    official = summary.get("official")
    if not official:
        return None
    means = official_means(official)
    parts = tuple(
        dict.fromkeys(
            key
            for row in means.values()
            for key, part in row.items()
            if key not in OF_MEANS and isinstance(part, dict)
        )
    )
    lacking = missing if sum(missing.values()) == official.get("missing") else {}
    rows = [
        _row(
            words(category),
            {"missing": lacking.get(category, 0), **row} if lacking else row,
            summary["categories"].get(category),
            unit,
            parts,
        )
        for category, row in means.items()
    ]
    overall = {"mean": official["overall"]} if official.get("overall") is not None else {}
    if overall:
        rows.append(_row("overall", overall, summary["overall"], unit, parts, emphasis=True))
    title = str(official.get("title", ""))
    return Official(
        heading=title if title.startswith(name) else ": ".join(filter(None, (name, title))),
        title=title,
        parts=tuple(words(part) for part in parts),
        rows=tuple(rows),
        told=tuple(_told(official)),
        # A benchmark whose tool has no such number says what its own is.
        overall=unit.alone(_number(official["overall"])) if overall and OVERALL_IS not in official else "",
    )


def official_means(official: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Returns what it says of each category, its `mean` above all."""
    return next((official[key] for key in MEANS if isinstance(official.get(key), dict)), {})


def _row(
    label: str,
    row: Mapping[str, Any],
    own: Mapping[str, Any] | None,
    unit: Unit,
    parts: tuple[str, ...],
    *,
    emphasis: bool = False,
) -> OfficialRow:
    mine = Estimate.from_json(own) if own else Estimate(math.nan, math.nan, math.nan, 0)
    return OfficialRow(
        label=label,
        emphasis=emphasis,
        official=unit.alone(_number(row.get("mean"))),
        mean=unit.alone(mine.mean),
        interval=unit.interval(mine.ci_low, mine.ci_high),
        pictures=count(row["images"]) if "images" in row else "",
        missing=count(row["missing"]) if "missing" in row else "",
        parts=tuple(unit.alone(_number(row[part]["mean"])) if part in row else "" for part in parts),
    )


def _told(official: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns what it tells beside the means, what is known first."""
    known = {key: name for key, name in {**COUNTS, **SHARES}.items() if official.get(key) is not None}
    told = [
        (name, count(official[key]) if key in COUNTS else percent(_number(official[key]), 1))
        for key, name in known.items()
    ]
    for key, value in official.items():
        if key in ("title", "overall", *MEANS, *known) or value is None:
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{name} {each}" for name, each in value.items())
        told.append((words(key), f"{value:.4g}" if isinstance(value, float) else str(value)))
    return told


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
