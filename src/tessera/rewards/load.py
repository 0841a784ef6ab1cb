"""From configuration to reward: a closed union by `kind`, open at one end for outside code."""

from typing import Annotated

from pydantic import Field

from tessera.protocols import Reward
from tessera.rewards.custom import CustomReward, load_function
from tessera.rewards.metric import MetricReward
from tessera.rewards.noise import NoiseReward

RewardConfig = Annotated[MetricReward | NoiseReward | CustomReward, Field(discriminator="kind")]


def load_reward(settings: MetricReward | NoiseReward | CustomReward) -> Reward:
    """Returns the reward; those without state are their own configuration."""
    match settings:
        case CustomReward():
            return load_function(settings)
        case MetricReward() | NoiseReward():
            return settings
