"""N + M steps are N steps, a kill, a resume and M steps: identical weights, bit for bit."""

from pathlib import Path
from typing import Any

import pytest

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.algorithms.iterated import IteratedConfig
from tessera.policies.lora import LoRAConfig
from tessera.storage import read_jsonl
from tests.tiny import run_config, run_in, save_tiny_policy

CASES: dict[str, dict[str, Any]] = {
    "grpo": {},
    "two-updates": {"algorithm": GRPOConfig(prompts_per_step=2, group=4, updates=2)},
    "conditional-bf16": {
        "algorithm": GRPOConfig(prompts_per_step=2, group=4, logp_view="conditional"),
        "precision": "bfloat16",
    },
    "dpo": {"algorithm": DPOConfig(prompts=6, group=4, pairs_per_step=4)},
    "iterated-grpo": {"iterated": IteratedConfig(rounds=3, reference="ema"), "checkpoint_every": 1},
    "iterated-dpo": {
        "algorithm": DPOConfig(prompts=6, group=4, pairs_per_step=4),
        "iterated": IteratedConfig(rounds=3, reference="refreshed"),
        "checkpoint_every": 1,
    },
    "lora": {"adapter": LoRAConfig(rank=2), "gradient_checkpointing": True},
    "lora-rounds": {"adapter": LoRAConfig(rank=2), "iterated": IteratedConfig(rounds=3)},
}


def deterministic(folder: Path, name: str) -> list[dict[str, Any]]:
    """Returns the rows of a file without what a clock says."""
    rows = list(read_jsonl(folder / name))
    return [{k: v for k, v in row.items() if not k.startswith(("seconds", "cpu_", "peak_"))} for row in rows]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("stop_after", [1, 2, 5])
def test_resuming_equals_never_having_stopped(tmp_path: Path, case: str, stop_after: int) -> None:
    settings = run_config(save_tiny_policy(tmp_path / "policy"), steps=6, **CASES[case])
    straight = run_in(tmp_path / "straight", settings)
    # The line of step `stop_after` is written; its checkpoint, if it is due, is not.
    run_in(tmp_path / "killed", settings, stop_after=stop_after)
    resumed = run_in(tmp_path / "killed", settings, resume=True)
    assert resumed.digest() == straight.digest()
    for name in ("metrics.jsonl", "ledger.jsonl", "eval.jsonl", "held_out.jsonl"):
        assert deterministic(tmp_path / "killed", name) == deterministic(tmp_path / "straight", name)
    for path in (tmp_path / "straight" / "pictures").rglob("*.png"):
        twin = tmp_path / "killed" / path.relative_to(tmp_path / "straight")
        assert twin.read_bytes() == path.read_bytes()
    for name in ("model.safetensors", "optimizer.safetensors"):
        last = Path("checkpoints") / "step_000006" / name
        assert (tmp_path / "killed" / last).read_bytes() == (tmp_path / "straight" / last).read_bytes()
