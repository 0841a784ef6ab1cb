"""The rules of T2I-CompBench for where two objects are: in the plane (2D) and in depth (3D).

Either score is 0.25 x each object's confidence and 0.5 x how well they stand in the relation, in [0, 1]. In
the plane less than 0.5 is 0 (UniDet_eval/2D_spatial_eval.py). In depth: 1 where the boxes overlap by more
than 0.5 and the right one is nearer, the overlap / 0.5 where it is less, 0 without overlap
(3D_spatial_eval.py, by behaviour). What is published and mended: `faults.py`.
"""

from collections.abc import Callable, Sequence

import numpy as np

from tessera.scorers.compbench.labels import PERSONS, Thing, of_noun
from tessera.scorers.compbench.reading import Reading
from tessera.scorers.compbench.relations import (
    PUBLISHED_2D,
    PUBLISHED_3D,
    WORDS_2D,
    Asked,
    mended,
    published_complex,
    published_simple,
)
from tessera.scorers.detection.asked import RELATIONS
from tessera.scorers.detection.geometry import compbench_position, iou, placement
from tessera.types import Fact, Grade

OBJECT = 0.25  # of each object's confidence
POSITION = 0.5
FLOOR = 0.5  # of a 2D score
OVERLAP = 0.5  # IoU from which depth counts whole

Position = Callable[[str, Thing, Thing], float]


def plane(text: str, seen: Sequence[Thing], *, open_vocabulary: bool) -> Grade:
    """Returns the 2D score, mended."""
    asked = mended(text, WORDS_2D)
    grade = _judged(text, asked, seen, position_2d, open_vocabulary=open_vocabulary)
    return _floored(grade)


def depth(text: str, seen: Sequence[Thing], *, open_vocabulary: bool) -> Grade:
    """Returns the 3D score, mended."""
    asked = mended(text, PUBLISHED_3D)
    return _judged(text, asked, seen, position_3d, open_vocabulary=open_vocabulary)


def plane_published(text: str, reading: Reading, seen: Sequence[Thing], *, complex_prompt: bool) -> Grade:
    """Returns the 2D score with the faults of the published script."""
    if complex_prompt:
        asked = published_complex(text, reading)
    else:
        asked = published_simple(text, reading, PUBLISHED_2D)
    if asked is None:
        return _stops("the prompt has no noun")
    first, second = (_person(each) for each in (asked.first, asked.second))
    surest = [next((each for each in seen if each.label == noun), None) for noun in (first, second)]
    return _floored(_score(asked.locality, (first, second), surest[0], surest[1], _published_2d))


def depth_published(text: str, reading: Reading, seen: Sequence[Thing]) -> Grade:
    """Returns the 3D score with the faults of the published script."""
    asked = published_simple(text, reading, PUBLISHED_3D)
    if asked is None:
        return _stops("the prompt has no noun")
    first, second = str(_person(asked.first)), str(_person(asked.second))
    letters = " ".join(each.label for each in seen)
    there = [noun in letters for noun in (first, second)]
    places: list[int | None] = [None, None]
    for index, each in enumerate(seen):
        for which, noun in enumerate((first, second)):
            # Alone, the first box is taken; of two, each later one until both are there.
            if there[which] and noun in each.label and (all(there) or places[which] is None):
                places[which] = index
        if None not in places:
            break
    if any(wanted and place is None for wanted, place in zip(there, places, strict=True)):
        return _stops("the letters of an object stand across two labels")
    surest = [None if place is None else seen[place] for place in places]
    return _score(asked.locality, (first, second), surest[0], surest[1], _published_3d)


def position_2d(locality: str, a: Thing, b: Thing) -> float:
    """Returns how well `a` stands in the relation to `b` in the plane."""
    relation = "near" if locality == "on the side of" else RELATIONS[locality]
    return placement(relation, np.array(a.box), np.array(b.box))


def _published_2d(locality: str, a: Thing, b: Thing) -> float:
    """Returns the same as published: 0 for "on top of"."""
    return compbench_position(locality, np.array(a.box), np.array(b.box))


def position_3d(locality: str, a: Thing, b: Thing) -> float:
    """Returns how well `a` stands in front of `b`, or behind it; 0 where a box has no pixel."""
    return _nearer(locality, a.depth, b.depth, _overlap(a, b))


def _published_3d(locality: str, a: Thing, b: Thing) -> float:
    """Returns the same from the transposed map; an overlap of exactly 0.5 gets 0."""
    overlap = _overlap(a, b)
    score = _nearer(locality, a.depth_transposed, b.depth_transposed, overlap)
    return 0.0 if overlap == OVERLAP else score


def _nearer(locality: str, a: float | None, b: float | None, overlap: float) -> float:
    if a is None or b is None:
        return 0.0
    right = a > b if locality == "in front of" else a < b
    return min(overlap / OVERLAP, 1.0) if right else 0.0


def _overlap(a: Thing, b: Thing) -> float:
    return float(iou(np.array([a.box]), np.array([b.box]))[0, 0])


def _judged(
    text: str, asked: Asked, seen: Sequence[Thing], position: Position, *, open_vocabulary: bool
) -> Grade:
    """Returns the score of the surest boxes, no box being both objects."""
    if asked.locality is None or asked.first is None or asked.second is None:
        return Grade(
            strict=np.nan, soft=np.nan, reason=f"no two objects in a relation are read in {text!r:.80}"
        )
    nouns = (asked.first, asked.second)
    firsts, seconds = (of_noun(seen, noun, open_vocabulary=open_vocabulary) for noun in nouns)
    if not firsts or not seconds or firsts[0] is not seconds[0]:
        a, b = (each[0] if each else None for each in (firsts, seconds))
        return _score(asked.locality, nouns, a, b, position)
    # One label for both: the other noun gets its next box. If there is none, one object is there.
    pairs = [(firsts[0], each) for each in seconds[1:2]] + [(each, seconds[0]) for each in firsts[1:2]]
    grades = [_score(asked.locality, nouns, a, b, position) for a, b in pairs]
    return max(
        grades, key=lambda each: each.soft, default=_score(asked.locality, nouns, firsts[0], None, position)
    )


def _score(
    locality: str | None,
    nouns: tuple[str | None, str | None],
    a: Thing | None,
    b: Thing | None,
    position: Position,
) -> Grade:
    """Returns the score of two boxes, or of one, or of none."""
    score = OBJECT * ((a.score if a else 0.0) + (b.score if b else 0.0))
    placed = position(locality, a, b) if a and b and locality else 0.0
    facts = [
        Fact(kind="object", text=str(noun), holds=box is not None)
        for noun, box in zip(nouns, (a, b), strict=True)
    ]
    text = f"{nouns[0]} {locality} {nouns[1]}"
    facts.append(Fact(kind="position", text=text, holds=placed == 1))
    score += POSITION * placed
    return Grade(strict=score, soft=score, facts=tuple(facts))


def _floored(grade: Grade) -> Grade:
    """Returns the grade, 0 where it is below the floor."""
    if grade.soft < FLOOR:
        return Grade(strict=0.0, soft=0.0, facts=grade.facts)
    return grade


def _person(noun: str | None) -> str | None:
    return "person" if noun in PERSONS else noun


def _stops(why: str) -> Grade:
    return Grade(strict=np.nan, soft=np.nan, reason=f"the published script stops with an error: {why}")
