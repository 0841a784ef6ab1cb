"""The exact verifier of mosaic as a reward: the share of a prompt's facts that hold, and whether all do."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import UInt8
from numpy import ndarray

from tessera.config import config
from tessera.config import digest as config_digest
from tessera.errors import UserError
from tessera.scorers.mosaic import grade
from tessera.tensors import Scores
from tessera.types import Prompt


@config
class MetricReward:
    """w * strict + (1 - w) * soft, in [0, 1]: strict is 1 if every fact holds, soft is the share that does.

    Strict alone leaves most groups without contrast where the policy is weak; soft alone never asks for the
    last fact. Half and half is the prototype's best and most stable setting (embedded_world.md, section 5).
    """

    kind: Literal["metric"] = "metric"
    strict_weight: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.strict_weight <= 1:
            raise UserError(f"strict_weight must lie in [0, 1], got {self.strict_weight}")

    @property
    def name(self) -> str:
        """As in messages."""
        return self.kind

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns a value per picture; NaN where the prompt's words make no description."""
        grades = grade([prompt.text for prompt in prompts], images_BHWC)
        weight = self.strict_weight
        values = [weight * verdict.strict + (1 - weight) * verdict.soft for verdict in grades]
        return Scores(
            value_B=torch.tensor(values, dtype=torch.float64),
            reasons=tuple(verdict.reason for verdict in grades),
            digest=self.digest(),
        )

    def digest(self) -> str:
        """Returns a hash of the settings."""
        return config_digest(self)
