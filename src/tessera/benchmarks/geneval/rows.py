"""What is seen on a picture as plain data, and the rules over it: of a benchmark or of saved detections.

{"metadata": the prompt's line, "counted_above": 0.3 or 0.9, "detected":
 {class: [{"box": [left, top, right, bottom, score], "color": name}, ...]}}
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tessera.benchmarks.geneval.rules import geneval
from tessera.scorers.detection.geneval import Seen, counted_above, most_confident
from tessera.types import Grade


def row_of(metadata: Mapping[str, Any], seen: Mapping[str, Sequence[Seen]]) -> dict[str, Any]:
    """Returns what is seen on a picture of the prompt with these metadata."""
    detected = {
        name: [
            {"box": [*each.box, each.score], **({"color": each.colour} if each.colour else {})}
            for each in objects
        ]
        for name, objects in seen.items()
    }
    return {"metadata": dict(metadata), "counted_above": counted_above(metadata["tag"]), "detected": detected}


def verdict_on(row: Mapping[str, Any], least: float | None) -> Grade:
    """Returns GenEval's verdict on a row, its objects above `least` alone counted (None: all of them)."""
    return geneval(row["metadata"], counted(row["detected"], least))


def right(grade: Grade) -> bool | None:
    """Returns whether the picture is right; None where nobody can tell."""
    return None if math.isnan(grade.strict) else grade.strict == 1


def counted(
    detected: Mapping[str, Sequence[Mapping[str, Any]]], least: float | None
) -> dict[str, list[Seen]]:
    """Returns of each class the objects that count, the most confident first."""
    return {
        name: most_confident([_seen(each) for each in objects], least) for name, objects in detected.items()
    }


def _seen(one: Mapping[str, Any]) -> Seen:
    left, top, right, bottom, score = map(float, one["box"])
    return Seen(score=score, box=(left, top, right, bottom), colour=one.get("color") or "")
