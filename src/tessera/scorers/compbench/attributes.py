"""The rule of T2I-CompBench for attributes: the product of BLIP-VQA's answers to a prompt's noun phrases.

BLIPvqa_eval/BLIP_vqa.py: each phrase is asked for ("a red car?"), at most eight; phrases of place are left
out; probabilities and their product are rounded to four decimals. What is published and mended: `faults.py`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tessera.scorers.blip.questions import MOST_PHRASES, product
from tessera.scorers.compbench.lexicon import PLACES
from tessera.types import Fact, Grade

PUBLISHED_PLACES = ("top", "the side", "the left", "the right")
SEEN = 0.5  # probability from which a phrase is called seen


def questions(chunks: Sequence[str]) -> list[str]:
    """Returns what BLIP is asked, for either rule: all phrases but those that both leave out."""
    return [f"{chunk}?" for chunk in chunks if chunk not in PUBLISHED_PLACES]


def attributes(answers: Sequence[Mapping[str, Any]], *, official_bugs: bool) -> Grade:
    """Returns the product over the phrases that count; an answer has its `chunk` and `yes`, a probability."""
    counted = [each for each in answers if not (_place(each["chunk"]) and not official_bugs)][:MOST_PHRASES]
    if any(each["yes"] is None for each in counted):
        return Grade(strict=math.nan, soft=math.nan, reason="BLIP gave no finite number")
    if not counted and not official_bugs:
        return Grade(strict=math.nan, soft=math.nan, reason="the prompt has no noun phrase to ask for")
    score = product([each["yes"] for each in counted])
    facts = [Fact(kind="phrase", text=each["chunk"], holds=each["yes"] > SEEN) for each in counted]
    return Grade(strict=score, soft=score, facts=tuple(facts))


def _place(chunk: str) -> bool:
    return chunk.lower().removeprefix("the ") in PLACES
