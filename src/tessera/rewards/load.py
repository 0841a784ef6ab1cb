"""From configuration to reward: closed unions by `kind`, open at one end for outside code."""

from typing import Annotated, Literal

from pydantic import Field

from tessera.config import config
from tessera.protocols import Reward, Scorer
from tessera.rewards.custom import CustomReward, load_function
from tessera.rewards.ensemble import Combination, Ensemble, Part
from tessera.rewards.judge import JudgeReward, load_judge_reward
from tessera.rewards.metric import MetricReward
from tessera.rewards.noise import NoiseReward
from tessera.rewards.plain import Plain
from tessera.rewards.remote.client import Remote, RemoteScorer, Servers
from tessera.rewards.remote.settings import RemoteReward

AnyScorer = MetricReward | JudgeReward | NoiseReward | CustomReward | RemoteReward
ScorerConfig = Annotated[AnyScorer, Field(discriminator="kind")]


@config
class PartConfig:
    """One part of an ensemble."""

    scorer: ScorerConfig
    how: Combination = Combination()


@config
class EnsembleReward:
    """A weighted sum of calibrated scorers (rewards/ensemble.py)."""

    kind: Literal["ensemble"] = "ensemble"
    parts: tuple[PartConfig, ...]


RewardConfig = Annotated[AnyScorer | EnsembleReward, Field(discriminator="kind")]


def load_reward(settings: AnyScorer | EnsembleReward) -> Reward:
    """Returns the reward that training learns from."""
    match settings:
        case EnsembleReward():
            return Ensemble(tuple(Part(load_scorer(part.scorer), part.how) for part in settings.parts))
        case RemoteReward():
            return Remote(Servers(settings))
        case _:
            return Plain(load_scorer(settings))


def load_scorer(settings: AnyScorer) -> Scorer:
    """Returns the instrument; those without state are their own configuration."""
    match settings:
        case JudgeReward():
            return load_judge_reward(settings)
        case CustomReward():
            return load_function(settings)
        case RemoteReward():
            return RemoteScorer(Servers(settings))
        case MetricReward() | NoiseReward():
            return settings
