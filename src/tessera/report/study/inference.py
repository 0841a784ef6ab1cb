"""Training, choosing among several pictures, or both: at equal inference, and at equal total compute.

Compute is counted in token passes through the policy, as the ledger's are (1 forward, 3 forward and
backward, each branch of guidance by itself). What a picture costs is what drawing one cost in training; the
judge's own cost is left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tessera.report.numbers import MISSING, count
from tessera.report.study.choosing import RANDOM, chosen
from tessera.report.study.effects import level
from tessera.report.study.measured import Values, by_prompt, categories_in, effect_of
from tessera.report.study.names import arm_names, short_count
from tessera.report.study.read import Study
from tessera.report.study.rows import DEFAULT, OVERALL, Arm, Place, Row, mean_of
from tessera.report.study.tables import Table, score_text
from tessera.statistics.intervals import Estimate
from tessera.statistics.selection import sizes

BACKWARD = 3  # passes of a token that is replayed with gradient, as in the ledger's count


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """A policy, and how many of its pictures are drawn for one that is served."""

    arm: Arm
    chooser: str = ""  # empty: the first is served
    most: int = 1  # drawn
    rows: tuple[Row, ...]  # overall, strict; of every benchmark and seed


@dataclass(frozen=True, kw_only=True, slots=True)
class Compute:
    """Token passes of an arm, as a mean over its seeds."""

    training: float
    picture: float

    def cheaper_from(self, n: int) -> float:
        """Returns from how many served pictures on training and drawing once is cheaper than best of n."""
        return self.training / ((n - 1) * self.picture)

    def affordable(self, served: float) -> float:
        """Returns how many the base may draw for each served picture at the same total."""
        return 1 + self.training / (served * self.picture)


def options(study: Study, experiment: str) -> list[Option]:
    """Returns base and trained arms drawing once, then by chooser; none if only the base was chosen from."""
    rows = [row for row in study.rows if row.arm.experiment == experiment]
    rows = [row for row in rows if (row.category, row.score) == (OVERALL, "strict")]
    several = [row for row in rows if row.best_of > 1 and row.chooser != RANDOM]
    trained = list(dict.fromkeys(replace(row.arm, setting=DEFAULT) for row in several if row.arm.trained))
    base = study.base(experiment)
    if base is None or not trained:
        return []
    arms = [base, *trained]
    found = [Option(arm=arm, rows=tuple(row for row in rows if row.arm == arm)) for arm in arms]
    for chooser in dict.fromkeys(row.chooser for row in several if row.arm.trained):
        for arm in arms:
            mine = [row for row in several if row.chooser == chooser and _is_of(row, arm)]
            if mine:
                option = Option(arm=arm, chooser=chooser, most=mine[0].best_of, rows=tuple(mine))
                found.append(option)
    return [option for option in found if option.rows]


def choosers(found: Sequence[Option]) -> list[str]:
    """Returns who chose among the pictures of any arm."""
    return list(dict.fromkeys(option.chooser for option in found if option.chooser))


def values_of(study: Study, option: Option, benchmark: str, n: int) -> dict[int, Values]:
    """Returns the share of right pictures of each prompt where n are drawn, by training seed."""
    mine = [row for row in option.rows if row.benchmark == benchmark]
    if option.chooser:
        return {row.seed: chosen(study, row, benchmark, n) for row in mine}
    return {row.seed: by_prompt(_strict(study, row.eval), benchmark) for row in mine}


def option_level(study: Study, option: Option, benchmark: str, n: int | None = None) -> Estimate:
    """Returns the score where n are drawn, of as many as were drawn unless n is given.

    At that number the mean is that of the results.
    """
    if not option.chooser:
        return level(study, option.arm, benchmark)
    mine = [row for row in option.rows if row.benchmark == benchmark]
    if n in (None, option.most) and len(mine) == 1:
        return mine[0].estimate
    tables = list(values_of(study, option, benchmark, n or option.most).values())
    base = study.base(option.arm.experiment)
    category = categories_in(study, study.cells_of(base)[0].eval, benchmark) if base is not None else {}
    effect = effect_of([(tables, 1.0)], category) if all(tables) else None
    mean = mean_of(row.estimate.mean for row in mine) if n in (None, option.most) else math.nan
    if effect is None:
        return Estimate(mean, math.nan, math.nan, 0)
    low, high = max(effect.ci_low, 0.0), min(effect.ci_high, 1.0)
    return Estimate(effect.value if math.isnan(mean) else mean, low, high, effect.prompts)


def compute_of(study: Study, arm: Arm) -> Compute | None:
    """Returns what training an arm cost, and one picture; None where the ledger does not say."""
    cost = study.cost(arm)
    drawn = cost["token_passes"] - cost["tokens_scored"] - BACKWARD * cost["tokens_trained"]
    if not drawn > 0 or not cost["images"] > 0:
        return None
    return Compute(training=cost["token_passes"], picture=drawn / cost["images"])


def inference_table(study: Study, experiment: str) -> Table | None:
    """Returns the score of each policy by who chooses among how many; None where no trained arm chose."""
    found = options(study, experiment)
    if not found:
        return None
    names, benchmarks = arm_names([option.arm for option in found]), study.benchmarks(experiment)
    return Table(
        name=f"{experiment}-inference",
        caption=f"{experiment}: right pictures in percent with 95 % intervals, by how many are drawn for "
        "each one served. Rows that draw as many cost the same at inference, the chooser’s own cost left out",
        head=("policy", "chosen by", "drawn", *benchmarks),
        rows=tuple(
            (
                names[option.arm],
                option.chooser or MISSING,
                str(option.most),
                *(score_text(option_level(study, option, name)) for name in benchmarks),
            )
            for option in found
        ),
    )


def compute_table(study: Study, experiment: str) -> Table | None:
    """Returns from how many served pictures on training has cost less than choosing each time."""
    found = options(study, experiment)
    arms = list(dict.fromkeys(option.arm for option in found if option.arm.trained))
    costs = {arm: cost for arm in arms if (cost := compute_of(study, arm)) is not None}
    if not costs:
        return None
    names, most = arm_names(arms), max(option.most for option in found)
    tried = [n for n in sizes(most) if n > 1]
    return Table(
        name=f"{experiment}-compute",
        caption=f"{experiment}: from how many served pictures on training and drawing once has cost less "
        "than drawing n of the base for each. In token passes through the policy: 1 forward, 3 forward and "
        "backward, each branch of guidance by itself; the judge’s own cost is left out of both",
        head=("arm", "training", "one picture", *(f"best of {n}: from" for n in tried)),
        rows=tuple(
            (
                names[arm],
                short_count(cost.training),
                short_count(cost.picture),
                *(count(math.ceil(cost.cheaper_from(n))) for n in tried),
            )
            for arm, cost in costs.items()
        ),
    )


def _strict(study: Study, folder: str) -> dict[Place, float]:
    return {(r.benchmark, r.prompt_id, r.sample): r.grade.strict for r in study.records(folder)}


def _is_of(row: Row, arm: Arm) -> bool:
    """Returns whether the pictures of a row were drawn by the arm; of the base, who chose is its reward."""
    if not arm.trained:
        return not row.arm.trained
    return (row.arm.arm, row.arm.reward) == (arm.arm, arm.reward)
