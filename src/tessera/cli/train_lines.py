"""What a person reads while training runs and when it is over."""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tessera.cli.progress import console
from tessera.report.run_files import RunFiles, read_run
from tessera.report.training import run_alarms

# (key of metrics.jsonl, words on the line, format); left out where an algorithm has no such number.
COLUMNS = (
    ("reward", "reward", "{:.3f}"),
    ("reward_std", "±", "{:.3f}"),
    ("accuracy", "accuracy", "{:.2f}"),
    ("margin", "margin", "{:.2f}"),
    ("chosen_change", "chosen", "{:+.1f}"),
    ("rejected_change", "rejected", "{:+.1f}"),
    ("kl", "kl", "{:.4f}"),
    ("entropy", "entropy", "{:.3f}"),
    ("diversity", "diversity", "{:.3f}"),
    ("clip_fraction", "clipped", "{:.1%}"),
    ("zero_variance_groups", "flat groups", "{:d}"),
    ("missing", "missing", "{:d}"),
    ("sample_replay_gap", "gap", "{:.0e}"),
)
LOOKS = 1_000  # for alarms: one per step, or per thousandth of the steps so far
RECENT = 5  # steps that tell how long the next ones take
PHASES = ("sample", "reward", "update", "held_out")


class StepLines:
    """Prints a line per step on standard error, with what is left to wait, and alarms as they arise."""

    def __init__(self, folder: Path, steps: int, *, quiet: bool) -> None:
        self._alarms = AlarmLines(folder)
        self._steps = steps
        self._quiet = quiet
        self._recent: deque[float] = deque(maxlen=RECENT)

    def __call__(self, row: Mapping[str, Any]) -> None:
        if self._quiet:
            return
        seconds = row["seconds"]
        self._recent.append(seconds)
        spent = [f"{name} {row[f'seconds_{name}']:.1f}" for name in PHASES if f"seconds_{name}" in row]
        speed = f"{row['images'] / seconds:.0f} img/s  " if row["images"] else ""
        left = sum(self._recent) / len(self._recent) * (self._steps - row["step"])
        numbers = [
            f"{word} {form.format(row[key])}" for key, word, form in COLUMNS if row.get(key) is not None
        ]
        console.print(
            f"step {row['step']:>{len(str(self._steps))}}/{self._steps}  {'  '.join(numbers)}  "
            f"{speed}{seconds:.1f} s ({', '.join(spent)})  {_clock(left)} left",
            soft_wrap=True,
        )
        for name, scores in row.get("held_out", {}).items():
            console.print(f"  validation {name}: {_score(scores)}", soft_wrap=True)
        self._alarms(row)


class AlarmLines:
    """Prints alarms with what to do: each kind when it arises, and again only if it had gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._run: RunFiles | None = None
        self._metrics: list[Mapping[str, Any]] = []
        self._held_out: list[Mapping[str, Any]] = []
        self._due = 0  # how many steps there are when it looks next
        self._standing: frozenset[str] = frozenset()

    def __call__(self, row: Mapping[str, Any]) -> None:
        run = self._add(row)
        # A look is at every row (6 ms at 500 steps, 31 at 5,000), so a long run is looked at less often.
        steps = len(self._metrics)
        if steps < self._due and "held_out" not in row:
            return
        self._due = steps + max(1, steps // LOOKS)
        alarms = run_alarms(replace(run, metrics=tuple(self._metrics), held_out=tuple(self._held_out)))
        for alarm in alarms:
            if alarm.kind not in self._standing:
                console.print(
                    f"  ! {alarm.kind}: {alarm.what}", style="bold red", markup=False, soft_wrap=True
                )
                console.print(f"    {alarm.advice}", style="yellow", markup=False, soft_wrap=True)
        self._standing = frozenset(alarm.kind for alarm in alarms)

    def _add(self, row: Mapping[str, Any]) -> RunFiles:
        """Returns the run as the first line found it, which was written before it was printed."""
        if self._run is None:
            self._run = read_run(self._folder)
            self._metrics += self._run.metrics
            self._held_out += self._run.held_out
            return self._run
        self._metrics.append(row)
        if measured := row.get("held_out"):
            self._held_out.append({"step": row["step"], **measured})
        return self._run


def closing_lines(result: Mapping[str, Any], page: str, following: str) -> list[str]:
    """Returns validation scores before and after, and what to do next."""
    lines = [f"{result['step']} steps, {result['images']} pictures, {_clock(result['seconds'])} minutes"]
    if result["held_out"]:
        first, last = result["held_out"][0], result["held_out"][-1]
        lines += [
            f"validation {name}: {_score(first[name])} before, {_score(last[name])} after"
            for name in last
            if name != "step"
        ]
    if result["overlap"]:
        lines.append(result["overlap"])
    if result["alarms"]:
        kinds = ", ".join(dict.fromkeys(alarm["kind"] for alarm in result["alarms"]))
        lines.append(f"Alarms at the end: {kinds}. The page says what to do.")
    return [
        *lines,
        f"Open {page} in a browser: the same prompts and seeds, step by step, and the curves.",
        f"Next, measure it on the test prompts: {following}",
    ]


def _score(scores: Mapping[str, Mapping[str, float]]) -> str:
    strict = scores["strict"]
    judged = [
        f", {name} {score['mean']:.3f}"
        for name, score in scores.items()
        if name not in ("strict", "soft") and score["mean"] is not None
    ]
    interval = f"[{strict['ci_low']:.3f}, {strict['ci_high']:.3f}]"
    return f"strict {strict['mean']:.3f} {interval}{''.join(judged)}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
