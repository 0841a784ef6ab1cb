"""The configuration of the detection scorers, without the model: a configuration is read in every process."""

from typing import Literal

from tessera.config import config
from tessera.errors import UserError
from tessera.scorers.detection.asked import Task
from tessera.scorers.placed import Placement

SMALLEST = 256  # pixels of the shorter side: below, there are fewer places than queries


@config
class Look:
    """What a detector is told, beside where it lives. Other values are another instrument."""

    threshold: float = 0.3  # of a score; CaraJ7/T2I-R1:src/t2i-r1/src/utils/reward_gdino.py
    short: int = 800  # pixels, as trained; smaller is faster
    longest: int = 1333

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise UserError(f"threshold must lie between 0 and 1, got {self.threshold}; published is 0.3")
        if not SMALLEST <= self.short <= self.longest:
            raise UserError(
                f"short must lie between {SMALLEST} and longest={self.longest}, got {self.short}; "
                "published are short=800 and longest=1333"
            )


@config
class DetectionReward:
    """Scores pictures by what Grounding DINO finds in them."""

    kind: Literal["gdino"] = "gdino"
    task: Task = "prompt"  # unset: whichever the prompt asks for
    weights: str | None = None  # a folder, or another id on the hub
    look: Look = Look()
    place: Placement = Placement()
