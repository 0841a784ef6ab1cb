"""From configuration to reward: closed unions by `kind`, open at one end for outside code."""

from typing import Annotated, Literal

from pydantic import Field

from tessera.config import config
from tessera.protocols import Reward, Scorer
from tessera.rewards.custom import CustomReward, load_function
from tessera.rewards.ensemble import Combination, Ensemble, Part
from tessera.rewards.judge import JudgeReward, load_judge_reward
from tessera.rewards.metric import MetricReward, load_metric
from tessera.rewards.noise import NoiseReward
from tessera.rewards.outside import OutsideScorer, load_outside, load_outside_reward
from tessera.rewards.plain import Plain
from tessera.rewards.remote.client import Remote, RemoteScorer, Servers
from tessera.rewards.remote.settings import RemoteReward
from tessera.scorers.vlm.settings import UnifiedRewardPairs

AnyScorer = MetricReward | JudgeReward | NoiseReward | CustomReward | RemoteReward | OutsideScorer
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


AnyReward = AnyScorer | UnifiedRewardPairs | EnsembleReward
RewardConfig = Annotated[AnyReward, Field(discriminator="kind")]


def load_reward(settings: AnyReward) -> Reward:
    """Returns the reward that training learns from."""
    match settings:
        case EnsembleReward():
            return Ensemble(tuple(Part(load_scorer(part.scorer), part.how) for part in settings.parts))
        case RemoteReward():
            return Remote(Servers(settings))
        case UnifiedRewardPairs():
            return load_outside_reward(settings)
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
        case MetricReward():
            return load_metric(settings)
        case NoiseReward():
            return settings
        case _:
            return load_outside(settings)
