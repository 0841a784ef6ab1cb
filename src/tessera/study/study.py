"""A study from its data to its files: rates, cells, stages, results. Its folder:

study.json     the study, its digest, versions, machine, times, what it really cost
sweep.json     where rates were swept: what each was worth on validation prompts
pilots.json    where arms are matched by FLOPs or seconds: what short runs of each used up
cells.json results.json results.csv   (results.py)
timeline.jsonl when each stage ran (runner.py)
stages/        (stages.py)
"""

import fcntl
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tessera import __version__
from tessera.config import digest, to_plain
from tessera.errors import OutputError, UserError, unknown
from tessera.pool import cores
from tessera.storage import write_json
from tessera.study.cells import Cell, cells_of
from tessera.study.config import StudyConfig, SweepRates
from tessera.study.matching import images_of
from tessera.study.pilots import measure_costs, plan_pilots, unmatched
from tessera.study.results import command_of, write_results
from tessera.study.runner import Executor, Outcome, run_stages
from tessera.study.stages import Plan, code_version, plan_of, read_complete
from tessera.study.sweep import choose_rates, known_rates, plan_sweep
from tessera.types import Progress

STUDY = "study.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """How a study ended."""

    cells: tuple[dict[str, Any], ...]  # as in cells.json
    interrupted: bool

    def count(self, status: str) -> int:
        """Returns how many cells are done, failed or skipped."""
        return sum(cell["status"] == status for cell in self.cells)


def run_study(
    study: StudyConfig,
    out: Path,
    executor: Executor,
    *,
    resume: bool,
    command: str,
    on_progress: Progress,
    tell: Callable[[str], None],
    only: Sequence[str] = (),
) -> Finished:
    """Runs what the folder lacks and writes the results; `only` names the experiments to run now."""
    names = [experiment.name for experiment in study.experiments]
    for name in only:
        if name not in names:
            raise UserError(unknown("experiment", name, names))
    rates, failed_arms = known_rates(study), dict[str, str]()
    cells = cells_of(study, rates)  # refuses arms that are not matched, before anything runs
    code, clock = code_version(), time.perf_counter()
    outcomes: list[Outcome] = []
    plans: list[Plan] = []

    def make(plan: Plan, names: Sequence[str], commands: Mapping[str, str]) -> Mapping[str, str]:
        """Makes the stages, unless somebody has interrupted; returns the errors."""
        plans.append(plan)
        if not any(outcome.interrupted for outcome in outcomes):
            outcomes.append(
                run_stages(plan, names, out, executor, commands=commands, on_progress=on_progress, tell=tell)
            )
        return {name: error for outcome in outcomes for name, error in outcome.errors.items()}

    with _claimed(out, resume):
        started = _begin(out, study, code, command, executor.slots)
        if isinstance(study.rates, SweepRates):
            plan, trials = plan_sweep(study, study.rates, code)
            chosen, failed_arms = choose_rates(out, trials, make(plan, list(plan.stages), {}))
            rates = {**rates, **chosen}
            cells = cells_of(study, rates)
        unmatched_cells = dict[str, str]()
        if study.match != "images":
            asked = [cell for cell in cells if _wanted(cell, only) and cell.places[0].arm not in failed_arms]
            plan, pilots = plan_pilots(asked, code)
            errors = make(plan, list(plan.stages), {})
            costs, without_cost = measure_costs(out, plan, pilots, cells, errors)
            cells = cells_of(study, rates, costs)
            unmatched_cells = unmatched([cell for cell in cells if _wanted(cell, only)], without_cost)
        swept = {cell.id: failed_arms[arm] for cell in cells if (arm := cell.places[0].arm) in failed_arms}
        failed = {**unmatched_cells, **swept}
        plan = plan_of(cells, code)
        asked = [cell for cell in cells if cell.id not in failed and _wanted(cell, only)]
        errors = make(plan, plan.needed([cell.id for cell in asked]), _commands(asked, plan))
        described = write_results(out, cells, plan, errors, failed)
        finished = Finished(
            cells=tuple(described), interrupted=any(outcome.interrupted for outcome in outcomes)
        )
        cost = _real_cost(out, plans, time.perf_counter() - clock, sum(each.made for each in outcomes))
        write_json(
            out / STUDY,
            {
                **started,
                "finished": None if finished.interrupted else _now(),
                "real_cost": cost,
                "cells": {status: finished.count(status) for status in ("done", "failed", "skipped")},
            },
        )
    return finished


def sampled(cells: Sequence[Cell]) -> int:
    """Returns how many pictures the cells sample for training, each by itself."""
    return sum(images_of(cell.run) for cell in cells if cell.run)


def _wanted(cell: Cell, only: Sequence[str]) -> bool:
    return not only or any(place.experiment in only for place in cell.places)


def _commands(cells: Sequence[Cell], plan: Plan) -> dict[str, str]:
    """Returns the line of each stage that a person could have typed."""
    commands: dict[str, str] = {}
    for cell in cells:
        made, (first, _, last) = plan.made[cell.id], command_of(cell).partition(" && ")
        if made.train is not None:
            commands.setdefault(made.train, first)
        commands.setdefault(made.measure, last or first)
    return commands


@contextmanager
def _claimed(out: Path, resume: bool) -> Iterator[None]:
    """Holds the folder, which is new or a study's, against a second study in it."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file; --out must name a folder")
    there = out.is_dir() and any(not path.name.startswith(".") for path in out.iterdir())
    if there and not resume:
        raise OutputError(
            f"{out} exists and is not empty. Choose another --out, or keep what it holds with --resume"
        )
    if there and not (out / STUDY).exists():
        raise OutputError(f"{out} was not made by this command (it has no {STUDY}); choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(f"another study is running in {out}; wait for it, or end it") from error
        yield


def _begin(out: Path, study: StudyConfig, code: str, command: str, workers: int) -> dict[str, Any]:
    """Writes what is known before anything runs; returns it."""
    path = out / STUDY
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    started = {
        "name": study.name,
        "digest": digest(study),
        "config": to_plain(study),
        "command": command,
        "tessera": __version__,
        "code": code,
        "versions": {name: version(name) for name in ("torch", "numpy")},
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "python": platform.python_version(),
            "cpus": cores(),
        },
        "workers": workers,
        "started": before.get("started", _now()),
    }
    write_json(path, {**started, "finished": None})
    return started


def _real_cost(out: Path, plans: Sequence[Plan], seconds: float, made: int) -> dict[str, Any]:
    """Returns what all stages cost, each counted once; of one made in several sittings, the last."""
    names = {name for plan in plans for name in plan.stages}
    costs = [cost for name in sorted(names) if (cost := read_complete(out, name))]
    return {
        "stages": len(costs),
        "made_now": made,
        "images": sum(cost["images"] for cost in costs),
        "seconds_of_stages": round(sum((cost["seconds"] for cost in costs), 0.0), 1),
        "cpu_seconds": round(sum((cost["cpu_seconds"] for cost in costs), 0.0), 1),
        "seconds_now": round(seconds, 1),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
