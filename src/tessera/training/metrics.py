"""What a run writes of itself while it runs: one line per step, and where the seconds went."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tessera.storage import append_jsonl, cut_jsonl, full_disk_told

METRICS = "metrics.jsonl"  # one line per step
LEDGER = "ledger.jsonl"  # likewise: what the step used up
EVALUATED = "eval.jsonl"  # one line per graded validation picture
HELD_OUT = "held_out.jsonl"  # one line per measurement on validation prompts
PICTURES = "pictures"  # the film strip: step_000010/<n>.png
GRADES = f"{PICTURES}/grades.jsonl"  # their verdicts, one line per picture
CAPTIONS = "prompts.json"  # beside them: [{"prompt", "category"}], by number

# In every line of METRICS, null where an algorithm or a step has none. Means are over the step's rollouts.
ALWAYS = (
    "step",  # optimizer steps taken so far
    "reward",  # mean of the known rewards
    "reward_std",  # mean over groups of the spread within a group
    "kl",  # k3 estimate of KL(policy || reference), nats per token
    "entropy",  # of the trained view, nats per token
    "diversity",  # share of tokens in which two rollouts of a prompt differ
    "clip_fraction",  # share of tokens whose gradient was cut
    "zero_variance_groups",  # groups whose rewards are all equal: they teach nothing
    "missing",  # rollouts without a reward
    # Mean |log-prob as drawn - as replayed|, on the first step of a round; none if another view is trained.
    "sample_replay_gap",
    "loss",
    "grad_norm",  # before clipping
    "lr",
    "images",  # pictures sampled for this step
    "images_total",  # and since the run began
    "seconds",  # this step took, with everything in it
)

OnStep = Callable[[Mapping[str, Any]], None]


class Stopwatch:
    """Seconds by phase since the last `lap`."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._phases: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the time inside towards the phase."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._phases[name] = self._phases.get(name, 0.0) + time.perf_counter() - start

    def lap(self) -> dict[str, float]:
        """Returns the seconds since the last lap, in all and by phase, and starts the next."""
        now = time.perf_counter()
        phases = {f"seconds_{name}": round(spent, 4) for name, spent in self._phases.items()}
        seconds = {"seconds": round(now - self._start, 4), **phases}
        self._start, self._phases = now, {}
        return seconds


def write_line(run: Path, row: Mapping[str, Any]) -> dict[str, Any]:
    """Appends a step's line, with null for what it lacks; returns it."""
    line = {name: row.get(name) for name in ALWAYS} | dict(row)
    with full_disk_told(run):
        append_jsonl(run / METRICS, [line])
    return line


def forget_after(run: Path, step: int) -> None:
    """Cuts the lines of later steps, which a resumed run writes again."""
    for name in (METRICS, LEDGER, EVALUATED, HELD_OUT, GRADES):
        if (run / name).exists():
            cut_jsonl(run / name, lambda row: row["step"] <= step)
