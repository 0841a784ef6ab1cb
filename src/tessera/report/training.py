"""The page of one training run: what came of it, the film strip, the curves, the alarms, the cost.

Reads a run folder (see `training/`) and nothing else, finished or killed, so a page can be made at any time
and on any machine.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from tessera.report.chart import share_bar
from tessera.report.film import read_film
from tessera.report.numbers import duration, percent, plural
from tessera.report.panels import first_and_last, further_panels, panels
from tessera.report.run_files import RunFiles, read_run
from tessera.report.theme import Series, render, series_of
from tessera.report.timing import phase_classes, phases
from tessera.statistics.alarms import GAP_LIMIT, WINDOW, Alarm, column, find_alarms
from tessera.statistics.intervals import LEVEL, Estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """One benchmark of validation prompts at its first and at its last measurement."""

    name: str
    series: Series
    first_step: int
    last_step: int
    first: Estimate
    last: Estimate
    first_soft: Estimate | None
    last_soft: Estimate | None

    @property
    def measured_twice(self) -> bool:
        """Whether there is a change to tell of."""
        return self.last_step > self.first_step


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """What one phase cost in all."""

    name: str
    seconds: float
    share: float
    classes: str
    bar: Markup


def training_page(folder: Path, next_step: str = "") -> str:
    """Returns the page of a run folder as HTML; `next_step` says what to do next, `code` in backticks."""
    run = read_run(folder)
    held_out = [each for name in run.benchmarks if (each := measured(run, name)) is not None]
    alarms = run_alarms(run)
    steps = run.setting("steps")
    return render(
        "training.html",
        title=f"Training {run.setting('recipe') or run.folder.resolve().name}",
        reading=reading(run, held_out),
        overlap=run.config.get("overlap", ""),
        unfinished=isinstance(steps, int) and run.step < steps,
        steps=steps,
        step=run.step,
        checkpoint=run.checkpoint,
        held_out=held_out,
        film=read_film(run),
        panels=panels(run),
        further=further_panels(run),
        window=WINDOW,
        level=LEVEL,
        alarms=alarms,
        alarmed={alarm.kind for alarm in alarms},
        cost=cost(run),
        total=total_cost(run),
        settings=settings(run.config),
        command=run.setting("command") or "",
        next_step=next_step,
    )


def run_alarms(run: RunFiles) -> list[Alarm]:
    """Returns what the rules of `statistics.alarms` say of the run."""
    groups = run.setting("algorithm", "prompts_per_step")
    limit = run.setting("algorithm", "max_replay_gap")
    return find_alarms(
        run.metrics,
        run.held_out,
        groups=groups if isinstance(groups, int) else None,
        gap_limit=float(limit) if limit else GAP_LIMIT,
    )


def reading(run: RunFiles, held_out: Sequence[HeldOut]) -> str:
    """Returns the result in plain words."""
    if not run.metrics:
        return "No step was finished yet, so there is no result."
    steps = run.setting("steps")
    done = plural(run.step, "step")
    if isinstance(steps, int) and run.step < steps:
        done = f"{run.step} of {plural(steps, 'step')}"
    text = f"In {done} and {plural(images(run), 'picture')}, {_reward(run)}."
    told = [each for each in held_out if not math.isnan(each.last.mean)]
    if told:
        parts = [_held_out(each, first=number == 0) for number, each in enumerate(told)]
        listed = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
        text += f" On held-out prompts, {listed}."
    return text


def images(run: RunFiles) -> int:
    """Returns how many pictures were sampled to learn from."""
    total = column(run.metrics, "images_total")
    known = total[np.isfinite(total)]
    return int(known.max()) if len(known) else int(np.nansum(column(run.metrics, "images")))


def measured(run: RunFiles, name: str) -> HeldOut | None:
    """Returns the first and last measurement of a benchmark, None without any that could be graded."""
    rows = [
        (row["step"], row[name])
        for row in run.held_out
        if isinstance(row.get(name), Mapping) and (row[name].get("strict") or {}).get("mean") is not None
    ]
    if not rows:
        return None
    (first_step, first), (last_step, last) = rows[0], rows[-1]
    return HeldOut(
        name=name,
        series=series_of(name),
        first_step=first_step,
        last_step=last_step,
        first=Estimate.from_json(first["strict"]),
        last=Estimate.from_json(last["strict"]),
        first_soft=Estimate.from_json(first["soft"]) if first.get("soft") else None,
        last_soft=Estimate.from_json(last["soft"]) if last.get("soft") else None,
    )


def _reward(run: RunFiles) -> str:
    reward_S = column(run.metrics, "reward")
    first, last = first_and_last(reward_S)
    if math.isnan(last):
        return "no reward was known"
    if np.count_nonzero(np.isfinite(reward_S)) < 2:
        return f"the trained reward is {last:.2f}"
    if f"{first:.2f}" == f"{last:.2f}":
        return f"the trained reward stayed at {last:.2f}"
    return f"the trained reward {'rose' if last > first else 'fell'} from {first:.2f} to {last:.2f}"


def _held_out(each: HeldOut, first: bool) -> str:
    """Returns e.g. "right pictures went from 38 % to 60 % in domain (60 prompts)"."""
    where = f"on {each.name}" if each.series == "neutral" else each.series.replace("-", " ")
    where += f" ({plural(each.last.n, 'prompt')})"
    subject = "the share of right pictures " if first else ""
    if not each.measured_twice:
        return f"{subject}{'is ' if first else ''}{percent(each.last.mean)} {where}"
    went = "went " if first else ""
    return f"{subject}{went}from {percent(each.first.mean)} to {percent(each.last.mean)} {where}"


def cost(run: RunFiles) -> list[Phase]:
    """Returns what each phase took, in the order of a step."""
    spent = {name: float(value_S.sum()) for name, value_S in phases(run).items()}
    total = sum(spent.values())
    if not total:
        return []
    return [
        Phase(
            name=name.replace("_", "-"),
            seconds=spent[name],
            share=spent[name] / total,
            classes=classes,
            bar=share_bar(spent[name] / total, series=classes),
        )
        for name, classes in zip(spent, phase_classes(list(spent)), strict=True)
    ]


def total_cost(run: RunFiles) -> str:
    """Returns pictures, time and speed in words."""
    seconds = float(np.nansum(column(run.metrics, "seconds")))
    drawn = images(run)
    if not seconds:
        return plural(drawn, "picture")
    return f"{plural(drawn, 'picture')} in {duration(seconds)}, {drawn / seconds:.1f} pictures per second"


def settings(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns every setting by its path, as `--flags` name them, in the order of the file."""
    rows = []
    for name, value in config.items():
        if isinstance(value, Mapping):
            rows += [(f"{name}.{inner}", text) for inner, text in settings(value)]
        else:
            rows.append((name, value if isinstance(value, str) else json.dumps(value)))
    return rows
