"""A study folder as data: the rows of its results, its cells, and the scores of each prompt behind them.

    OUT/results.json   one row per experiment x cell x benchmark x category x score
    OUT/cells.json     what became of each cell
    OUT/study.json     configuration, versions, machine, real cost

Reads files, changes nothing.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tessera.benchmarks.layout import RECORDS
from tessera.errors import UserError
from tessera.report.theme import Series, series_of
from tessera.statistics.crossed import Crossed, Score, cross
from tessera.statistics.intervals import Estimate
from tessera.storage import read_jsonl
from tessera.types import EvalRecord

RESULTS, CELLS, STUDY = "results.json", "cells.json", "study.json"
BASE, DEFAULT, OVERALL = "base", "default", "overall"  # an arm, a setting, a category

# What a row says of its cell's ledger, in the order of the tables.
COSTS = (
    "images",
    "reward_calls",
    "gradient_steps",
    "tokens_sampled",
    "tokens_scored",
    "tokens_trained",
    "kl",
    "cpu_seconds",
    "seconds",
    "peak_memory_mb",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One line of an experiment's comparison: all that its cells share but the seed."""

    experiment: str
    arm: str
    algorithm: str = ""
    reward: str = ""
    setting: str = DEFAULT

    @property
    def trained(self) -> bool:
        """Whether it is not the base."""
        return self.arm != BASE

    @property
    def axis(self) -> tuple[str, float] | None:
        """The scaling axis and the value that the setting names: "samples=8"; None for any other setting."""
        name, _, text = self.setting.rpartition("=")
        try:
            return (name, float(text)) if name else None
        except ValueError:
            return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the results. `best_of` above 1: of so many pictures of the policy, `chooser` took one."""

    arm: Arm
    seed: int
    benchmark: str
    category: str
    score: Score
    estimate: Estimate
    best_of: int
    chooser: str
    cost: Mapping[str, float]
    lr: float
    run: str  # folders, relative to the study's; empty where there is none
    eval: str
    scores: Mapping[str, str]  # likewise, by judge
    command: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A cell without results."""

    id: str
    status: str
    error: str
    command: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """The folder, read."""

    folder: Path
    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]
    cells: int
    about: Mapping[str, Any]
    _by_arm: Mapping[Arm, tuple[Row, ...]] = field(repr=False)  # best-of-n left out
    _records: dict[str, tuple[EvalRecord, ...]] = field(default_factory=dict, repr=False)
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
    rows = tuple(map(_row, _read(folder, RESULTS)))
    by_arm: dict[Arm, list[Row]] = {}
    for row in rows:
        if row.best_of == 1:
            by_arm.setdefault(row.arm, []).append(row)
    return Study(
        folder=folder,
        rows=rows,
        _by_arm={arm: tuple(mine) for arm, mine in by_arm.items()},
        failures=tuple(_failure(cell) for cell in cells if cell["status"] != "done"),
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


def _row(row: Mapping[str, Any]) -> Row:
    mean, low, high = (number(row.get(key)) for key in ("mean", "ci_low", "ci_high"))
    return Row(
        arm=Arm(
            experiment=row["experiment"],
            arm=row["arm"],
            algorithm=row["algorithm"] or "",
            reward=row["reward"] or "",
            setting=row["setting"] or DEFAULT,
        ),
        seed=row["seed"] or 0,
        benchmark=row["benchmark"],
        category=row["category"],
        score=row["score"],
        estimate=Estimate(mean, low, high, row["n_prompts"]),
        best_of=row["best_of"] or 1,
        chooser=row.get("chooser") or "",
        cost={name: number(row.get(name)) for name in COSTS},
        lr=number(row.get("lr")),
        run=row.get("run") or "",
        eval=row.get("eval") or "",
        scores=row.get("scores") or {},
        command=row.get("command") or "",
    )


def _failure(cell: Mapping[str, Any]) -> Failure:
    return Failure(
        id=str(cell["id"]),
        status=cell["status"],
        error=cell.get("error") or "",
        command=cell.get("command") or "",
    )


def number(value: float | int | None) -> float:
    """Returns a number of a JSON file; null and nothing are NaN."""
    return math.nan if value is None else float(value)


def mean_of(values: Iterable[float]) -> float:
    """Returns the mean of what is known, NaN if nothing is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
