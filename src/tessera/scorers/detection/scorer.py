"""Whether a picture shows the objects, places and counts that its prompt asks for, by a detector.

The rules are those of T2I-R1 (arXiv 2505.00703; CaraJ7/T2I-R1:src/t2i-r1/src/utils/reward_gdino.py):

- object: the fraction of the names that are found; in [0, 1];
- spatial: 0.2 for each of the two that is found; if both are, and 0.5 x how well the most confident box of
  each stands in the relation (`geometry.placement`); in [0, 0.9];
- numeracy: of each name 1 if as many as asked are left after non-maximum suppression, 0.2 if another number
  of them, 0 if none; the mean over names; in [0, 1].

What a task gives compares across prompts of that task, not across tasks. Four faults of the published code
are mended here, so numbers are not those of T2I-R1:

1. Its boxes stayed in [0, 1] where the threshold of nearness is 150 pixels, so "next to", "near" and "on
   side of" held for any two boxes. Here boxes are in pixels, of the picture as T2I-CompBench measures it:
   its shorter side 479.
2. "above" and "on top of" were not handled and earned 0, as did whatever else it did not know. Here both
   are "on the top of"; an unknown relation is NaN.
3. Its suppression compared (centre, size) boxes as if they were corners. Here they are corners.
4. Any exception was a score of 0. Here what cannot be judged is NaN with its reason.

Two departures more: a prompt's task is read from its metadata or sentence (`asked.py`) where `task` does not
say it, so a complex prompt with a relation is judged as spatial; and a name asked for twice counts once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray

from tessera.scorers.detection.asked import Asked, Numeracy, Objects, Spatial, Task, asked
from tessera.scorers.detection.detector import Detection, Detector, Sighting
from tessera.scorers.detection.geometry import in_frame, nms, placement
from tessera.tensors import Scores
from tessera.types import Prompt

FOUND = 0.2  # of each of the two objects of a relation
IN_PLACE = 0.5
MISCOUNTED = 0.2
SUPPRESSION = 0.5  # IoU

RULES = "t2i-r1 mended 1"  # changes when the rules do


@dataclass(frozen=True, slots=True)
class DetectionScorer:
    """A detector, and the rules of one task."""

    name: str
    task: Task
    detector: Detector

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns a value per picture; NaN with a reason where the prompt or the picture cannot be judged."""
        rows = list(zip([asked(prompt, self.task) for prompt in prompts], images_BHWC, strict=True))
        reasons = [each if isinstance(each, str) else "" for each, _ in rows]
        values = [np.nan] * len(rows)
        clear = [(index, each) for index, (each, _) in enumerate(rows) if not isinstance(each, str)]
        if clear:
            sightings = self.detector.detect(
                images_BHWC[[index for index, _ in clear]], [each.names for _, each in clear]
            )
            for (index, each), sighting in zip(clear, sightings, strict=True):
                if sighting.reason:
                    reasons[index] = sighting.reason
                else:
                    values[index] = judge(each, sighting, *images_BHWC.shape[1:3])
        value_B = torch.tensor(values, dtype=torch.float64)
        return Scores(value_B=value_B, reasons=tuple(reasons), digest=self.digest())

    def digest(self) -> str:
        """Returns a hash of the detector, the task and the rules."""
        return "-".join([self.detector.digest(), self.task, RULES.replace(" ", "-")])


def judge(wanted: Asked, sighting: Sighting, height: int, width: int) -> float:
    """Returns how far what was seen in a picture of this size is what was asked for."""
    of = {name: [seen for seen in sighting.detections if seen.name == name] for name in wanted.names}
    match wanted:
        case Objects():
            return sum(bool(of[name]) for name in wanted.names) / len(wanted.names)
        case Spatial():
            return spatial_score(wanted, of[wanted.first], of[wanted.second], height, width)
        case Numeracy():
            return sum(count_score(count, of[name]) for name, count in wanted.counts) / len(wanted.counts)


def spatial_score(
    wanted: Spatial, first: Sequence[Detection], second: Sequence[Detection], height: int, width: int
) -> float:
    """Returns the score of a relation between the most confident box of each name."""
    score = FOUND * bool(first) + FOUND * bool(second)
    if first and second:
        best = boxes_of([most_confident(first), most_confident(second)])
        score += IN_PLACE * placement(wanted.relation, *in_frame(best, height, width))
    return score


def count_score(count: int, seen: Sequence[Detection]) -> float:
    """Returns the score of one name of which `count` are asked for."""
    if not seen:
        return 0.0
    scores_N = np.array([each.score for each in seen])
    return 1.0 if len(nms(boxes_of(seen), scores_N, SUPPRESSION)) == count else MISCOUNTED


def boxes_of(seen: Sequence[Detection]) -> Float[ndarray, "N 4"]:
    """Returns the boxes."""
    return np.array([each.box for each in seen], dtype=np.float64).reshape(-1, 4)


def most_confident(seen: Sequence[Detection]) -> Detection:
    """Returns the best detection; of equal ones the first."""
    return max(seen, key=lambda each: each.score)
