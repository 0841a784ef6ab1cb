"""Pictures that changed most between the base and an arm, with the facts that hold and fail in both.

They are chosen by their outcome, and the page says so.
"""

from collections.abc import Sequence

from tessera.report.study.cards import Card, Deck, card_of
from tessera.report.study.figures import main_arms
from tessera.report.study.hacked import hacked_deck
from tessera.report.study.lookup import EXACT
from tessera.report.study.names import arm_names
from tessera.report.study.pictures import by_place
from tessera.report.study.read import Study
from tessera.report.study.rows import Arm, Place, Row
from tessera.types import EvalRecord

MOST_CARDS = 4  # of one kind and arm


def decks(study: Study, experiment: str) -> list[Deck]:
    """Returns for each arm what it mended and broke most; on a judge, what its judge was content with.

    Without the judge's scores of these pictures nothing is called hacked: those that broke are shown.
    """
    base, arms = study.base(experiment), main_arms(study, experiment)
    if base is None:
        return []
    names = arm_names(arms)
    found: list[Deck] = []
    for arm in arms:
        deck = hacked_deck(study, base, arm, names[arm], MOST_CARDS)
        if deck is not None:
            found.append(deck)
            continue
        cards = _cards(study, base, arm)
        kinds = ("improved", "broken") if arm.reward in ("", EXACT) else ("broken",)
        found += [
            Deck(title=f"most {kind}", arm=names[arm], cards=tuple(cards[kind]))
            for kind in kinds
            if cards[kind]
        ]
    return found


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
            return card_of(study, before, old, cell, new)
    return None
