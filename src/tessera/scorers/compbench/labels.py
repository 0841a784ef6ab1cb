"""Which detections count for a noun of the prompt.

UniDet's labels are names joined by commas: "cattle, cow", "picture frame, picture/frame". A detector with an
open vocabulary was asked for the nouns themselves, and its labels are those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tessera.scorers.compbench.counts import singular
from tessera.scorers.detection.unidet.model import frame

PERSONS = ("girl", "boy", "man", "woman")
# What else a noun is called by a label; the published scripts' own lists, of numeracy and of persons.
ALIASES = {
    **dict.fromkeys(PERSONS, "person"),
    "ship": "boat",
    "television": "tv",
    "goldfish": "fish",
    "painting": "picture",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Thing:
    """One detected object, its box in pixels of T2I-CompBench's picture."""

    label: str
    score: float
    box: tuple[float, float, float, float]
    depth: float | None = None  # mean of the map inside the box; larger is nearer
    depth_transposed: float | None = None  # the same with rows taken for columns


def things(seen: Mapping[str, Any]) -> list[Thing]:
    """Returns what was detected on a picture, the surest first, and of equal ones the earlier."""
    height, width = seen["size"]
    found = [
        Thing(
            label=row["label"],
            score=float(row["score"]),
            box=framed(list(map(float, row["box"])), height, width),
            depth=row.get("depth"),
            depth_transposed=row.get("depth_transposed"),
        )
        for row in seen["detections"]
    ]
    return sorted(found, key=lambda each: -each.score)


def framed(box: Sequence[float], height: int, width: int) -> tuple[float, float, float, float]:
    """Returns a box of a picture of this size in pixels of T2I-CompBench's: its shorter side 479."""
    seen_width, seen_height = frame(width, height)
    across, down = seen_width / width, seen_height / height
    left, top, right, bottom = box
    return (left * across, top * down, right * across, bottom * down)


def names_of(noun: str, *, open_vocabulary: bool) -> frozenset[str]:
    """Returns what a noun may be called by a label; labels are in the singular."""
    if open_vocabulary:
        return frozenset({noun})
    one = singular(noun)
    return frozenset({noun, one, ALIASES.get(one, one)})


def is_one_of(label: str, names: frozenset[str]) -> bool:
    """Returns whether one of a label's names, or its last word ("wall clock"), is among these."""
    given = {name.strip() for part in label.split(",") for name in part.split("/")}
    return bool(names & (given | {name.rpartition(" ")[2] for name in given}))


def of_noun(seen: Sequence[Thing], noun: str, *, open_vocabulary: bool) -> list[Thing]:
    """Returns the detections that count for a noun, the surest first."""
    names = names_of(noun, open_vocabulary=open_vocabulary)
    return [each for each in seen if is_one_of(each.label, names)]
