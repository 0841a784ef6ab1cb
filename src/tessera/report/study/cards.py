"""Two pictures side by side, the base's and an arm's: same prompt and seed, with the facts of both."""

from dataclasses import dataclass

from tessera.report.study.names import category_name
from tessera.report.study.pictures import Shot, shot_of
from tessera.report.study.read import Study
from tessera.report.study.rows import Row
from tessera.types import EvalRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class FactLine:
    """One thing asked for, and whether each of the two pictures shows it; None where it was not judged."""

    text: str
    before: bool | None
    after: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreLine:
    """What a judge says of the two pictures."""

    judge: str
    before: float
    after: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """The base's picture beside the arm's, same prompt and seed."""

    prompt: str
    place: str
    before: Shot
    after: Shot
    facts: tuple[FactLine, ...]
    score: ScoreLine | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Deck:
    """Cards of one kind and arm; `note` says how many there would be."""

    title: str
    arm: str
    cards: tuple[Card, ...]
    note: str = ""


def card_of(
    study: Study, base: Row, old: EvalRecord, cell: Row, new: EvalRecord, score: ScoreLine | None = None
) -> Card | None:
    """Returns the card of two records; None if one of the pictures has gone."""
    shots = (shot_of(study, base.eval, old), shot_of(study, cell.eval, new))
    if not all(shot.uri for shot in shots):
        return None
    held = {fact.text: fact.holds for fact in old.grade.facts}
    now = {fact.text: fact.holds for fact in new.grade.facts}
    facts = [FactLine(text=text, before=held.get(text), after=now.get(text)) for text in (held | now)]
    return Card(
        prompt=old.prompt,
        place=f"{old.benchmark}, {category_name(old.category)}, seed {cell.seed}",
        before=shots[0],
        after=shots[1],
        facts=tuple(facts),
        score=score,
    )
