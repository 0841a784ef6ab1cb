"""One step of GRPO on a GPU, of a large model's class and of the embedded policy, in both precisions."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from tessera.algorithms.grpo import GRPOConfig
from tessera.policies.load import load_policy
from tessera.policies.lora import LoRAConfig
from tessera.protocols import Policy
from tessera.recipes import load_recipe
from tessera.training.config import RunConfig, WatchConfig
from tessera.training.distributed import Alone
from tessera.training.loop import train
from tessera.training.run import open_run
from tessera.types import View
from tests.tiny import run_config, save_tiny_policy

pytestmark = pytest.mark.gpu
UNSEEN = WatchConfig(every=0, benchmarks=(), film_every=0)
BATCH = GRPOConfig(prompts_per_step=2, group=4)


def settings_of(name: str, folder: Path) -> RunConfig:
    """Returns one step of a policy."""
    if name == "mosaic":
        tiny = run_config(save_tiny_policy(folder / "policy"), algorithm=BATCH, watch=UNSEEN)
    else:
        # Its guidance of 5 would multiply the rounding of bfloat16 until the run stops.
        tiny = replace(load_recipe("janus-tiny-grpo"), algorithm=BATCH, watch=UNSEEN, view=View())
    return replace(tiny, steps=1, checkpoint_every=1, micro_batch=4)


def one_step(settings: RunConfig, folder: Path, device: torch.device) -> tuple[dict[str, Any], Policy]:
    """Returns the line of the step, and the policy after it."""
    rows: list[Mapping[str, Any]] = []
    run = open_run(settings, folder, "test", resume=False, team=Alone(device))
    train(run, rows.append)
    return dict(rows[-1]), run.policy


@pytest.mark.parametrize("adapter", [None, LoRAConfig(rank=4)], ids=["full", "adapter"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["janus", "mosaic"])
def test_a_step_moves_the_weights_and_replays_what_was_drawn(
    name: str,
    precision: Literal["float32", "bfloat16"],
    adapter: LoRAConfig | None,
    tmp_path: Path,
    device: torch.device,
) -> None:
    settings = replace(settings_of(name, tmp_path), precision=precision, adapter=adapter)
    row, policy = one_step(settings, tmp_path / "run", device)
    assert row["step"] == 1
    assert 0 < row["grad_norm"] < float("inf")
    assert row["sample_replay_gap"] < (1e-4 if precision == "float32" else settings.algorithm.max_replay_gap)
    assert policy.digest() != load_policy(settings.policy).digest()
    assert next(parameter for _, parameter in policy.trainable()).device.type == device.type


@pytest.mark.parametrize("name", ["janus", "mosaic"])
def test_a_step_on_a_gpu_is_the_step_on_a_cpu(name: str, tmp_path: Path, device: torch.device) -> None:
    """In float32 the same pictures are drawn, so reward and gradient agree to rounding."""
    settings = settings_of(name, tmp_path)
    ours, theirs = (
        one_step(settings, tmp_path / where.type / str(number), where)[0]
        for number, where in enumerate((device, torch.device("cpu")))
    )
    assert ours["reward"] == pytest.approx(theirs["reward"], abs=1e-3)
    assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-2)
