"""GenEval's instruments as a scorer: the share of what a prompt asks for that its picture shows.

Rules and what is mended of them are in `geneval.py`: the soft score of Flow-GRPO (arXiv 2505.05470), in
[0, 1]; or, `strict`, 1 where all of it is there exactly, else 0. The prompt's metadata say what is asked, as
a line of GenEval's evaluation_metadata.jsonl does: `include`, and `tag`, where "counting" counts only what is
sure (`COUNTING_THRESHOLD`). Values compare across prompts. A prompt that asks for nothing, for a class that
the detector does not know, or in another form is NaN with the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray

from tessera.scorers.detection.geneval import COLOURS, RELATIONS, confident, geneval_soft
from tessera.scorers.detection.geneval_eyes import Eyes
from tessera.scorers.detection.mask2former.names import OBJECT_NAMES
from tessera.tensors import Scores
from tessera.types import Prompt

RULES = "geneval soft mended 1"  # changes when the rules do


@dataclass(frozen=True, slots=True)
class GenEvalScorer:
    """Eyes, and the rules of the reward."""

    eyes: Eyes
    strict: bool

    @property
    def name(self) -> str:
        """As in messages."""
        return "geneval-strict" if self.strict else "geneval"

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns a value per picture; NaN with a reason where the prompt or the picture cannot be judged."""
        reasons = [unclear(prompt.metadata) for prompt, _ in zip(prompts, images_BHWC, strict=True)]
        values = [np.nan] * len(reasons)
        clear = [row for row, reason in enumerate(reasons) if not reason]
        sights = self.eyes.see([prompts[row].metadata for row in clear], images_BHWC[clear])
        for row, seen in zip(clear, sights, strict=True):
            metadata = prompts[row].metadata
            tag = metadata.get("tag", "")
            there = {name: confident(objects, tag) for name, objects in seen.items()}
            grade = geneval_soft(metadata["include"], there)
            values[row] = grade.strict if self.strict else grade.soft
        value_B = torch.tensor(values, dtype=torch.float64)
        return Scores(value_B=value_B, reasons=tuple(reasons), digest=self.digest())

    def digest(self) -> str:
        """Returns a hash of the instruments and the rules."""
        return "-".join([self.eyes.digest(), self.name, RULES.replace(" ", "-")])


def unclear(metadata: Mapping[str, Any]) -> str:
    """Returns why these metadata cannot be judged; "" where they can."""
    include = metadata.get("include")
    if not include:
        return "the prompt's metadata include nothing to look for; a line of GenEval's has `include`"
    if not isinstance(include, list | tuple):
        return f"metadata include must be a list of clauses, got {include!r:.80}"
    for place, clause in enumerate(include):
        if not isinstance(clause, Mapping) or not isinstance(clause.get("class"), str):
            return f"metadata include: a clause must name its class, got {clause!r:.80}"
        name, count = clause["class"], clause.get("count")
        if name not in OBJECT_NAMES:
            return f"the detector has no class {name!r}; it knows COCO's 80, by GenEval's names"
        if type(count) is not int or count < 1:
            return f"metadata include: the count of {name} must be a whole number above 0, got {count!r:.80}"
        if clause.get("color", COLOURS[0]) not in COLOURS:
            return f"metadata include: unknown color {clause['color']!r:.80}; known: {', '.join(COLOURS)}"
        if "position" in clause and not _is_position(clause["position"], place):
            return (
                f"metadata include: the position of {name} must be [{' | '.join(RELATIONS)}, the place of an "
                f"earlier clause], got {clause['position']!r:.80}"
            )
    return ""


def _is_position(value: Any, place: int) -> bool:
    """Returns whether it is a relation and the place of a clause before this one."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    relation, other = value
    return relation in RELATIONS and type(other) is int and 0 <= other < place
