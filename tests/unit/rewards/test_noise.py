"""Noise that is a function of seed, prompt and picture, and of nothing else."""

import numpy as np
import torch

from tessera.rewards.noise import NoiseReward
from tessera.types import Prompt

PROMPTS = [Prompt(id=str(index), text=f"a star {index}") for index in range(500)]
IMAGES = np.random.default_rng(0).integers(0, 256, size=(500, 8, 8, 3), dtype=np.uint8)


def test_prompt_picture_and_seed_each_change_it() -> None:
    base = NoiseReward().score(PROMPTS, IMAGES).value_B
    assert torch.equal(base, NoiseReward().score(PROMPTS, IMAGES).value_B)
    assert not (base == NoiseReward(seed=1).score(PROMPTS, IMAGES).value_B).any()
    assert not (base == NoiseReward().score(PROMPTS[::-1], IMAGES).value_B)[:200].any()
    touched = IMAGES.copy()
    touched[:, 0, 0, 0] ^= 1
    assert not (base == NoiseReward().score(PROMPTS, touched).value_B).any()


def test_it_is_spread_evenly_and_blind_to_the_picture() -> None:
    """Fixed seeds. By chance a correct reward would fail with probability below 1e-4 (|z| of 4 each)."""
    value = NoiseReward().score(PROMPTS, IMAGES).value_B
    assert abs(value.mean() - 0.5) < 4 * (1 / 12 / 500) ** 0.5
    light = torch.from_numpy(IMAGES.reshape(500, -1).mean(axis=1))
    assert abs(torch.corrcoef(torch.stack([value, light]))[0, 1]) < 4 / 500**0.5
