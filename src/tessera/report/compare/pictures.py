"""Pictures of one prompt and sample number side by side: those that gained most, and those that lost most.

From the first evaluation to the last one, by the strict grade and then by the soft one; one sample of a
prompt. Of equal changes the categories take turns, so that no category fills the page.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tessera.benchmarks.layout import picture_path
from tessera.report.compare.read import Evaluation, Place
from tessera.report.compare.shared import Shared
from tessera.report.film import mark
from tessera.report.images import data_uri
from tessera.report.units import PERCENT, Unit, unit_of
from tessera.types import EvalRecord, Fact

MOST = 12  # of each kind, unless asked for another number
MOST_FACTS = 6  # of a kind written below pictures
EVEN = 1e-9  # changes below are rounding


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """The picture of one evaluation. No `uri`: no picture was kept."""

    name: str
    uri: str
    mark: str  # right, wrong or open: a score that is no yes or no, or none
    score: str
    failed: tuple[str, ...]
    more_failed: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One prompt and sample, in all evaluations that have it."""

    benchmark: str
    category: str
    prompt_id: str
    prompt: str
    sample: int
    strict: float  # from the first evaluation to the last
    soft: float
    gained: tuple[str, ...]  # facts that hold in the last one alone
    lost: tuple[str, ...]  # and in the first one alone
    neither: tuple[str, ...]  # and in neither
    shots: tuple[Shot, ...]


def changed(
    shared: Sequence[Shared], first: Evaluation, last: Evaluation, most: int
) -> tuple[list[Change], list[Change]]:
    """Returns the pictures that gained most and those that lost most, at most so many of each.

    A benchmark whose graders differ, or that the first or the last evaluation lacks, has none.
    """
    fit = [each for each in shared if each.same_grader and {first.name, last.name} <= _names(each)]
    changes = [change for each in fit for change in _changes(each.prompts, each.benchmark, first, last)]
    members = {each.benchmark: each.members for each in fit}
    units = {each.benchmark: _unit(each) for each in fit}
    found = []
    for sign in (1.0, -1.0):
        ordered = _ordered([(sign * strict, sign * soft, place) for strict, soft, place in changes], last)
        found.append(
            [_row(members[place[0]], place, units[place[0]], first, last) for place in ordered[:most]]
        )
    return found[0], found[1]


def _names(shared: Shared) -> set[str]:
    return {each.name for each in shared.members}


def _unit(shared: Shared) -> Unit:
    """Returns the unit of the benchmark's scores; PERCENT where all grades are yes or no, or missing."""
    grades = (record.grade.strict for each in shared.members for record in each.of(shared.benchmark))
    return unit_of(shared.benchmark, grades)


def _changes(
    prompts: Mapping[str, str], benchmark: str, first: Evaluation, last: Evaluation
) -> Iterator[tuple[float, float, Place]]:
    for place, old in first.records.items():
        new = last.records.get(place)
        if old.benchmark == benchmark and old.prompt_id in prompts and new is not None:
            strict = new.grade.strict - old.grade.strict
            soft = new.grade.soft - old.grade.soft
            if not math.isnan(strict):
                yield strict, 0.0 if math.isnan(soft) else soft, place


def _ordered(changes: Sequence[tuple[float, float, Place]], last: Evaluation) -> list[Place]:
    """Returns the places with a change above 0, the largest first, one of each prompt."""
    best: dict[tuple[str, str], tuple[float, float, Place]] = {}
    for change in sorted(changes, key=lambda each: each[:2], reverse=True):
        if change[0] > EVEN or (abs(change[0]) <= EVEN and change[1] > EVEN):
            best.setdefault(change[2][:2], change)
    turns: Counter[tuple[float, float, str, str]] = Counter()
    ranked = []
    for strict, soft, place in best.values():
        strict, soft = round(strict, 9), round(soft, 9)
        turn = (strict, soft, place[0], last.records[place].category)
        ranked.append(((-strict, -soft, turns[turn]), place))
        turns[turn] += 1
    return [place for _, place in sorted(ranked, key=lambda each: each[0])]  # stable: equals in file order


def _row(
    members: Sequence[Evaluation], place: Place, unit: Unit, first: Evaluation, last: Evaluation
) -> Change:
    old, new = first.records[place], last.records[place]
    failed = _failed(old.grade.facts)
    return Change(
        benchmark=old.benchmark,
        category=old.category,
        prompt_id=old.prompt_id,
        prompt=old.prompt,
        sample=old.sample,
        strict=new.grade.strict - old.grade.strict,
        soft=new.grade.soft - old.grade.soft,
        gained=_alone(new.grade.facts, old.grade.facts),
        lost=_alone(old.grade.facts, new.grade.facts),
        neither=tuple(fact.text for fact in new.grade.facts if not fact.holds and _key(fact) in failed),
        shots=tuple(_shot(each, place, unit) for each in members),
    )


def _alone(here: Sequence[Fact], there: Sequence[Fact]) -> tuple[str, ...]:
    """Returns the facts that hold here and do not hold there; what is asked in one alone is no change."""
    failed = _failed(there)
    return tuple(fact.text for fact in here if fact.holds and _key(fact) in failed)


def _failed(facts: Sequence[Fact]) -> set[tuple[str, str]]:
    return {_key(fact) for fact in facts if not fact.holds}


def _key(fact: Fact) -> tuple[str, str]:
    return fact.kind, fact.text


def _shot(evaluation: Evaluation, place: Place, unit: Unit) -> Shot:
    record = evaluation.records.get(place)
    if record is None:
        return Shot(
            name=evaluation.name,
            uri="",
            mark="open",
            score="not drawn",
            failed=(),
            more_failed=0,
            reason="",
        )
    grade = record.grade
    failed = [fact.text for fact in grade.facts if not fact.holds]
    missing = math.isnan(grade.strict)
    return Shot(
        name=evaluation.name,
        uri=_uri(evaluation.folder, record),
        mark=mark(grade.strict) if unit is PERCENT else "open",
        score="not graded" if missing else _score(record, unit),
        failed=tuple(failed[:MOST_FACTS]),
        more_failed=max(len(failed) - MOST_FACTS, 0),
        reason=grade.reason if missing or not grade.facts else "",
    )


def _score(record: EvalRecord, unit: Unit) -> str:
    """Returns right or wrong, with the share of facts where there are any; else the score."""
    if unit is not PERCENT:
        return unit.value(record.grade.strict)
    word = mark(record.grade.strict)
    if not record.grade.facts:
        return word
    held = sum(fact.holds for fact in record.grade.facts)
    return f"{word}, {held} of {len(record.grade.facts)} facts"


def _uri(folder: Path, record: EvalRecord) -> str:
    """Returns the picture, nothing if it was not kept or if the record points out of the folder."""
    path = folder / picture_path(record)
    inside = path.resolve().is_relative_to(folder.resolve())
    return data_uri(path) if inside and path.is_file() else ""
