"""What every reward promises (`tessera.protocols.Reward`). To hold another to it, add it to CASES."""

import numpy as np
import pytest
import torch

from tessera.protocols import Reward
from tessera.rewards.ask import ask
from tessera.rewards.custom import CustomReward, load_function
from tessera.rewards.metric import MetricReward
from tessera.rewards.noise import NoiseReward
from tessera.world.prompts import prompt_set

CASES = {
    "metric": MetricReward(),
    "metric-strict": MetricReward(strict_weight=1.0),
    "noise": NoiseReward(),
    "custom": load_function(CustomReward(function="tests.unit.rewards.functions:brightness")),
}
PROMPTS = prompt_set("ood", "train", 1)


@pytest.fixture(params=CASES)
def reward(request: pytest.FixtureRequest) -> Reward:
    """Returns each reward in turn."""
    return CASES[request.param]


@pytest.fixture
def images() -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, size=(len(PROMPTS), 128, 128, 3), dtype=np.uint8)
    images[::2] = 250  # half of them nearly blank
    return images


def test_one_finite_number_per_picture(reward: Reward, images: np.ndarray) -> None:
    scores = ask(reward, PROMPTS, images)
    assert len(scores) == len(PROMPTS)
    assert torch.isfinite(scores.value_B).all()
    assert scores.reasons == ("",) * len(PROMPTS)
    assert scores.digest == reward.digest()


def test_a_row_depends_on_itself_alone(reward: Reward, images: np.ndarray) -> None:
    together = reward.score(PROMPTS, images).value_B
    apart = [reward.score([prompt], images[i : i + 1]).value_B for i, prompt in enumerate(PROMPTS)]
    backwards = reward.score(PROMPTS[::-1], images[::-1]).value_B.flip(0)
    assert torch.equal(together, torch.cat(apart))
    assert torch.equal(together, backwards)


def test_no_pictures_are_no_scores(reward: Reward, images: np.ndarray) -> None:
    assert len(ask(reward, [], images[:0])) == 0


def test_rewards_of_other_settings_have_other_digests() -> None:
    assert len({reward.digest() for reward in CASES.values()}) == len(CASES)
