"""GRPO on the shipped policy learns what its reward says, and nothing where its reward says nothing.

The measure is the training reward (the exact verifier) on 240 prompts of the training stream beyond those
trained on, one picture each under the same seeds before and after: paired differences, standard error 0.025.
Over seeds 0, 1, 2 the gain was 0.099, 0.076, 0.084 with the verifier and -0.067, -0.073, -0.086 with noise,
which wears the policy out. Seeds are fixed; the chances below are those of another seed, or of a machine that
rounds differently.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tessera.algorithms.collecting import group_requests
from tessera.policies.load import load_policy
from tessera.protocols import Policy
from tessera.recipes import load_recipe
from tessera.rewards.metric import MetricReward, load_metric
from tessera.rewards.noise import NoiseReward
from tessera.sampling.sampler import sample
from tessera.training.config import OptimizerConfig, WatchConfig
from tessera.world.prompts import PromptSource, prompt_at
from tests.tiny import run_in

STEPS = 32
PROMPTS = [prompt_at(PromptSource("id"), "train", 0, 10_000 + position) for position in range(240)]


def trained(folder: Path, reward: Any, seed: int) -> Policy:
    """Returns the shipped policy after a small budget: 32 steps of 4 x 8 pictures, 1,024 in all."""
    recipe = load_recipe("mosaic-grpo")
    settings = replace(
        recipe,
        algorithm=replace(recipe.algorithm, prompts_per_step=4, group=8),
        reward=reward,
        steps=STEPS,
        optimizer=OptimizerConfig(lr=3e-4, warm_up=0.1),
        checkpoint_every=STEPS,
        watch=WatchConfig(every=0, benchmarks=(), film_every=0),
        seed=seed,
    )
    return run_in(folder, settings)


@pytest.fixture(scope="module")
def base() -> torch.Tensor:
    return rewards(load_policy("mosaic"))


def rewards(policy: Policy) -> torch.Tensor:
    rollouts = sample(policy, group_requests(PROMPTS, 1), policy.spec.default_view, seed=77)
    return load_metric(MetricReward()).score(PROMPTS, policy.decode(rollouts.tokens)).value_B


@pytest.mark.slow
def test_a_small_budget_beats_the_base_on_the_training_reward(tmp_path: Path, base: torch.Tensor) -> None:
    """Expected 0.086, its error 0.028 with the spread between seeds: 0.02 is missed once in a hundred."""
    gain = (rewards(trained(tmp_path / "run", MetricReward(), seed=0)) - base).mean()
    assert gain > 0.02


@pytest.mark.slow
def test_noise_teaches_nothing(tmp_path: Path, base: torch.Tensor) -> None:
    """Expected -0.075, its error 0.028: 0.02 is passed less than once in a thousand."""
    gain = (rewards(trained(tmp_path / "run", NoiseReward(), seed=0)) - base).mean()
    assert gain < 0.02
