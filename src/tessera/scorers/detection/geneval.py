"""GenEval as a reward: the share of what a prompt asks for, not only whether all of it is there.

The soft score of yifan123/reward-server:reward_server/gen_eval.py, which Flow-GRPO trains on (arXiv
2505.05470), from objects that are already detected and whose colours are already named. Of each clause of
`include`, in order:

- count: 1 - |asked - seen| / asked;
- colour: 1 - |asked - seen of that colour| / asked;
- position: 1 if every object stands so to every object of the clause it refers to, else 0;

and the reward is the mean over these parts. Colour and position are looked at only where the count is exact
(and position where the colour is, too, and the clause it refers to is met): else they are 0. `exclude` is
ignored: a count must be exact here, not at least reached. Two faults are mended:

1. A wrong position earned 0 and then 1 as well. Here it is one part, 0 or 1.
2. A count had no lower bound: 16 objects for one gave -14. Here a part is in [0, 1], so that a crowd of one
   thing costs that part and not what the picture shows of the others.

And where a clause's count is wrong and it has a colour and a position, or its colour is wrong and it has a
position, the published mean has one part fewer; GenEval's own prompts have no such clause.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tessera.scorers.detection.geometry import relative_position
from tessera.types import Fact, Grade

THRESHOLD = 0.3  # djghosh13/geneval:evaluation/evaluate_images.py
COUNTING_THRESHOLD = 0.9  # for prompts of the tag "counting"
MOST = 16  # objects of one class
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
RELATIONS = ("left of", "right of", "above", "below")  # the order in which several are told


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One detected object."""

    score: float
    box: tuple[float, float, float, float]  # left, top, right, bottom
    colour: str = ""  # as the colour classifier names it; not looked at where no colour is asked for


def counted_above(tag: str) -> float:
    """Returns the score above which an object counts for a prompt of this tag."""
    return COUNTING_THRESHOLD if tag == "counting" else THRESHOLD


def confident(seen: Sequence[Seen], tag: str) -> list[Seen]:
    """Returns the objects of one class that GenEval counts for a prompt of this tag, best first."""
    return most_confident(seen, counted_above(tag))


def most_confident(seen: Sequence[Seen], least: float | None) -> list[Seen]:
    """Returns the best objects of one class, those above `least` (None: any); of equal ones the earlier."""
    best_first = sorted(seen, key=lambda each: -each.score)
    return [each for each in best_first if least is None or each.score > least][:MOST]


def geneval_soft(include: Sequence[Mapping[str, Any]], seen: Mapping[str, Sequence[Seen]]) -> Grade:
    """Returns the soft score of a picture, and as strict whether every part is exact.

    `include` is GenEval's: class, count, and perhaps colour (its key is `color`) and position ([relation,
    index of an earlier clause]). `seen` has the confident objects of each class.
    """
    if not include:
        return Grade(strict=np.nan, soft=np.nan, reason="the prompt's metadata include nothing to look for")
    parts: list[float] = []
    facts: list[Fact] = []
    met: list[Sequence[Seen]] = []  # by clause; empty where the clause is not met
    for clause in include:
        name, asked = clause["class"], clause["count"]
        there = seen.get(name, ())
        judged = [("count", f"{asked} {name}", _closeness(asked, len(there)))]
        exact = len(there) == asked
        if "color" in clause:
            right = sum(each.colour == clause["color"] for each in there)
            judged.append(("color", f"{clause['color']} {name}", _closeness(asked, right) if exact else 0.0))
            exact = exact and right == asked
        if "position" in clause:
            relation, other = clause["position"]
            exact = exact and bool(met[other]) and _all_stand(there, relation, met[other])
            judged.append(("position", f"{name} {relation} {include[other]['class']}", float(exact)))
        met.append(there if exact else ())
        parts.extend(part for *_, part in judged)
        facts.extend(Fact(kind=kind, text=text, holds=part == 1) for kind, text, part in judged)
    strict = float(all(part == 1 for part in parts))
    return Grade(strict=strict, soft=sum(parts) / len(parts), facts=tuple(facts))


def _closeness(asked: int, found: int) -> float:
    return max(0.0, 1 - abs(asked - found) / asked)


def _all_stand(these: Sequence[Seen], relation: str, those: Sequence[Seen]) -> bool:
    return all(
        relation in relative_position(np.array(a.box, dtype=float), np.array(b.box, dtype=float))
        for a in these
        for b in those
    )
