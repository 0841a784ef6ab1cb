"""A run's configuration: rates by hand, contradictions refused when it is read."""

from pathlib import Path
from typing import Any

import pytest

from tessera.algorithms.grpo import GRPOConfig
from tessera.errors import UserError
from tessera.policies.lora import LoRAConfig
from tessera.training.config import OptimizerConfig
from tests.tiny import run_config


def test_the_rate_climbs_then_falls_and_is_never_zero() -> None:
    rates = [OptimizerConfig(lr=1.0, warm_up=0.2).rate(step, 10) for step in range(10)]
    assert rates == pytest.approx([1 / 2, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    constant = OptimizerConfig(lr=1.0, warm_up=0.2, schedule="constant")
    assert [constant.rate(step, 10) for step in (0, 1, 2, 9)] == [0.5, 1, 1, 1]
    assert OptimizerConfig(lr=1.0, warm_up=0.0).rate(0, 1) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be 1 or more"),
        ({"micro_batch": 0}, "micro_batch must be 1 or more"),
        ({"adapter": LoRAConfig(), "strategy": "fsdp"}, "use strategy=ddp with it"),
        ({"memory_gb": 0.0}, "memory_gb must be above 0"),
        ({"max_missing": 1.5}, "max_missing is a share"),
        ({"steps": 3, "algorithm": GRPOConfig(updates=2)}, "steps=3 must be a multiple of updates=2"),
        (
            {"checkpoint_every": 3, "algorithm": GRPOConfig(updates=2)},
            "checkpoint_every=3 must be a multiple",
        ),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run_config(Path("p"), **changes)


@pytest.mark.parametrize(
    "values", [{"lr": 0.0}, {"lr": 1.0, "warm_up": 1.0}, {"lr": 1.0, "max_grad_norm": 0.0}]
)
def test_an_optimizer_that_cannot_move_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        OptimizerConfig(**values)
