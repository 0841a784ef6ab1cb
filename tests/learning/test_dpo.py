"""DPO on the shipped policy learns what its reward says.

The measure is that of test_grpo.py on 480 prompts: the training reward on prompts of the stream beyond those
trained on, one picture each under the same seeds before and after; paired differences, standard error 0.018.
With 128 prompts and 16 steps the gain on 240 prompts was 0.042, 0.054, 0.037 over seeds 0, 1, 2.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from tessera.algorithms.collecting import group_requests
from tessera.policies.load import load_policy
from tessera.protocols import Policy
from tessera.recipes import load_recipe
from tessera.rewards.metric import MetricReward, load_metric
from tessera.sampling.sampler import sample
from tessera.training.config import OptimizerConfig, WatchConfig
from tessera.world.prompts import PromptSource, prompt_at
from tests.tiny import run_in

STEPS = 16
PROMPTS = [prompt_at(PromptSource("id"), "train", 0, 10_000 + position) for position in range(480)]


def mean_reward(policy: Policy) -> float:
    rollouts = sample(policy, group_requests(PROMPTS, 1), policy.spec.default_view, seed=77)
    return load_metric(MetricReward()).score(PROMPTS, policy.decode(rollouts.tokens)).value_B.mean().item()


@pytest.mark.slow
def test_a_small_budget_beats_the_base_on_the_training_reward(tmp_path: Path) -> None:
    """Expected 0.044, its error 0.020 with the spread between seeds: 0 is missed about once in a hundred."""
    recipe = load_recipe("mosaic-dpo")
    settings = replace(
        recipe,
        algorithm=replace(recipe.algorithm, prompts=128),
        steps=STEPS,
        optimizer=OptimizerConfig(lr=2e-4, warm_up=0.12),
        checkpoint_every=STEPS,
        watch=WatchConfig(every=0, benchmarks=(), film_every=0),
    )
    assert mean_reward(run_in(tmp_path / "run", settings)) > mean_reward(load_policy("mosaic"))
