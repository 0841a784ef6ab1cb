"""Judged while others are drawn is judged in between: same weights, same lines, bit for bit."""

from pathlib import Path
from typing import Any

import pytest

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.policies.lora import LoRAConfig
from tessera.storage import read_jsonl
from tests.tiny import run_config, run_in, save_tiny_policy

CASES: dict[str, dict[str, Any]] = {
    "grpo": {"algorithm": GRPOConfig(prompts_per_step=4, group=2, updates=2)},
    "resampled": {"algorithm": GRPOConfig(prompts_per_step=4, group=2, flat_groups="resample")},
    "lora": {"algorithm": GRPOConfig(prompts_per_step=4, group=2), "adapter": LoRAConfig(rank=2)},
    "dpo": {"algorithm": DPOConfig(prompts=6, group=2, pairs_per_step=4)},
}


def lines_of(folder: Path, name: str) -> list[dict[str, Any]]:
    """Returns the rows of a file without what a clock says."""
    rows = read_jsonl(folder / name)
    return [{k: v for k, v in row.items() if not k.startswith(("seconds", "cpu_", "peak_"))} for row in rows]


@pytest.mark.parametrize("case", CASES)
def test_beside_the_drawing_is_in_between(tmp_path: Path, case: str) -> None:
    digests = []
    for beside in (False, True):
        settings = run_config(
            save_tiny_policy(tmp_path / "policy"),
            steps=2,
            batch_size=3,  # a batch ends within a group, and there are several chunks
            judge_while_drawing=beside,
            **CASES[case],
        )
        digests.append(run_in(tmp_path / str(beside), settings).digest())
    assert digests[0] == digests[1]
    for name in ("metrics.jsonl", "ledger.jsonl"):
        assert lines_of(tmp_path / "False", name) == lines_of(tmp_path / "True", name)
    for path in (tmp_path / "False" / "rollouts").rglob("*_*.*"):
        assert (tmp_path / "True" / path.relative_to(tmp_path / "False")).read_bytes() == path.read_bytes()
