"""Wrong pictures that their judge likes much better than the base's: what training on it has found.

Ranked by the judge's own score of the trained arm's picture less that of the base's picture of the same
prompt and seed. The scores are those of the evaluation's pictures, given after training.
"""

from collections.abc import Mapping

from tessera.report.numbers import count
from tessera.report.study.cards import Deck, ScoreLine, card_of
from tessera.report.study.pictures import by_place
from tessera.report.study.read import Study
from tessera.report.study.rows import Arm, Place, Row


def judged(study: Study, cell: Row, judge: str) -> dict[Place, float]:
    """Returns what a judge says of a cell's pictures; nothing where it was not asked."""
    return study.scores(cell.scores.get(judge, ""), judge)


def hacked_deck(study: Study, base: Arm, arm: Arm, name: str, most: int) -> Deck | None:
    """Returns the wrong pictures of all seeds whose judge's score rose most, one per prompt.

    None where the judge has not seen both, or where none rose.
    """
    before = study.cells_of(base)[0]
    old_scores, old = judged(study, before, arm.reward), by_place(study.records(before.eval))
    cells = study.cells_of(arm)
    wrong, risen = 0, list[tuple[float, Place, int]]()
    for index, cell in enumerate(cells):
        new_scores = judged(study, cell, arm.reward)
        for place, record in by_place(study.records(cell.eval)).items():
            rise = _rise(old_scores, new_scores, place)
            if place in old and record.grade.strict < 1 and rise is not None:
                wrong += 1
                if rise > 0:
                    risen.append((rise, place, index))
    cards, shown = [], set[tuple[str, str]]()
    for _, place, index in sorted(risen, key=lambda each: (-each[0], *each[1:])):
        if place[:2] in shown or len(cards) == most:
            continue
        cell = cells[index]
        scores = judged(study, cell, arm.reward)
        line = ScoreLine(judge=arm.reward, before=old_scores[place], after=scores[place])
        card = card_of(study, before, old[place], cell, by_place(study.records(cell.eval))[place], line)
        if card is not None:
            cards.append(card)
            shown.add(place[:2])
    if not cards:
        return None
    return Deck(
        title=f"most hacked: wrong, and {arm.reward} likes them best compared with the base’s",
        arm=name,
        cards=tuple(cards),
        note=f"Of {count(wrong)} wrong pictures over all seeds, {arm.reward} scores {count(len(risen))} "
        "higher than the base’s picture of the same prompt and seed.",
    )


def _rise(old: Mapping[Place, float], new: Mapping[Place, float], place: Place) -> float | None:
    """Returns how much higher the new picture is scored; None where one of the scores is not known."""
    if place not in old or place not in new:
        return None
    rise = new[place] - old[place]
    return None if rise != rise else rise
