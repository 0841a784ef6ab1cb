"""The report of a study: one page, and every figure, table and verdict as a file of its own.

    OUT/report.html        self-contained, no network
    OUT/verdicts.json      what was found of each claim
    OUT/figures/*.svg, *.png
    OUT/tables/*.md, *.tex

It shows what results.json holds and nothing else: an experiment without results is not mentioned, a cell
that failed is listed with its error.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tessera.report.numbers import count, duration
from tessera.report.study.budget import method
from tessera.report.study.claims import GROUPS, OWN
from tessera.report.study.figures import forest
from tessera.report.study.names import arm_names, points, slug
from tessera.report.study.parts import Part, parts_of
from tessera.report.study.plotting import Drawing
from tessera.report.study.questions import verdicts
from tessera.report.study.read import Study, read_study
from tessera.report.study.rows import number
from tessera.report.study.tables import effect_text, p_text, verdict_table
from tessera.report.study.verdicts import Verdict
from tessera.report.theme import render
from tessera.statistics.intervals import LEVEL
from tessera.storage import write_atomic, write_json

PAGE, VERDICTS, FIGURES, TABLES = "report.html", "verdicts.json", "figures", "tables"
HEADLINES = ("dpo-ahead-in-domain", "grpo-ahead-out-of-domain")
WORDS = ("supported", "contradicted", "undecided", "not comparable")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """Where an effect and its interval lie in its card, in percent of the width."""

    zero: float
    low: float
    high: float
    value: float


def write_study_report(folder: Path) -> list[Path]:
    """Writes the report of the study in the folder; returns the files it wrote, the page first."""
    study = read_study(folder)
    found = verdicts(study)
    overview = forest(found)
    parts = list(parts_of(study))
    drawings = [*([overview] if overview else []), *(each for part in parts for each in part.drawings)]
    tables = [each for part in parts for each in part.tables]
    files: dict[Path, bytes] = {
        folder / PAGE: _page(study, found, overview, parts).encode(),
    }
    for drawing in drawings:
        files[folder / FIGURES / f"{drawing.name}.svg"] = drawing.svg.encode()
        files[folder / FIGURES / f"{drawing.name}.png"] = drawing.png
    for table in (*([verdict_table(found)] if found else []), *tables):
        files[folder / TABLES / f"{slug(table.name)}.md"] = table.markdown().encode()
        files[folder / TABLES / f"{slug(table.name)}.tex"] = table.latex().encode()
    for name in (FIGURES, TABLES):
        (folder / name).mkdir(exist_ok=True)
        for path in (folder / name).iterdir():  # of an earlier report, whose experiment may have gone
            if path not in files and path.suffix in (".svg", ".png", ".md", ".tex"):
                path.unlink()
    for path, content in files.items():
        write_atomic(path, content)
    write_json(folder / VERDICTS, [verdict.to_json() for verdict in found])
    return [*files, folder / VERDICTS]


def reading(found: Sequence[Verdict]) -> str:
    """Returns the result in plain words: how many claims hold here, and what became of the first ones."""
    theirs = [verdict for verdict in found if verdict.claim.source != OWN]
    if not theirs:
        return "No claim of the paper could be tested on what has run."
    counts = {word: sum(verdict.word == word for verdict in theirs) for word in WORDS}
    told = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
    text = f"Of {len(theirs)} statements of the paper that this study can test, here: {told}."
    for verdict in theirs:
        if verdict.claim.key in HEADLINES:
            reach = f"{points(verdict.low)} to {points(verdict.high)}"
            statement = verdict.claim.statement.removesuffix(".")
            text += f" {statement}: {verdict.word} ({points(verdict.value)} points, {reach})."
    if counts["contradicted"]:
        text += " Where a claim is contradicted, mosaic disagrees with the paper."
    return text


def _page(study: Study, found: Sequence[Verdict], overview: Drawing | None, parts: Sequence[Part]) -> str:
    groups = {
        title: [(verdict, _bar(verdict)) for verdict in found if verdict.claim.group == key]
        for key, title in GROUPS.items()
    }
    seeds = {
        len(study.cells_of(arm)) for name in study.experiments for arm in study.arms(name) if arm.trained
    }
    return render(
        "study.html",
        title=f"Study {study.about.get('name', '')}".strip(),
        reading=reading(found),
        one_seed=bool(seeds) and max(seeds) == 1,
        overview=overview,
        groups={title: shown for title, shown in groups.items() if shown},
        parts=parts,
        failures=study.failures,
        unscored=study.unscored,
        method=method(study),
        cells=study.cells,
        cost=_cost(study.about),
        commands=list(_commands(study)),
        about=_about(study.about),
        level=LEVEL,
        command=study.about.get("command", ""),
        effect_text=effect_text,
        p_text=p_text,
        names=_pair_names,
    )


def _pair_names(verdict: Verdict) -> tuple[str, str]:
    """Returns how the two arms of a claim are called."""
    if verdict.pair is None:
        return "", ""
    names = arm_names([verdict.pair.first, verdict.pair.second])
    return names[verdict.pair.first], names[verdict.pair.second]


def _bar(verdict: Verdict) -> Bar | None:
    """Returns the card's bar, 0 always inside; None where there is no interval."""
    if math.isnan(verdict.low) or math.isnan(verdict.high):
        return None
    reach = 1.0 if verdict.unit == "correlation" else 1.1 * max(abs(verdict.low), abs(verdict.high), 0.05)
    low, high, value = (50 + 50 * each / reach for each in (verdict.low, verdict.high, verdict.value))
    return Bar(zero=50.0, low=low, high=high, value=value)


def _commands(study: Study) -> Iterator[tuple[str, str]]:
    """Yields (cell, command) for each cell once, in the order of the experiments."""
    seen: set[str] = set()
    for experiment in study.experiments:
        names = arm_names(study.arms(experiment))
        for arm, name in names.items():
            for row in study.cells_of(arm):
                if row.command and row.command not in seen:
                    seen.add(row.command)
                    yield f"{experiment}: {name}" + (f", seed {row.seed}" if arm.trained else ""), row.command


def _cost(about: Mapping[str, Any]) -> str:
    """Returns what the whole study cost, in words; stages that cells share are counted once."""
    cost = about.get("real_cost") or {}
    parts = []
    if images := cost.get("images"):
        parts.append(f"{count(images)} pictures sampled")
    for key, words in (("seconds_of_stages", "of work"), ("cpu_seconds", "of CPU")):
        seconds = number(cost.get(key))
        if not math.isnan(seconds):
            parts.append(f"{duration(seconds)} {words}")
    return ", ".join(parts)


def _about(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns what is known of how the study was made."""
    rows = [
        (key, str(about[key]))
        for key in ("tessera", "code", "digest", "started", "finished")
        if about.get(key)
    ]
    for key in ("versions", "machine"):
        values = about.get(key) or {}
        if values:
            rows.append((key, ", ".join(f"{name} {value}" for name, value in values.items())))
    return rows
