"""The rule of T2I-CompBench for counts: of each object half for being there, half for its exact number.

UniDet_eval/numeracy_eval.py: every object has the same weight; boxes of one label that overlap by more than
0.9 (of their union or of either) are one object. What is published and mended: `faults.py`.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tessera.scorers.compbench.counts import mended, published
from tessera.scorers.compbench.labels import ALIASES, PERSONS, Thing, is_one_of, names_of
from tessera.scorers.compbench.reading import Reading
from tessera.scorers.detection.geometry import without_duplicates
from tessera.types import Fact, Grade

PRESENT = 0.5
EXACT = 0.5
# The published script's own; its "telivision" is no word of any prompt.
PUBLISHED_ALIASES = {
    **dict.fromkeys(PERSONS, "person"),
    **{"ship": "boat", "telivision": "tv", "goldfish": "fish", "painting": "picture"},
}


def numeracy(text: str, seen: Sequence[Thing], *, open_vocabulary: bool) -> Grade:
    """Returns the score, mended: nouns of one label are counted together, at their common weight."""
    asked = mended(text)
    if not asked:
        return Grade(strict=np.nan, soft=np.nan, reason=f"no number of objects is read in {text!r:.80}")
    together: dict[str, list[tuple[str, int]]] = {}
    for noun, number in asked:
        label = noun if open_vocabulary else ALIASES.get(noun, noun)
        together.setdefault(label, []).append((noun, number))
    score, facts = 0.0, []
    for items in together.values():
        names = frozenset[str]().union(
            *(names_of(noun, open_vocabulary=open_vocabulary) for noun, _ in items)
        )
        here = [each for each in seen if is_one_of(each.label, names)]
        number = sum(each for _, each in items)
        found = len(without_duplicates(_boxes(here)))
        score += (PRESENT * bool(found) + EXACT * (found == number)) * len(items) / len(asked)
        nouns = " and ".join(f"{each} {noun}" for noun, each in items)
        facts.append(Fact(kind="count", text=nouns, holds=found == number))
    return Grade(strict=score, soft=score, facts=tuple(facts))


def numeracy_published(reading: Reading, seen: Sequence[Thing]) -> Grade:
    """Returns the score with the faults of the published script."""
    asked = published(reading)
    if isinstance(asked, str):
        return Grade(strict=np.nan, soft=np.nan, reason=f"the published script stops with an error: {asked}")
    nouns, numbers = asked
    labels = _labels_without_duplicates(seen)
    score, facts = 0.0, []
    for index, noun in enumerate(nouns):
        name = PUBLISHED_ALIASES.get(noun, noun)
        if name not in labels:
            labels = [name if name in label else label for label in labels]
        if name in labels and index == len(numbers):
            why = "the published script stops with an error: it has fewer numbers than objects"
            return Grade(strict=np.nan, soft=np.nan, reason=why)
        exact = name in labels and labels.count(name) == numbers[index]
        score += (PRESENT * (name in labels) + EXACT * exact) / len(nouns)
        number = numbers[index] if index < len(numbers) else 0
        facts.append(Fact(kind="count", text=f"{number} {noun}", holds=exact))
    return Grade(strict=score, soft=score, facts=tuple(facts))


def _labels_without_duplicates(seen: Sequence[Thing]) -> list[str]:
    """Returns the label of each object, the surest first: of duplicates with one label, one."""
    kept: list[int] = []
    for label in dict.fromkeys(each.label for each in seen):
        places = [place for place, each in enumerate(seen) if each.label == label]
        kept += [places[index] for index in without_duplicates(_boxes([seen[place] for place in places]))]
    return [seen[place].label for place in sorted(kept)]


def _boxes(seen: Sequence[Thing]) -> Float[ndarray, "N 4"]:
    return np.array([each.box for each in seen], dtype=np.float64).reshape(-1, 4)
