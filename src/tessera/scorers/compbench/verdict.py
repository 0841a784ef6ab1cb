"""T2I-CompBench's verdict on what was seen on a picture: the rule of the prompt's category, and no model.

The value of a category is in [0, 1], but for non_spatial, which is a cosine. It does not compare across
categories. `official_bugs` applies the rules with the faults of the published scripts (`faults.py`).
"""

import math
from collections.abc import Mapping
from typing import Any

from tessera.scorers.compbench.attributes import attributes
from tessera.scorers.compbench.labels import things
from tessera.scorers.compbench.numeracy import numeracy, numeracy_published
from tessera.scorers.compbench.reading import Reading
from tessera.scorers.compbench.spatial import depth, depth_published, plane, plane_published
from tessera.scorers.compbench.three_in_one import PARTS, Part, three_in_one
from tessera.types import Grade, Prompt


def verdict(prompt: Prompt, seen: Mapping[str, Any], *, official_bugs: bool) -> Grade:
    """Returns the score of a picture, as strict and as soft; NaN with a reason where it cannot be judged."""
    if why := seen.get("problem") or (_unpublishable(prompt, seen) if official_bugs else ""):
        return _nan(why)
    match prompt.category:
        case "color" | "shape" | "texture":
            return attributes(seen["answers"], official_bugs=official_bugs)
        case "spatial":
            return _place(prompt, seen, official_bugs=official_bugs)
        case "3d_spatial":
            if official_bugs:
                return depth_published(prompt.text, _reading(seen), things(seen))
            return depth(prompt.text, things(seen), open_vocabulary=_open(seen))
        case "numeracy":
            if official_bugs:
                return numeracy_published(_reading(seen), things(seen))
            return numeracy(prompt.text, things(seen), open_vocabulary=_open(seen))
        case "non_spatial":
            return _similarity(seen)
        case "complex":
            kind = prompt.metadata.get("kind")
            parts = PARTS.get(str(kind), ())
            return three_in_one(
                kind, {part: part_of(part, prompt, seen, official_bugs=official_bugs) for part in parts}
            )
        case _:
            return _nan(f"{prompt.category!r} is no category of T2I-CompBench")


def part_of(part: Part, prompt: Prompt, seen: Mapping[str, Any], *, official_bugs: bool) -> Grade:
    """Returns one of the scores that a complex prompt's is the mean of."""
    match part:
        case "attributes":
            return attributes(seen["answers"], official_bugs=official_bugs)
        case "place":
            return _place(prompt, seen, official_bugs=official_bugs)
        case "similarity":
            return _similarity(seen)


def _place(prompt: Prompt, seen: Mapping[str, Any], *, official_bugs: bool) -> Grade:
    if official_bugs:
        complex_prompt = prompt.category == "complex"
        return plane_published(prompt.text, _reading(seen), things(seen), complex_prompt=complex_prompt)
    return plane(prompt.text, things(seen), open_vocabulary=_open(seen))


def _similarity(seen: Mapping[str, Any]) -> Grade:
    return Grade(strict=seen["similarity"], soft=seen["similarity"])


def _unpublishable(prompt: Prompt, seen: Mapping[str, Any]) -> str:
    """Returns why the published scripts could not have judged this, if they could not."""
    if "_" in prompt.text:
        return 'the published scripts read prompts from file names up to the first "_", which this one has'
    if _open(seen):
        return "the published scripts use UniDet; this was seen by a detector with an open vocabulary"
    return ""


def _reading(seen: Mapping[str, Any]) -> Reading:
    return Reading.from_json(seen["reading"])


def _open(seen: Mapping[str, Any]) -> bool:
    return seen.get("vocabulary") == "open"


def _nan(why: str) -> Grade:
    return Grade(strict=math.nan, soft=math.nan, reason=why)
