"""DPG-Bench's verdict on one picture, from the chances of yes to the questions of its prompt.

The share of questions that count: those answered yes whose parents count, too. mPLUG, whom the published
script asks, writes a word, and only "yes" is one; of a model that gives chances, yes is what is likelier than
no. `official_bugs` judges with the published script's faults (faults.py).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tessera.types import Fact, Grade

Propositions = Sequence[Mapping[str, Any]]

NONE_ASKED = "the table of questions has none for this prompt"
NO_PARENT = (
    "question {child} depends on {parent}, which the published script does not have: it drops the prompt"
)


def dpg(propositions: Propositions, seen: Mapping[str, Any], *, official_bugs: bool = False) -> Grade:
    """Returns the share of questions that count, with one fact each; NaN where one has no answer."""
    asked = asked_of(propositions, official_bugs)
    if not asked:
        return _unjudged(NONE_ASKED)
    yes, reason = answers_to(asked, seen)
    counts: Mapping[int, bool] = {}
    if not reason:
        counts, reason = counted_in_order(asked, yes) if official_bugs else (counted(asked, yes), "")
    if reason:
        return _unjudged(reason)
    facts = tuple(
        Fact(kind=group_of(each), text=each["question"], holds=counts[each["id"]]) for each in asked
    )
    score = sum(counts.values()) / len(counts)
    return Grade(strict=score, soft=score, facts=facts)


def asked_of(propositions: Propositions, official_bugs: bool) -> Propositions:
    """Returns the questions that are judged: all, or those that the published script reads."""
    return [each for each in propositions if not (official_bugs and each["lost"])]


def answers_to(asked: Propositions, seen: Mapping[str, Any]) -> tuple[dict[int, bool], str]:
    """Returns whether each question is answered yes; or why one has no answer."""
    said = {row["id"]: row for row in seen["answers"]}
    yes: dict[int, bool] = {}
    for each in asked:
        row = said.get(each["id"], {"yes": None, "reason": "it was not asked"})
        if row["yes"] is None:
            return {}, f"{each['question']}: {row['reason']}"
        yes[each["id"]] = row["yes"] > 0.5
    return yes, ""


def counted(asked: Propositions, yes: Mapping[int, bool]) -> dict[int, bool]:
    """Returns which questions count: answered yes, as are all that they depend on, however far up."""
    counts = dict(yes)
    changed = True
    while changed:
        changed = False
        for each in asked:
            if counts[each["id"]] and not all(counts.get(parent, True) for parent in each["parents"]):
                counts[each["id"]], changed = False, True
    return counts


def counted_in_order(asked: Propositions, yes: Mapping[int, bool]) -> tuple[dict[int, bool], str]:
    """Returns which questions count as the published script has it; or what it stops at.

    One pass in the order of the rows; of each question the parents in order, up to one that does not count.
    """
    counts = dict(yes)
    for each in asked:
        for parent in each["parents"]:
            if parent not in counts:
                return {}, NO_PARENT.format(child=each["id"], parent=parent)
            if not counts[parent]:
                counts[each["id"]] = False
                break
    return counts, ""


def group_of(proposition: Mapping[str, Any]) -> str:
    """Returns the broad category of a question: "entity" of "entity - whole"."""
    return proposition["kind"].split("-")[0].strip()


def _unjudged(reason: str) -> Grade:
    return Grade(strict=math.nan, soft=math.nan, reason=reason)
