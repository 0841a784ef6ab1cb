"""What `tessera study` says: what would run, and at the end what came out and where it lies."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tessera.benchmarks.layout import PAGE
from tessera.cli.common import link
from tessera.cli.progress import console
from tessera.policies.settings import SHIPPED
from tessera.pool import cores
from tessera.report.study.page import write_study_report
from tessera.study.cells import Cell, cells_of
from tessera.study.config import BASE, StudyConfig, Unit
from tessera.study.expected import ASSUMED, gpu_seconds, remaining
from tessera.study.presets import PRESETS, load_study
from tessera.study.results import RESULTS, command_of
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
def executor(study: StudyConfig, runner: str, workers: int) -> Iterator[Executor]:
    """Yields where stages run; but for the shipped policy that is a GPU each, where there are some."""
    gpus = visible_gpus() if needs_gpus(study) else ()
    if runner == "local":
        yield Local(workers, gpus)
        return
    with open_ray(workers, gpu=needs_gpus(study)) as cluster:
        yield cluster


def needs_gpus(study: StudyConfig) -> bool:
    """Returns whether its policy is too large for a core."""
    return study.policy not in SHIPPED


def visible_gpus() -> tuple[str, ...]:
    """Returns the GPUs that a process may be given, as CUDA_VISIBLE_DEVICES names them."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = told.split(",") if told else [str(number) for number in range(torch.cuda.device_count())]
    return tuple(names) if torch.cuda.is_available() else ()


def default_workers(study: StudyConfig) -> int:
    """Returns how many stages run at once where nobody says: one a core, or one a GPU."""
    return max(1, len(visible_gpus())) if needs_gpus(study) else cores()


def dry_run(
    study: StudyConfig, seeds: Sequence[int], match: Unit | None, workers: int | None
) -> tuple[dict[str, Any], list[str]]:
    """Returns what every study would take and the cells of this one, as data and as lines."""
    known = {each.name: each for each in (*(asked_for(name, seeds, match) for name in PRESETS), study)}
    outlines = [_outline(each, workers or default_workers(each)) for each in known.values()]
    head = f"{'study':<10}{'cells':>7}{'stages':>8}{'seeds':>7}{'images':>10}   expected"
    table = [
        f"{each['study']:<10}{each['cells']:>7}{each['stages']:>8}{each['seeds']:>7}{each['images']:>10,}   "
        f"about {duration(each['expected_seconds'])} on {each['workers']} {each['on']}"
        + (f", {each['gpu_hours']:,.0f} GPU-hours" if each["gpu_hours"] else "")
        for each in outlines
    ]
    found = cells_of(study, known_rates(study))
    cells = []
    for cell in found:
        place = cell.places[0]
        names = ", ".join(dict.fromkeys(place.experiment for place in cell.places))
        seed = "" if place.seed is None else f"seed {place.seed}"
        cells.append(f"  {place.arm:<15}{place.reward:<14} {place.setting:<22}{seed:<9}{names}")
    if study.match != "images":
        table.append(f"Matched by {study.match}: before these, a pilot of every run says how long it may be.")
    if any(each["gpu_hours"] for each in outlines):
        table.append(f"GPU-hours are assumed {ASSUMED}.")
    shown = ["", f"{study.name}: arm, reward, setting, seed, and the experiments that it serves", *cells]
    commands = {cell.id: command_of(cell) for cell in found}
    if needs_gpus(study):
        shown += _commands(study, found)
    return {"studies": outlines, "commands": commands}, [head, *table, *shown]


def _commands(study: StudyConfig, cells: Sequence[Cell]) -> list[str]:
    """Returns what to type: for the study, and for one of its cells without it."""
    run = f"tessera study {study.name} --out runs/{study.name}"
    lines = [
        "",
        "One node, a stage on each of its 8 GPUs:",
        f"{run} --workers 8",
        "Several nodes that share the folder, 4 of 8 GPUs (ray start on each; extra: ray):",
        f"RAY_ADDRESS=HOST:6379 {run} --runner ray --workers 32",
    ]
    trained = next((cell for cell in cells if cell.run is not None), None)
    if trained is not None:
        train = command_of(trained).partition(" && ")[0]
        lines += [
            "One of its cells by itself, on one GPU; --json has the lines of all cells:",
            command_of(trained),
            "The same on 2 nodes of 8 GPUs, this line on each:",
            "torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 "
            f"-m {train}",
        ]
    return lines


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
        "workers": workers,
        "on": "GPUs" if needs_gpus(study) else "cores",
        "expected_seconds": round(remaining(plan, list(plan.stages), {}, workers), 1),
        "gpu_hours": round(gpu_seconds(plan) / 3600, 1),
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
