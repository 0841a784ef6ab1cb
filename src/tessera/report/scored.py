"""The page of scored pictures: for each scorer the distribution, and the pictures in the order of its scores.

All pictures are shown where they are few; else those of the highest and of the lowest scores.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tessera.report.images import data_uri
from tessera.report.theme import render
from tessera.statistics.agreement import tau_b

FEW = 60  # pictures that are all shown
ENDS = 24  # pictures of either end, of many
SIDE = 192
COMPARED = 1000  # pictures, the first ones, by which scorers are compared: every two pictures are


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A picture with what one scorer says of it."""

    uri: str
    image: str
    prompt: str
    score: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """One scorer's order."""

    scorer: str
    facts: tuple[tuple[str, str], ...]  # name, number
    groups: tuple[tuple[str, tuple[Shown, ...]], ...]
    missing: tuple[tuple[str, str], ...]  # picture, reason


def scored_page(folder: Path, rows: Sequence[Mapping[str, Any]], about: Sequence[tuple[str, str]]) -> str:
    """Returns the page as HTML; `rows` are those of scores.jsonl, pictures lie in the folder."""
    names = list(rows[0]["values"]) if rows else []
    prompts = {row["prompt"] for row in rows}
    return render(
        "scored.html",
        title=f"{len(rows)} pictures, scored",
        rankings=[_ranking(folder, rows, name) for name in names],
        agreement=_agreement(rows, names),
        names=names,
        prompt=next(iter(prompts)) if len(prompts) == 1 else "",
        compared=min(len(rows), COMPARED),
        about=about,
    )


def number(value: float | None) -> str:
    """Returns a score in four figures: scorers have units from 0.01 to 25."""
    return "–" if value is None or math.isnan(value) else f"{value:.4g}"


def _ranking(folder: Path, rows: Sequence[Mapping[str, Any]], name: str) -> Ranking:
    known = [row for row in rows if row["values"][name] is not None]
    ordered = sorted(known, key=lambda row: -row["values"][name])
    value_N = np.array([row["values"][name] for row in known], dtype=np.float64)
    facts = [("pictures", str(len(known)))]
    if known:
        facts += [
            ("mean", number(float(value_N.mean()))),
            ("standard deviation", number(float(value_N.std()))),
            ("lowest", number(float(value_N.min()))),
            ("median", number(float(np.median(value_N)))),
            ("highest", number(float(value_N.max()))),
        ]
    groups = [("best first", ordered)]
    if len(ordered) > FEW:
        groups = [("highest", ordered[:ENDS]), ("lowest", ordered[: -ENDS - 1 : -1])]
    shown = tuple(
        (title, tuple(_shown(folder, row, row["values"][name]) for row in group)) for title, group in groups
    )
    missing = tuple(
        (row["image"], row["reasons"].get(name, "")) for row in rows if row["values"][name] is None
    )
    return Ranking(scorer=name, facts=tuple(facts), groups=shown, missing=missing)


def _shown(folder: Path, row: Mapping[str, Any], value: float) -> Shown:
    path = folder / row["image"]
    uri = data_uri(path, SIDE) if path.is_file() else ""
    return Shown(uri=uri, image=row["image"], prompt=row["prompt"], score=number(value))


def _agreement(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[tuple[str, str], str]:
    """Returns Kendall's tau-b of every two scorers over the pictures that both have scored."""
    found = {}
    for one in names:
        for two in names:
            pairs = [(row["values"][one], row["values"][two]) for row in rows[:COMPARED]]
            both = np.array([pair for pair in pairs if None not in pair], dtype=np.float64).reshape(-1, 2)
            if one != two and len(both) > 1:
                found[one, two] = number(float(tau_b(both[None, :, 0], both[None, :, 1])[0]))
    return found
