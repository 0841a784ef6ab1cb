"""What was found of one claim: supported, contradicted or undecided here, with effect and interval.

A claim is a difference, a slope or a correlation with a direction. It is supported where the 95 % interval
lies on the claimed side of 0, contradicted where it lies on the other, undecided otherwise. The interval
treats training seeds as a random effect; with one seed it holds for these very policies alone, and the
verdict says so. p-values are adjusted for the claims of its group (Holm).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tessera.report.study.claims import Claim
from tessera.report.study.effects import Match, matching, rests_on
from tessera.report.study.read import Study
from tessera.report.study.rows import Arm
from tessera.statistics.correlation import Correlation
from tessera.statistics.hierarchical import Effect
from tessera.statistics.paired import holm

ALPHA = 0.05

Word = Literal["supported", "contradicted", "undecided", "not comparable"]
Unit = Literal["points", "points per doubling", "places in 100", "correlation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two arms that a claim compares, with what the ledger says of both."""

    first: Arm
    second: Arm
    ledger: tuple[Match, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """One claim with what was found; NaN where nothing could be computed."""

    claim: Claim
    experiment: str
    benchmark: str
    word: Word
    unit: Unit
    value: float
    low: float
    high: float
    p: float
    p_holm: float
    rests_on: str
    one_seed: bool  # of an arm: the interval speaks of these policies, not of the way they were trained
    notes: tuple[str, ...] = ()
    pair: Pair | None = None
    family: int = 1  # claims that its p-value is adjusted for

    def to_json(self) -> dict[str, Any]:
        """Returns plain data; NaN becomes null when written."""
        ledger = {each.name: [each.first, each.second] for each in self.pair.ledger} if self.pair else {}
        return {
            "key": self.claim.key,
            "group": self.claim.group,
            "statement": self.claim.statement,
            "source": self.claim.source,
            "published": self.claim.published,
            "experiment": self.experiment,
            "benchmark": self.benchmark,
            "verdict": self.word,
            "unit": self.unit,
            "value": self.value,
            "ci_low": self.low,
            "ci_high": self.high,
            "p": self.p,
            "p_holm": self.p_holm,
            "rests_on": self.rests_on,
            "one_seed": self.one_seed,
            "notes": list(self.notes),
            "ledger": ledger,
        }


def judged(low: float, high: float) -> Word:
    """Returns the verdict on a claim that something is above 0, from its interval."""
    if low > 0:
        return "supported"
    return "contradicted" if high < 0 else "undecided"


def of_effect(
    study: Study,
    claim: Claim,
    arms: tuple[Arm, Arm],
    benchmark: str,
    effect: Effect | None,
    unit: Unit = "points",
) -> list[Verdict]:
    """Returns the verdict on the claim that the effect is above 0; none where it could not be computed."""
    if effect is None:
        return []
    trained = [len(study.cells_of(arm)) for arm in arms if arm.trained]
    ledger = matching(study, *arms) if len(trained) == len(arms) else ()
    verdict = Verdict(
        claim=claim,
        experiment=arms[0].experiment,
        benchmark=benchmark,
        word=judged(effect.ci_low, effect.ci_high),
        unit=unit,
        value=effect.value,
        low=effect.ci_low,
        high=effect.ci_high,
        p=effect.p_value(),
        p_holm=math.nan,
        rests_on=rests_on(effect, with_base=not arms[-1].trained),
        one_seed=1 in trained,
        pair=Pair(first=arms[0], second=arms[1], ledger=ledger) if ledger else None,
    )
    return [verdict]


def of_correlation(claim: Claim, experiment: str, benchmark: str, found: Correlation, seeds: int) -> Verdict:
    """Returns the verdict on the claim that two numbers go together; `seeds` is the fewest of any point."""
    notes = []
    if found.least_p > ALPHA:
        notes.append(
            f"With {found.points} rewards no order could be told from chance: the best possible p is "
            f"{found.least_p:.2f}."
        )
    return Verdict(
        claim=claim,
        experiment=experiment,
        benchmark=benchmark,
        word=judged(found.ci_low, found.ci_high),
        unit="correlation",
        value=found.value,
        low=found.ci_low,
        high=found.ci_high,
        p=found.p_value,
        p_holm=math.nan,
        rests_on=f"{found.points} rewards",
        one_seed=seeds == 1,
        notes=tuple(notes),
    )


def adjusted(found: Sequence[Verdict]) -> list[Verdict]:
    """Returns the verdicts with p-values adjusted for their group, and a note where these are not clear."""
    by_group: dict[str, list[int]] = {}
    for place, verdict in enumerate(found):
        by_group.setdefault(verdict.claim.group, []).append(place)
    made = list(found)
    for family in by_group.values():
        p_values = holm([found[place].p for place in family])
        for place, p_holm in zip(family, p_values, strict=True):
            made[place] = _with_p(found[place], p_holm, sum(not math.isnan(p) for p in p_values))
    return made


def _with_p(verdict: Verdict, p_holm: float, family: int) -> Verdict:
    notes = verdict.notes
    if verdict.word in ("supported", "contradicted") and p_holm > ALPHA:
        notes = (*notes, f"As one of {family} claims of its group it is not certain (Holm).")
    return replace(verdict, p_holm=p_holm, family=family, notes=notes)
