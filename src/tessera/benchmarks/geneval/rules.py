"""GenEval's verdict on one picture, from objects that are already detected and whose colours are named.

The rules of djghosh13/geneval:evaluation/evaluate_images.py, with its words for what is wrong. Of each clause
of `include` the `count` most confident objects of its class are looked at: fewer is wrong, more is not; so
many of them must have the colour; and each must stand in the relation to each of those that were looked at
for the clause it names. Of each clause of `exclude` there must be fewer than its count. All must hold.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tessera.scorers.detection.geneval import COLOURS, RELATIONS, Seen
from tessera.scorers.detection.geometry import relative_position
from tessera.types import Fact, Grade


def geneval(metadata: Mapping[str, Any], seen: Mapping[str, Sequence[Seen]]) -> Grade:
    """Returns whether the picture is right; what is wrong stands in `reason`, a line each.

    `metadata` is a line of GenEval's evaluation_metadata.jsonl; `seen` has the objects of each class that
    count (`scorers.detection.geneval.confident`), the most confident first. `soft` is the share of clauses
    that hold.
    """
    facts: list[Fact] = []
    wrong: list[str] = []
    met: list[Sequence[Seen]] = []  # by clause of `include`; empty where it does not hold
    for clause in metadata.get("include", ()):
        looked_at = seen.get(clause["class"], ())[: clause["count"]]
        why = (
            _missing(clause, looked_at)
            or _miscoloured(clause, looked_at)
            or _misplaced(clause, looked_at, met)
        )
        facts.append(Fact(kind="include", text=_text(clause, metadata), holds=not why))
        wrong += [why] if why else []
        met.append(() if why else looked_at)
    for clause in metadata.get("exclude", ()):
        name, most, found = clause["class"], clause["count"], len(seen.get(clause["class"], ()))
        facts.append(Fact(kind="exclude", text=f"fewer than {most} {name}", holds=found < most))
        wrong += [f"expected {name}<{most}, found {found}"] if found >= most else []
    if not facts:
        return Grade(strict=np.nan, soft=np.nan, reason="the metadata ask for nothing")
    holding = sum(fact.holds for fact in facts)
    return Grade(
        strict=float(not wrong), soft=holding / len(facts), facts=tuple(facts), reason="\n".join(wrong)
    )


def _missing(clause: Mapping[str, Any], looked_at: Sequence[Seen]) -> str:
    name, asked = clause["class"], clause["count"]
    return f"expected {name}>={asked}, found {len(looked_at)}" if len(looked_at) < asked else ""


def _miscoloured(clause: Mapping[str, Any], looked_at: Sequence[Seen]) -> str:
    if "color" not in clause:
        return ""
    name, asked, colour = clause["class"], clause["count"], clause["color"]
    named = [each.colour for each in looked_at]
    if named.count(colour) >= asked:
        return ""
    others = ", ".join(f"{named.count(each)} {each}" for each in COLOURS if each in named)
    return f"expected {colour} {name}>={asked}, found {named.count(colour)} {colour}; and {others}"


def _misplaced(clause: Mapping[str, Any], looked_at: Sequence[Seen], met: Sequence[Sequence[Seen]]) -> str:
    if "position" not in clause:
        return ""
    name, (relation, other) = clause["class"], clause["position"]
    if not met[other]:
        return f"no target for {name} to be {relation}"
    for each in looked_at:
        for target in met[other]:
            found = relative_position(np.array(each.box, dtype=float), np.array(target.box, dtype=float))
            if relation not in found:
                told = " and ".join(name for name in RELATIONS if name in found)
                return f"expected {name} {relation} target, found {told} target"
    return ""


def _text(clause: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    words = [str(clause["count"]), *([clause["color"]] if "color" in clause else []), clause["class"]]
    if "position" in clause:
        relation, other = clause["position"]
        words += [relation, metadata["include"][other]["class"]]
    return " ".join(words)
