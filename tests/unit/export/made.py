"""Run folders around tiny policies, with what a run notes of itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tessera.config import to_plain
from tessera.policies.base import PolicyModule
from tessera.policies.lora import LoRAPolicy
from tessera.storage import append_jsonl, write_json
from tessera.training.checkpoint import RunState, save_checkpoint
from tessera.training.distributed import Alone
from tessera.training.ledger import EXPENSES

STEP = 40


def made_run(folder: Path, policy: PolicyModule, base: Any, **more: Any) -> Path:
    """Returns the run folder of a policy, as after 40 steps; `base` is the run's setting `policy`."""
    folder.mkdir(parents=True)
    settings: Mapping[str, Any] = to_plain(policy.settings) if isinstance(policy, LoRAPolicy) else {}
    config = {
        "recipe": "made",
        "policy": base,
        "algorithm": {"kind": "grpo", "group": 8},
        "reward": {"kind": "noise"},
        "prompts": "t2i-r1",
        "prompts_digest": "feedbeef",
        "reward_digest": "d00f",
        "policy_digest": "0ba5e",
        "steps": 80,
        "seed": 3,
        "adapter": dict(settings) or None,
        "command": "tessera train made --out runs/it",
        "overlap": "",
        **more,
    }
    write_json(folder / "config.json", config)
    for step in (STEP, STEP + 1):  # the second is after the checkpoint
        row = dict.fromkeys(EXPENSES, 1000) | {"step": step, "seconds": 2.0}
        append_jsonl(folder / "ledger.jsonl", [row])
    optimizer = torch.optim.AdamW([parameter for _, parameter in policy.trainable()])
    state = RunState(step=STEP, images=640, seconds=12.5, reference_digest="0ba5e", config_digest="c0")
    save_checkpoint(folder, policy, optimizer, policy.trainable(), state, Alone())
    return folder
