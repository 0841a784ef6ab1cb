"""The rule of T2I-CompBench for complex prompts: the mean of what the prompt's kind asks for.

3_in_1_eval/3_in_1.py: a `spatial` prompt gets the mean of attributes and place (2D), an `action` prompt that
of attributes and CLIP's cosine with the prompt without adjectives, a `spatialaction` prompt that of all.
"""

import math
from collections.abc import Mapping
from typing import Literal

from tessera.types import Grade

Part = Literal["attributes", "place", "similarity"]

PARTS: dict[str, tuple[Part, ...]] = {
    "spatial": ("attributes", "place"),
    "action": ("attributes", "similarity"),
    "spatialaction": ("attributes", "place", "similarity"),
}


def three_in_one(kind: object, grades: Mapping[Part, Grade]) -> Grade:
    """Returns the mean over the parts of a kind; NaN where one of them could not be judged."""
    if kind not in PARTS:
        why = f"a complex prompt's metadata must say its kind ({', '.join(PARTS)}), got {kind!r:.40}"
        return Grade(strict=math.nan, soft=math.nan, reason=why)
    counted = {part: grades[part] for part in PARTS[str(kind)]}
    missing = [f"{part}: {each.reason}" for part, each in counted.items() if math.isnan(each.soft)]
    facts = tuple(fact for each in counted.values() for fact in each.facts)
    if missing:
        return Grade(strict=math.nan, soft=math.nan, facts=facts, reason="; ".join(missing))
    score = sum(each.soft for each in counted.values()) / len(counted)
    return Grade(strict=score, soft=score, facts=facts)
