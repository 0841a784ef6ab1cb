"""What every reward promises (`tessera.protocols.Reward`). To hold another to it, add it to CASES."""

from typing import Any

import numpy as np
import pytest
import torch

from tessera.protocols import Reward
from tessera.rewards.ask import ask
from tessera.rewards.custom import CustomReward
from tessera.rewards.ensemble import Combination
from tessera.rewards.judge import JudgeReward
from tessera.rewards.load import EnsembleReward, PartConfig, load_reward
from tessera.rewards.metric import MetricReward
from tessera.rewards.noise import NoiseReward
from tessera.scorers.judges.sizes import JUDGES
from tessera.world.prompts import prompt_set

BRIGHTNESS = CustomReward(function="tests.unit.rewards.functions:brightness")
HOW = {
    "raw": Combination(weight=2.0),
    "zscore": Combination(calibration="zscore", reference=(0.5, 0.2), clip=(-3.0, 3.0)),
    "group": Combination(calibration="group"),
    "rank": Combination(calibration="rank", optional=True),
    "win-rate": Combination(calibration="win-rate", temperature=0.1),
}
SINGLE: dict[str, Any] = {
    "metric": MetricReward(),
    "metric-strict": MetricReward(strict_weight=1.0),
    "noise": NoiseReward(),
    "custom": BRIGHTNESS,
    **{name: JudgeReward(judge=name) for name in JUDGES},
}
SUMS: dict[str, Any] = {
    f"sum-{name}": EnsembleReward(
        parts=(PartConfig(scorer=NoiseReward()), PartConfig(scorer=BRIGHTNESS, how=how))
    )
    for name, how in HOW.items()
}
CASES = {name: load_reward(settings) for name, settings in {**SINGLE, **SUMS}.items()}
GROUP = 2
PROMPTS = [prompt for prompt in prompt_set("ood", "train", 1) for _ in range(GROUP)]


@pytest.fixture(params=CASES)
def reward(request: pytest.FixtureRequest) -> Reward:
    """Returns each reward in turn."""
    return CASES[request.param]


@pytest.fixture
def images() -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, size=(len(PROMPTS), 128, 128, 3), dtype=np.uint8)
    images[::3] = 250  # a third of them nearly blank
    return images


def test_one_finite_number_per_picture(reward: Reward, images: np.ndarray) -> None:
    scores = ask(reward, PROMPTS, images, GROUP)
    assert len(scores) == len(PROMPTS)
    assert torch.isfinite(scores.value_B).all()
    assert scores.reasons == ("",) * len(PROMPTS)
    assert scores.digest == reward.digest()
    assert all(len(value_B) == len(PROMPTS) for value_B in scores.parts.values())


def test_a_group_depends_on_itself_alone(reward: Reward, images: np.ndarray) -> None:
    together = reward.score(PROMPTS, images, GROUP).value_B
    groups = [slice(first, first + GROUP) for first in range(0, len(PROMPTS), GROUP)]
    apart = [reward.score(PROMPTS[rows], images[rows], GROUP).value_B for rows in groups]
    backwards = reward.score(PROMPTS[::-1], images[::-1].copy(), GROUP).value_B.flip(0)
    assert torch.equal(together, torch.cat(apart))
    assert torch.equal(together, backwards)


@pytest.mark.parametrize("name", SINGLE)
def test_a_single_scorer_judges_each_picture_by_itself(name: str, images: np.ndarray) -> None:
    together = CASES[name].score(PROMPTS, images, GROUP).value_B
    one_by_one = [
        CASES[name].score([prompt], images[row : row + 1], 1).value_B for row, prompt in enumerate(PROMPTS)
    ]
    assert torch.equal(together, torch.cat(one_by_one))


def test_no_pictures_are_no_scores(reward: Reward, images: np.ndarray) -> None:
    assert len(ask(reward, [], images[:0], GROUP)) == 0


def test_rewards_of_other_settings_have_other_digests() -> None:
    assert len({reward.digest() for reward in CASES.values()}) == len(CASES)
