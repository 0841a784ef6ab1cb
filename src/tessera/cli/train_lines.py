"""What a person reads while training runs and when it is over."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from tessera.cli.common import console

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
    ("clip_fraction", "clipped", "{:.1%}"),
    ("zero_variance_groups", "flat groups", "{:d}"),
    ("missing", "missing", "{:d}"),
    ("sample_replay_gap", "gap", "{:.0e}"),
)
RECENT = 5  # steps that tell how long the next ones take
PHASES = ("sample", "reward", "update", "held_out")


class StepLines:
    """Prints a line per step on standard error, with what is left to wait."""

    def __init__(self, steps: int, *, quiet: bool) -> None:
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
    return [
        *lines,
        f"Open {page} in a browser: the same prompts and seeds, step by step, and the curves.",
        f"Next, measure it on the test prompts: {following}",
    ]


def _score(scores: Mapping[str, Mapping[str, float]]) -> str:
    strict = scores["strict"]
    return f"strict {strict['mean']:.3f} [{strict['ci_low']:.3f}, {strict['ci_high']:.3f}]"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
