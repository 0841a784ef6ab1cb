"""Somebody else's reward, by name: `module:function`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray

from tessera.config import config
from tessera.config import digest as config_digest
from tessera.errors import RewardError
from tessera.plugins import check_name, load_named
from tessera.tensors import Scores
from tessera.types import Prompt

RewardFunction = Callable[[Sequence[Prompt], ndarray], Any]

UNMEASURED = "the function returned NaN"


@config
class CustomReward:
    """Names a function (prompts, pictures of (B, H, W, 3) uint8) -> B numbers, NaN where there is none.

    What the function raises comes out as it is, with its own traceback, and stops the run.
    """

    kind: Literal["custom"] = "custom"
    function: str

    def __post_init__(self) -> None:
        check_name(self.function, "a custom reward")


@dataclass(frozen=True, slots=True)
class FunctionReward:
    """A function as a reward."""

    settings: CustomReward
    function: RewardFunction

    @property
    def name(self) -> str:
        """As in messages."""
        return self.settings.function

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns the function's values; refuses what is no list of numbers."""
        answer = self.function(prompts, images_BHWC)
        try:
            values = np.asarray(answer, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise RewardError(f"{self.name} must return a number per picture, got {answer!r:.200}") from error
        if values.ndim != 1:
            raise RewardError(
                f"{self.name} must return a flat list of numbers, one per picture, got shape {values.shape}"
            )
        reasons = tuple(UNMEASURED if np.isnan(value) else "" for value in values)
        return Scores(value_B=torch.from_numpy(values.copy()), reasons=reasons, digest=self.digest())

    def digest(self) -> str:
        """Returns a hash of the function's name: what the function does is its author's to keep."""
        return config_digest(self.settings)


def load_function(settings: CustomReward) -> FunctionReward:
    """Returns the reward that the settings name, its module imported."""
    return FunctionReward(settings, load_named(settings.function, "the reward"))
