"""What `tessera study` says: what would run, and at the end what came out and where it lies."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tessera.benchmarks.layout import PAGE
from tessera.cli.common import link
from tessera.cli.progress import console
from tessera.report.study.page import write_study_report
from tessera.study.cells import cells_of
from tessera.study.config import BASE, StudyConfig, Unit
from tessera.study.expected import remaining
from tessera.study.presets import PRESETS, load_study
from tessera.study.results import RESULTS
from tessera.study.runner import Executor, Local, duration
from tessera.study.runner_ray import open_ray
from tessera.study.stages import code_version, plan_of
from tessera.study.study import STUDY, Finished, sampled
from tessera.study.sweep import known_rates


def asked_for(name: str, seeds: Sequence[int], match: Unit | None) -> StudyConfig:
    """Returns the study, with these seeds if there are any, matched by this if it is given."""
    study = load_study(name)
    study = replace(study, seeds=tuple(seeds)) if seeds else study
    return replace(study, match=match) if match else study


def teller(*, quiet: bool) -> Callable[[str], None]:
    """Returns what hears each finished stage."""

    def tell(line: str) -> None:
        if not quiet:
            console.print(line, markup=False, soft_wrap=True)

    return tell


@contextmanager
def executor(runner: str, workers: int) -> Iterator[Executor]:
    """Yields where stages run."""
    if runner == "local":
        yield Local(workers)
        return
    with open_ray(workers) as cluster:
        yield cluster


def dry_run(
    study: StudyConfig, seeds: Sequence[int], match: Unit | None, workers: int
) -> tuple[dict[str, Any], list[str]]:
    """Returns what every study would take and the cells of this one, as data and as lines."""
    known = {each.name: each for each in (*(asked_for(name, seeds, match) for name in PRESETS), study)}
    outlines = [_outline(each, workers) for each in known.values()]
    head = f"{'study':<10}{'cells':>7}{'stages':>8}{'seeds':>7}{'images':>10}   expected on {workers} cores"
    table = [
        f"{each['study']:<10}{each['cells']:>7}{each['stages']:>8}{each['seeds']:>7}{each['images']:>10,}   "
        f"about {duration(each['expected_seconds'])}"
        for each in outlines
    ]
    cells = []
    for cell in cells_of(study, known_rates(study)):
        place = cell.places[0]
        names = ", ".join(dict.fromkeys(place.experiment for place in cell.places))
        seed = "" if place.seed is None else f"seed {place.seed}"
        cells.append(f"  {place.arm:<15}{place.reward:<12} {place.setting:<22}{seed:<9}{names}")
    if study.match != "images":
        table.append(f"Matched by {study.match}: before these, a pilot of every run says how long it may be.")
    shown = ["", f"{study.name}: arm, reward, setting, seed, and the experiments that it serves", *cells]
    return {"studies": outlines}, [head, *table, *shown]


def _outline(study: StudyConfig, workers: int) -> dict[str, Any]:
    cells = cells_of(study, known_rates(study))
    plan = plan_of(cells, code_version(), outline=True)
    return {
        "study": study.name,
        "experiments": [experiment.name for experiment in study.experiments],
        "cells": len(cells),
        "stages": len(plan.stages),
        "seeds": len(study.seeds),
        "images": sampled(cells),
        "expected_seconds": round(remaining(plan, list(plan.stages), {}, workers), 1),
    }


def closing(ended: Finished, out: Path) -> tuple[dict[str, Any], list[str]]:
    """Returns what came out, as data and as the lines that a person reads."""
    rows = json.loads((out / RESULTS).read_text(encoding="utf-8"))
    cost = json.loads((out / STUDY).read_text(encoding="utf-8"))["real_cost"]
    failed = [cell for cell in ended.cells if cell["status"] == "failed"]
    counts = {status: ended.count(status) for status in ("done", "failed", "skipped")}
    lines = [*_table(rows), ""]
    lines.append(
        f"{counts['done']} cells done, {counts['failed']} failed, {counts['skipped']} skipped; "
        f"{cost['images']:,} pictures, {duration(cost['cpu_seconds'])} of processor time in all, "
        f"{duration(cost['seconds_now'])} now"
    )
    lines += [f"failed: {cell['id']}: {cell['error']}" for cell in failed]
    lines.append(f"All numbers: {link(out.absolute() / RESULTS)}")
    if counts["done"]:
        write_study_report(out)
        lines.append(f"Open {link(out.absolute() / PAGE)} in a browser.")
    return {"out": str(out.absolute()), **counts, "real_cost": cost, "failed": failed}, lines


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Returns strict accuracy over all categories: a line per arm of an experiment, the mean over seeds."""
    grouped: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for row in rows:
        if row["category"] == "overall" and row["score"] == "strict" and row["mean"] is not None:
            setting = "" if row["arm"] == BASE and row["best_of"] == 1 else row["setting"]
            chooser = row["chooser"] if row["arm"] != BASE and row["chooser"] else ""
            reward = f"{row['reward']} < {chooser}" if chooser else row["reward"]
            key = (row["experiment"], row["arm"], reward, setting)
            grouped.setdefault(key, {}).setdefault(row["benchmark"], []).append(100 * row["mean"])
    lines, before = [], ""
    experiments = list(dict.fromkeys(key[0] for key in grouped))  # a cell of several stands in each
    for (experiment, *names), scores in sorted(
        grouped.items(), key=lambda each: experiments.index(each[0][0])
    ):
        if experiment != before:
            lines += [*([""] if before else []), f"{experiment}: strict, percent; mean over seeds"]
            before = experiment
        means = "   ".join(f"{name} {sum(each) / len(each):5.1f}" for name, each in scores.items())
        arm, reward, setting = names
        lines.append(f"  {arm:<15}{reward:<12} {setting:<22}{means}")
    return lines
