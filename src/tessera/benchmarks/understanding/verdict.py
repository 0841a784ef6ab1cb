"""When an answer is right: in words, after the same smoothing on both sides; among choices, the likeliest.

Smoothing is in the manner of VQA's evaluation (Antol and others, arXiv:1505.00468; its code: lower case, no
punctuation, no articles, digits for number words) and is ours: nothing else of it is used, and one accepted
answer is enough.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

ARTICLES = frozenset({"a", "an", "the"})
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_PUNCTUATION = re.compile(r"(?<!\d)[^\w\s]|[^\w\s](?!\d)")  # but not the point of 3.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether an answer is right. NaN: there was none, for a reason."""

    answer: str
    correct: float  # 1 or 0
    contained: float  # likewise: whether a right answer stands in it, whatever stands around
    reason: str = ""


def smoothed(text: str) -> str:
    """Returns the words that are compared."""
    plain = _PUNCTUATION.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    words = [str(NUMBERS.index(word)) if word in NUMBERS else word for word in plain.split()]
    # "A" may be the answer.
    return " ".join([word for word in words if word not in ARTICLES] or words)


def judge_words(said: str, answers: Sequence[str]) -> Verdict:
    """Returns whether one of the accepted answers was given."""
    given, accepted = smoothed(said), [smoothed(each) for each in answers]
    inside = any(each and f" {each} " in f" {given} " for each in accepted)
    return Verdict(answer=said, correct=float(given in accepted), contained=float(inside))


def judge_choices(logp: Sequence[float], choices: Sequence[str], answers: Sequence[str]) -> Verdict:
    """Returns whether the likeliest choice is right; equally likely ones are right only together."""
    if not all(math.isfinite(each) for each in logp):
        return Verdict(
            answer="", correct=math.nan, contained=math.nan, reason="a choice has no finite likelihood"
        )
    best = [choice for choice, value in zip(choices, logp, strict=True) if value == max(logp)]
    right = float(all(choice in answers for choice in best))
    return Verdict(answer=best[0], correct=right, contained=right)
