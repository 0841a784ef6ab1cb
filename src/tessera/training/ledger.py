"""The ledger: what a run used up, step by step, so that arms are compared at equal cost.

    images           pictures sampled for training, replaced groups included; not those that are only watched
    reward_calls     pictures shown to the reward
    tokens_sampled   image tokens drawn
    tokens_scored    image tokens replayed without gradient, by the reference or under another view; once,
                     where several updates need the same
    tokens_trained   image tokens replayed with gradient
    seconds          wall clock spent on training: measurements and the film strip are left out
    cpu_seconds      of all processes, everything included
    peak_memory_mb   so far, of the largest process: of the GPU where there is one, else resident

Guidance replays each rollout twice, once with the null prompt; both count.
"""

import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tessera.algorithms.base import Expense
from tessera.storage import append_jsonl, full_disk_told
from tessera.training.distributed import Team
from tessera.training.metrics import LEDGER

EXPENSES: tuple[Expense, ...] = (
    "images",
    "reward_calls",
    "tokens_sampled",
    "tokens_scored",
    "tokens_trained",
)
WATCHING = ("held_out", "film")  # phases of the clock that are no training


class Ledger:
    """What this process has used up since the last entry."""

    def __init__(self) -> None:
        self._spent: dict[Expense, int] = dict.fromkeys(EXPENSES, 0)
        self._cpu = time.process_time()

    def spend(self, what: Expense, amount: int) -> None:
        """Notes an expense."""
        self._spent[what] += amount

    def entry(self, team: Team, step: int, clock: Mapping[str, float]) -> dict[str, Any]:
        """Returns the step's line, over all processes, and begins the next; `clock` is a lap."""
        now = time.process_time()
        mine = torch.tensor([*self._spent.values(), now - self._cpu], dtype=torch.float64)
        *spent, cpu = team.add(mine).tolist()
        peak = team.gather(torch.tensor([_peak_memory()])).max().item()
        self._spent, self._cpu = dict.fromkeys(EXPENSES, 0), now
        watched = sum(clock.get(f"seconds_{phase}", 0.0) for phase in WATCHING)
        return {
            "step": step,
            **{name: round(amount) for name, amount in zip(EXPENSES, spent, strict=True)},
            "seconds": round(clock["seconds"] - watched, 4),
            "cpu_seconds": round(cpu, 3),
            "peak_memory_mb": round(peak, 1),
        }


def write_entry(run: Path, entry: Mapping[str, Any]) -> None:
    """Appends a line to the run's ledger."""
    with full_disk_told(run):
        append_jsonl(run / LEDGER, [dict(entry)])


def _peak_memory() -> float:
    """Returns the most memory this process has held, in MiB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    # Kilobytes on Linux, bytes on macOS.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
