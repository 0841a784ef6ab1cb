"""How fast scorers judge: which ones, on which pictures."""

import numpy as np
import pytest
import torch

from tessera.bench.reward import bench_reward, pictures_of, scorers_named
from tessera.errors import UserError
from tessera.rewards.noise import NoiseReward
from tessera.types import Prompt
from tests.contracts.policies import tiny_mosaic

PROMPTS = [Prompt(id=text, text=text) for text in ("a photo of a red circle", "a photo of a blue star")]


def test_every_prompt_has_pictures_of_its_own() -> None:
    policy = tiny_mosaic()
    prompts, images_BHWC = pictures_of(policy, PROMPTS, 5)
    assert [prompt.text for prompt in prompts] == [PROMPTS[row % 2].text for row in range(5)]
    assert images_BHWC.shape == (5, *policy.spec.image_size, 3)
    assert not np.array_equal(images_BHWC[0], images_BHWC[2])  # another sample of the same prompt


def test_each_scorer_has_a_speed_and_its_missing_scores() -> None:
    prompts, images_BHWC = pictures_of(tiny_mosaic(), PROMPTS, 4)
    scorers = scorers_named(["noise"], [])
    result = bench_reward(scorers, prompts, images_BHWC, device=torch.device("cpu"), repeats=2)
    assert result["pictures"] == 4
    assert result["scorers"]["noise"]["missing"] == 0
    assert result["scorers"]["noise"]["images_per_second"]["low"] > 0


def test_settings_go_to_the_scorer_they_begin_with() -> None:
    (scorer,) = scorers_named(["noise"], ["noise.seed=7"])
    assert scorer == NoiseReward(seed=7)
    with pytest.raises(UserError, match="begin with the name of a scorer"):
        scorers_named(["noise"], ["metric.strict_weight=1"])
