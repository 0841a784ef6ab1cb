"""The lines of a study's results as records: arms, rows, and the cells that lack something."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tessera.statistics.crossed import Score
from tessera.statistics.intervals import Estimate

BASE, DEFAULT, OVERALL = "base", "default", "overall"  # an arm, a setting, a category

Place = tuple[str, str, int]  # what a picture was drawn for: benchmark, prompt id, sample

# What a row says of its cell's ledger, in the order of the tables.
COSTS = (
    "images",
    "reward_calls",
    "gradient_steps",
    "tokens_sampled",
    "tokens_scored",
    "tokens_trained",
    "token_passes",
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
class Unscored:
    """A cell with results whose pictures a judge could not be asked about."""

    id: str
    judge: str
    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Miss:
    """By what share of its budget a cell used up more (above 0) or less of what arms are matched by."""

    experiments: tuple[str, ...]
    unit: str
    share: float


def row_of(row: Mapping[str, Any]) -> Row:
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


def failure_of(cell: Mapping[str, Any]) -> Failure:
    return Failure(
        id=str(cell["id"]),
        status=cell["status"],
        error=cell.get("error") or "",
        command=cell.get("command") or "",
    )


def unscored_of(cell: Mapping[str, Any]) -> list[Unscored]:
    """Returns which judges have not seen the cell's pictures, and why."""
    found = cell.get("unscored") or {}
    return [Unscored(id=str(cell["id"]), judge=judge, error=why) for judge, why in found.items()]


def miss_of(cell: Mapping[str, Any]) -> Miss | None:
    """Returns how well a cell kept to its budget; None where it has none."""
    matched = cell.get("matched") or {}
    share = number(matched.get("missed_by"))
    if math.isnan(share):
        return None
    return Miss(experiments=tuple(cell["experiments"]), unit=matched.get("unit") or "images", share=share)


def number(value: float | int | None) -> float:
    """Returns a number of a JSON file; null and nothing are NaN."""
    return math.nan if value is None else float(value)


def mean_of(values: Iterable[float]) -> float:
    """Returns the mean of what is known, NaN if nothing is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
