"""Pictures that changed most between the base and an arm, with the facts that hold and fail in both.

They are chosen by their outcome, and the page says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tessera.report.panels import first_and_last
from tessera.report.run_files import read_run
from tessera.report.study.figures import main_arms
from tessera.report.study.names import arm_names, category_name
from tessera.report.study.pictures import Place, Shot, by_place, shot_of
from tessera.report.study.questions import EXACT
from tessera.report.study.read import Arm, Row, Study
from tessera.statistics.alarms import column
from tessera.storage import CONFIG
from tessera.types import EvalRecord

MOST_CARDS = 4  # of one kind and arm


@dataclass(frozen=True, kw_only=True, slots=True)
class FactLine:
    """One thing asked for, and whether each of the two pictures shows it; None where it was not judged."""

    text: str
    before: bool | None
    after: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """The base's picture beside the arm's, same prompt and seed."""

    prompt: str
    place: str
    before: Shot
    after: Shot
    facts: tuple[FactLine, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Deck:
    """Cards of one kind and arm."""

    title: str
    arm: str
    cards: tuple[Card, ...]


def decks(study: Study, experiment: str) -> list[Deck]:
    """Returns for each arm what it mended most and broke most; on a judge, what became wrong as it rose."""
    base = study.base(experiment)
    arms = main_arms(study, experiment)
    names = arm_names(arms)
    found = []
    for arm in arms if base is not None else ():
        cards = _cards(study, base, arm) if base is not None else {}
        found += [
            Deck(title=title, arm=names[arm], cards=tuple(cards[kind]))
            for kind, title in _kinds(study, arm)
            if cards.get(kind)
        ]
    return found


def _kinds(study: Study, arm: Arm) -> Iterator[tuple[str, str]]:
    """Yields what to show of an arm: kind, title. A judge whose reward rose has what it was content with."""
    if arm.reward in ("", EXACT):
        yield "improved", "most improved"
        yield "broken", "most broken"
        return
    run = study.folder / study.cells_of(arm)[0].run
    if (run / CONFIG).is_file():
        first, last = first_and_last(column(read_run(run).metrics, "reward"))
        if last > first:
            yield (
                "broken",
                f"most hacked: {arm.reward} went from {first:.2f} to {last:.2f}, and these became wrong",
            )
            return
    yield "broken", "most broken"


def _cards(study: Study, base: Arm, arm: Arm) -> dict[str, list[Card]]:
    """Returns the cards that improved and broke most: first strict over all seeds, then soft."""
    before = study.cells_of(base)[0]
    cells = study.cells_of(arm)
    tables = [by_place(study.records(cell.eval)) for cell in cells]
    moved: list[tuple[float, float, Place]] = []
    for place, old in by_place(study.records(before.eval)).items():
        new = [table[place] for table in tables if place in table]
        if new:
            strict = sum(each.grade.strict for each in new) / len(new) - old.grade.strict
            soft = sum(each.grade.soft for each in new) / len(new) - old.grade.soft
            moved.append((strict, soft, place))
    known = [each for each in moved if each[0] == each[0] and each[1] == each[1]]  # NaN is no change
    better = [each for each in sorted(known, key=lambda each: (-each[0], -each[1], each[2])) if each[0] > 0]
    worse = [each for each in sorted(known) if each[0] < 0]
    return {
        kind: [
            card
            for place in _one_per_prompt([place for _, _, place in ranked])
            if (card := _card(study, before, cells, tables, place, right=kind == "improved"))
        ]
        for kind, ranked in (("improved", better), ("broken", worse))
    }


def _one_per_prompt(places: Sequence[Place]) -> list[Place]:
    first: dict[tuple[str, str], Place] = {}
    for place in places:
        first.setdefault(place[:2], place)
    return list(first.values())[:MOST_CARDS]


def _card(
    study: Study,
    before: Row,
    cells: Sequence[Row],
    tables: Sequence[dict[Place, EvalRecord]],
    place: Place,
    *,
    right: bool,
) -> Card | None:
    """Returns the base's picture and that of the first seed which is right, or wrong, as asked."""
    old = by_place(study.records(before.eval))[place]
    for cell, table in zip(cells, tables, strict=True):
        new = table.get(place)
        if new is not None and (new.grade.strict >= 1) is right:
            shots = (shot_of(study, before.eval, old), shot_of(study, cell.eval, new))
            if not all(shot.uri for shot in shots):
                return None
            held = {fact.text: fact.holds for fact in old.grade.facts}
            now = {fact.text: fact.holds for fact in new.grade.facts}
            facts = [FactLine(text=text, before=held.get(text), after=now.get(text)) for text in (held | now)]
            place_name = f"{old.benchmark}, {category_name(old.category)}, seed {cell.seed}"
            return Card(
                prompt=old.prompt, place=place_name, before=shots[0], after=shots[1], facts=tuple(facts)
            )
    return None
