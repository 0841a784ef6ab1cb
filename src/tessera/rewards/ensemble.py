"""Several scorers as one reward: each calibrated, clipped, weighted, added up.

A required part that is missing makes the reward missing, with the part's reason. An optional part that is
missing counts as neutral, as if it had nothing to say for or against the picture; so it must be calibrated to
something that has a neutral value. The parts' raw scores are kept beside the sum: what one gains at the cost
of another is how a policy cheats.

Axes: B rows (P prompts of G pictures each).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64, UInt8
from numpy import ndarray
from torch import Tensor

from tessera.config import config
from tessera.config import digest as config_digest
from tessera.errors import RewardError, UserError
from tessera.protocols import Scorer
from tessera.rewards.ask import checked
from tessera.rewards.calibrate import NEUTRAL, Calibration, group_zscore, rank, win_rate, zscore
from tessera.rng import derive_seed
from tessera.tensors import Scores
from tessera.types import Prompt

NEEDS_GROUP = ("group", "rank", "win-rate")


@config
class Combination:
    """How one scorer's number enters the sum."""

    weight: float = 1.0
    calibration: Calibration = "raw"
    reference: tuple[float, float] | None = None  # of `zscore`: mean and std; `tessera judge` prints them
    temperature: float = 1.0  # of `win-rate`, in the scorer's unit
    clip: tuple[float, float] | None = None  # of the calibrated value
    optional: bool = False  # missing is neutral, not missing

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight) or self.weight == 0:
            raise UserError(f"the weight of a part must be a finite number other than 0, got {self.weight}")
        if (self.calibration == "zscore") is (self.reference is None):
            raise UserError(
                "calibration=zscore needs reference=[mean, std] of the scorer on a reference set, and no "
                "other takes it; `tessera judge` prints both"
            )
        if self.reference is not None and not self.reference[1] > 0:
            raise UserError(f"the standard deviation of a reference must be above 0, got {self.reference[1]}")
        if not self.temperature > 0:
            raise UserError(f"temperature must be above 0, got {self.temperature}")
        if self.clip is not None and not self.clip[0] < self.clip[1]:
            raise UserError(f"clip=[low, high] must rise, got {list(self.clip)}")
        if self.optional and self.calibration == "raw":
            raise UserError(
                "an optional part needs a calibration: raw scores have no neutral value to stand in for a "
                "missing one"
            )

    def apply(self, score_PG: Float64[Tensor, "P G"]) -> Float64[Tensor, "P G"]:
        """Returns the weighted, clipped, calibrated scores; NaN stays."""
        match self.calibration:
            case "raw":
                value_PG = score_PG
            case "zscore":
                value_PG = zscore(score_PG, self.reference or (0.0, 1.0))
            case "group":
                value_PG = group_zscore(score_PG)
            case "rank":
                value_PG = rank(score_PG)
            case "win-rate":
                value_PG = win_rate(score_PG, self.temperature)
        if self.clip is not None:
            value_PG = value_PG.clamp(*self.clip)
        return self.weight * value_PG

    def neutral(self) -> float:
        """Returns what stands in for a missing score of an optional part."""
        return self.weight * NEUTRAL[self.calibration]


@dataclass(frozen=True, slots=True)
class Part:
    """A scorer, and how it is combined."""

    scorer: Scorer
    combination: Combination


@dataclass(frozen=True, slots=True)
class Ensemble:
    """A weighted sum of calibrated scorers; names are unique."""

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        names = [part.scorer.name for part in self.parts]
        if not names:
            raise UserError("an ensemble needs a part")
        if doubled := {name for name in names if names.count(name) > 1}:
            raise UserError(
                f"two parts of the ensemble are {min(doubled)!r}: give each scorer once, and weigh it"
            )

    @property
    def name(self) -> str:
        """As in messages."""
        return "+".join(part.scorer.name for part in self.parts)

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"], group: int) -> Scores:
        """Returns the sums; the parts are raw."""
        self._check_group(group)
        total_B = torch.zeros(len(prompts), dtype=torch.float64)
        said_B = torch.zeros(len(prompts), dtype=torch.bool)
        reasons = [""] * len(prompts)
        raw: dict[str, Float64[Tensor, " B"]] = {}
        for part in self.parts:
            scores = checked(part.scorer.score(prompts, images_BHWC), part.scorer.name, prompts)
            raw[part.scorer.name] = scores.value_B
            value_B = part.combination.apply(scores.value_B.view(-1, group)).flatten()
            missing_B = torch.isnan(value_B)
            said_B |= ~missing_B
            if part.combination.optional:
                value_B = torch.where(missing_B, part.combination.neutral(), value_B)
            else:
                for row in missing_B.nonzero().flatten().tolist():
                    reasons[row] = reasons[row] or f"{part.scorer.name}: {scores.reasons[row]}"
            total_B = total_B + value_B
        silent_B = ~said_B  # every part is missing, the optional ones too: there is nothing to add up
        for row in silent_B.nonzero().flatten().tolist():
            reasons[row] = reasons[row] or "no part could judge it"
        total_B = torch.where(silent_B, torch.nan, total_B)
        return Scores(value_B=total_B, reasons=tuple(reasons), digest=self.digest(), parts=raw)

    def _check_group(self, group: int) -> None:
        for part in self.parts:
            if group < 2 and part.combination.calibration in NEEDS_GROUP:
                raise RewardError(
                    f"calibration={part.combination.calibration} of {part.scorer.name!r} compares pictures "
                    "of one prompt, and only one was drawn; use raw or zscore, or a larger group"
                )

    def digest(self) -> str:
        """Returns a hash of the parts' digests and of how they are combined."""
        names = [
            name for part in self.parts for name in (part.scorer.digest(), config_digest(part.combination))
        ]
        return f"{derive_seed('ensemble', *names):016x}"
