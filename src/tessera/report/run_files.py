"""A run folder as data, as whole or as torn as a kill left it. Reads files, changes nothing."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tessera.errors import UserError
from tessera.storage import CONFIG
from tessera.training.metrics import HELD_OUT, METRICS

STEP_FOLDER = re.compile(r"step_(\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFiles:
    """What a run left behind. Rows are in the order of their steps, one per step."""

    folder: Path
    config: Mapping[str, Any]
    metrics: tuple[Mapping[str, Any], ...]
    held_out: tuple[Mapping[str, Any], ...]  # {"step", benchmark: {"strict": estimate, "soft": estimate}}
    checkpoint: int | None  # step of the last whole one

    @property
    def step(self) -> int:
        """The last finished step."""
        return int(self.metrics[-1]["step"]) if self.metrics else 0

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Names of what was measured on validation prompts."""
        return tuple(dict.fromkeys(name for row in self.held_out for name in row if name != "step"))

    def setting(self, *path: str) -> Any:
        """Returns a value of the configuration, None where there is none."""
        value: Any = self.config
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value


def read_run(folder: Path) -> RunFiles:
    """Returns the run in the folder; raises a `UserError` if it holds none."""
    path = folder / CONFIG
    if not path.is_file():
        raise UserError(f"{folder} is no run folder: {CONFIG} is missing. `tessera train` makes one")
    try:
        config = json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not whole ({error}); start the run again") from error
    metrics = _by_step(read_rows(folder / METRICS))
    held_out = _by_step(read_rows(folder / HELD_OUT))
    if not held_out:
        held_out = [{"step": row["step"], **row["held_out"]} for row in metrics if row.get("held_out")]
    whole = [step for step, path in step_folders(folder / "checkpoints") if (path / "COMPLETE").exists()]
    return RunFiles(
        folder=folder,
        config=config,
        metrics=tuple(metrics),
        held_out=tuple(held_out),
        checkpoint=max(whole, default=None),
    )


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Returns the rows of a file, none if it is absent, without a last line that a kill left torn."""
    if not path.is_file():
        return []
    lines = path.read_text("utf-8", errors="replace").splitlines()
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise UserError(
                    f"{path}, line {number}, is no JSON ({error}): the file was changed"
                ) from error
    return [row for row in rows if isinstance(row, dict)]


def step_folders(folder: Path) -> list[tuple[int, Path]]:
    """Returns (step, path) of the folders named step_NNNNNN, in the order of steps."""
    found = [(STEP_FOLDER.fullmatch(path.name), path) for path in folder.glob("step_*") if path.is_dir()]
    return sorted((int(match[1]), path) for match, path in found if match)


def _by_step(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns one row per step, the last one written: a resumed run writes steps again."""
    latest = {row["step"]: row for row in rows if isinstance(row.get("step"), int)}
    return [latest[step] for step in sorted(latest)]
