"""A study folder as data: the rows of its results, its cells, and the scores of each prompt behind them.

    OUT/results.json   one row per experiment x cell x benchmark x category x score
    OUT/cells.json     what became of each cell
    OUT/study.json     configuration, versions, machine, real cost

Reads files, changes nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tessera.benchmarks.layout import RECORDS, SCORES
from tessera.errors import UserError
from tessera.report.study.rows import (
    COSTS,
    OVERALL,
    Arm,
    Failure,
    Miss,
    Place,
    Row,
    Unscored,
    failure_of,
    mean_of,
    miss_of,
    number,
    row_of,
    unscored_of,
)
from tessera.report.theme import Series, series_of
from tessera.statistics.crossed import Crossed, Score, cross
from tessera.storage import read_jsonl
from tessera.types import EvalRecord

RESULTS, CELLS, STUDY = "results.json", "cells.json", "study.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """The folder, read."""

    folder: Path
    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]
    unscored: tuple[Unscored, ...]
    misses: tuple[Miss, ...]
    cells: int
    about: Mapping[str, Any]
    _by_arm: Mapping[Arm, tuple[Row, ...]] = field(repr=False)  # best-of-n left out
    _records: dict[str, tuple[EvalRecord, ...]] = field(default_factory=dict, repr=False)
    _scores: dict[str, dict[Place, dict[str, float]]] = field(default_factory=dict, repr=False)
    _crossed: dict[tuple[tuple[str, ...], str, Score], Crossed | None] = field(
        default_factory=dict, repr=False
    )

    @property
    def experiments(self) -> tuple[str, ...]:
        """Those that have results, in the order of the file."""
        return tuple(dict.fromkeys(row.arm.experiment for row in self.rows))

    def benchmarks(self, experiment: str) -> tuple[str, ...]:
        """Returns what an experiment was measured on, in the order of the file."""
        return tuple(dict.fromkeys(row.benchmark for row in self.rows if row.arm.experiment == experiment))

    def benchmark(self, experiment: str, series: Series) -> str | None:
        """Returns the experiment's first benchmark in or out of domain, None if it has none."""
        return next((name for name in self.benchmarks(experiment) if series_of(name) == series), None)

    def arms(self, experiment: str) -> tuple[Arm, ...]:
        """Returns the experiment's arms with results in the order of the file, the base first."""
        found = [arm for arm in self._by_arm if arm.experiment == experiment]
        return tuple(sorted(found, key=lambda arm: arm.trained))

    def base(self, experiment: str) -> Arm | None:
        """Returns the experiment's untrained arm, None if it was not measured."""
        return next((arm for arm in self.arms(experiment) if not arm.trained), None)

    def find(
        self, arm: Arm, benchmark: str, category: str = OVERALL, score: Score = "strict"
    ) -> tuple[Row, ...]:
        """Returns the arm's rows in the order of their seeds."""
        wanted = (benchmark, category, score)
        rows = self._by_arm.get(arm, ())
        found = [row for row in rows if (row.benchmark, row.category, row.score) == wanted]
        return tuple(sorted(found, key=lambda row: row.seed))

    def mean(self, arm: Arm, benchmark: str, category: str = OVERALL, score: Score = "strict") -> float:
        """Returns the mean over seeds of what the results say."""
        return mean_of(row.estimate.mean for row in self.find(arm, benchmark, category, score))

    def cells_of(self, arm: Arm) -> tuple[Row, ...]:
        """Returns one row for each of the arm's cells, by seed: what all rows of a cell share is in it."""
        by_seed = {row.seed: row for row in self._by_arm.get(arm, ())}
        return tuple(by_seed[seed] for seed in sorted(by_seed))

    def cost(self, arm: Arm) -> dict[str, float]:
        """Returns the mean over seeds of each entry of the ledger."""
        return {name: mean_of(row.cost[name] for row in self.cells_of(arm)) for name in COSTS}

    def records(self, folder: str) -> tuple[EvalRecord, ...]:
        """Returns the graded pictures of an evaluation folder; none if it has gone."""
        if folder not in self._records:
            rows = read_jsonl(self.folder / folder / RECORDS) if folder else ()
            self._records[folder] = tuple(map(EvalRecord.from_json, rows))
        return self._records[folder]

    def scores(self, folder: str, scorer: str) -> dict[Place, float]:
        """Returns what a scorer says of the pictures in a folder; nothing if it was not asked."""
        if folder not in self._scores:
            rows = read_jsonl(self.folder / folder / SCORES) if folder else ()
            self._scores[folder] = {
                (row["benchmark"], row["prompt_id"], row["sample"]): {
                    name: number(value) for name, value in row["values"].items()
                }
                for row in rows
            }
        return {place: values[scorer] for place, values in self._scores[folder].items() if scorer in values}

    def setting(self, experiment: str, name: str) -> Any:
        """Returns a setting of an experiment from the study's configuration, None where it says nothing."""
        listed = self.about.get("config", {}).get("experiments", [])
        return next((each.get(name) for each in listed if each["name"] == experiment), None)

    def crossed(self, arms: Sequence[Arm], benchmark: str, score: Score = "strict") -> Crossed | None:
        """Returns all policies of these arms, arm by arm and by seed, on the prompts that they share.

        None if an evaluation folder has gone.
        """
        folders = tuple(row.eval for arm in arms for row in self.cells_of(arm))
        key = (folders, benchmark, score)
        if key not in self._crossed:
            graded = [[r for r in self.records(each) if r.benchmark == benchmark] for each in folders]
            self._crossed[key] = cross(graded, score) if graded and all(graded) else None
        return self._crossed[key]


def read_study(folder: Path) -> Study:
    """Returns the study in the folder; raises a `UserError` if it holds none."""
    cells = _read(folder, CELLS)
    rows = tuple(map(row_of, _read(folder, RESULTS)))
    by_arm: dict[Arm, list[Row]] = {}
    for row in rows:
        if row.best_of == 1:
            by_arm.setdefault(row.arm, []).append(row)
    return Study(
        folder=folder,
        rows=rows,
        _by_arm={arm: tuple(mine) for arm, mine in by_arm.items()},
        failures=tuple(failure_of(cell) for cell in cells if cell["status"] != "done"),
        unscored=tuple(each for cell in cells for each in unscored_of(cell)),
        misses=tuple(miss for cell in cells if (miss := miss_of(cell)) is not None),
        cells=len(cells),
        about=_read(folder, STUDY),
    )


def _read(folder: Path, name: str) -> Any:
    path = folder / name
    if not path.is_file():
        raise UserError(f"{folder} is no study folder: {name} is missing. `tessera study` makes one")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not whole ({error}); run the study again with --resume") from error
