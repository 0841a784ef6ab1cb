"""What a cell used up by itself, summed from the ledger of its run."""

import json
from pathlib import Path
from typing import Any

from tessera.storage import CONFIG, read_jsonl
from tessera.study.matching import token_passes
from tessera.study.stages import Plan, read_complete, stage_folder
from tessera.training.ledger import EXPENSES
from tessera.training.metrics import LEDGER

SUMS = (*EXPENSES, "gradient_steps", "token_passes", "seconds", "cpu_seconds")


def spent_by(out: Path, plan: Plan, train: str | None) -> dict[str, Any]:
    """Returns what a cell used up: sums over its steps, the last peak, and the shared rollouts' time."""
    if train is None:
        return dict.fromkeys(SUMS, 0) | {"peak_memory_mb": None}
    folder = stage_folder(out, train)
    entries = list(read_jsonl(folder / LEDGER))
    spent: dict[str, Any] = {name: sum(entry[name] for entry in entries) for name in EXPENSES}
    spent["gradient_steps"] = len(entries)
    drawn = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["drawn_view"]
    spent["token_passes"] = token_passes(spent, branches=1 if drawn["guidance"] == 1.0 else 2)
    shared = [cost for name in plan.stages[train].inputs.values() if (cost := read_complete(out, name))]
    for name in ("seconds", "cpu_seconds"):
        spent[name] = round(sum(entry[name] for entry in (*entries, *shared)), 2)
    spent["peak_memory_mb"] = max((entry["peak_memory_mb"] for entry in entries), default=None)
    return spent
