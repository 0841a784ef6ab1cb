"""A run at tiny size: the real policy class with random weights, a short configuration, a context."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from tessera.algorithms.base import Context
from tessera.algorithms.grpo import GRPOConfig
from tessera.policies.base import PolicyModule
from tessera.policies.reference import frozen_copy
from tessera.policies.saved import save_policy
from tessera.protocols import Policy, Scorer
from tessera.rewards.noise import NoiseReward
from tessera.rewards.plain import Plain
from tessera.training.config import OptimizerConfig, RunConfig, WatchConfig
from tessera.training.distributed import Alone
from tessera.training.loop import train
from tessera.training.run import open_run
from tessera.types import silent
from tessera.world.prompts import PromptSource, prompt_at
from tests.contracts.policies import tiny_mosaic


def context(
    folder: Path,
    *,
    policy: PolicyModule | None = None,
    reward: Scorer | None = None,
    max_missing: float = 0.1,
) -> Context:
    """Returns what an algorithm collects with: the tiny policy, noise as the reward."""
    policy = policy or tiny_mosaic()
    source = PromptSource("id")
    return Context(
        policy=policy,
        reference=frozen_copy(policy),
        reward=Plain(reward or NoiseReward()),
        peers=Alone(),
        spend=lambda what, amount: None,
        prompts=lambda first, count: [prompt_at(source, "train", 0, first + n) for n in range(count)],
        seed=0,
        max_missing=max_missing,
        batch_size=16,
        folder=folder,
        phase=lambda name: nullcontext(),
        on_progress=silent,
    )


def save_tiny_policy(folder: Path) -> Path:
    """Writes the tiny policy into a folder; returns it."""
    save_policy(tiny_mosaic(), folder, torch.float32)
    return folder


def run_config(policy: Path, **changes: Any) -> RunConfig:
    """Returns a run of four steps in float32 on the policy in a folder."""
    values: dict[str, Any] = {
        "recipe": "tiny",
        "policy": str(policy),
        "algorithm": GRPOConfig(prompts_per_step=2, group=4),
        "reward": NoiseReward(),
        "steps": 4,
        "optimizer": OptimizerConfig(lr=1e-2, warm_up=0.25),
        "precision": "float32",
        "checkpoint_every": 2,
        "watch": WatchConfig(every=2, benchmarks=("mosaic-id",), prompts_per_category=1, film_every=2),
    }
    return RunConfig(**{**values, **changes})


def run_in(
    folder: Path, settings: RunConfig, *, resume: bool = False, stop_after: int | None = None
) -> Policy:
    """Trains in the folder and returns the policy; `stop_after` breaks off after so many steps, as a kill."""

    def stop(row: Mapping[str, Any]) -> None:
        if row["step"] == stop_after:
            raise KeyboardInterrupt

    run = open_run(settings, folder, "test", resume=resume)
    try:
        train(run, stop)
    except KeyboardInterrupt:
        assert stop_after is not None
    return run.policy
