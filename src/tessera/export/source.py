"""What is exported: a checkpoint of a run, with what the run noted of itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from tessera.config import from_plain
from tessera.errors import CheckpointError, UserError
from tessera.policies.base import PolicyModule
from tessera.policies.emu3.policy import Emu3Policy
from tessera.policies.janus.policy import JanusPolicy
from tessera.policies.layout import CHECKPOINTS, last_checkpoint
from tessera.policies.llamagen.files import PUBLISHED
from tessera.policies.load import load_policy
from tessera.policies.lora import LoRAConfig
from tessera.policies.settings import NAMED
from tessera.storage import CONFIG, read_jsonl
from tessera.training.checkpoint import ADAPTER, STATE, RunState, load_checkpoint
from tessera.training.ledger import EXPENSES
from tessera.training.metrics import LEDGER


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A trained policy and where it came from."""

    checkpoint: Path
    config: Mapping[str, Any]  # of the run
    state: RunState
    spent: Mapping[str, float]  # up to this step
    policy: PolicyModule  # an adapter is merged into it
    digest: str  # of that policy, as every command loads it
    adapter: Mapping[str, Tensor] | None
    adapter_settings: LoRAConfig | None


def open_source(folder: Path) -> Source:
    """Returns the last checkpoint of a run folder, or the checkpoint that the folder is."""
    checkpoint = last_checkpoint(folder) if (folder / CHECKPOINTS).is_dir() else folder
    if checkpoint is None:
        raise CheckpointError(f"{folder} has no complete checkpoint yet; let the run reach its first one")
    run = checkpoint.absolute().parent.parent
    if not (checkpoint / STATE).is_file() or not (run / CONFIG).is_file():
        raise UserError(
            f"{folder} is no run folder and no checkpoint in one; name what `tessera train` made, so that "
            "the model card can say where the weights come from"
        )
    config = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    policy, state = load_checkpoint(checkpoint)
    told = config.get("adapter")
    rows = [row for row in read_jsonl(run / LEDGER) if row["step"] <= state.step]
    return Source(
        checkpoint=checkpoint,
        config=config,
        state=state,
        spent={name: float(sum(row[name] for row in rows)) for name in (*EXPENSES, "seconds") if rows},
        policy=policy,
        digest=policy.digest(),
        adapter=load_file(checkpoint / ADAPTER) if told else None,
        adapter_settings=from_plain(LoRAConfig, told, where=str(run / CONFIG)) if told else None,
    )


def in_full(source: Source) -> PolicyModule:
    """Returns the policy in the precision of its checkpoint, where it is otherwise rounded when loaded."""
    policy = source.policy
    if isinstance(policy, JanusPolicy | Emu3Policy) and policy.config.dtype != "float32":
        return load_policy(replace(policy.config, weights=str(source.checkpoint), dtype="float32"))
    return policy


def dtype_of(policy: PolicyModule) -> torch.dtype:
    """Returns the dtype of what trains of the policy."""
    return next(parameter.dtype for _, parameter in policy.trainable())


def base_of(config: Mapping[str, Any]) -> str:
    """Returns what the chain of runs that ends in this one began with: a hub id, a folder or a name."""
    policy, seen = config.get("policy", ""), set[Path]()
    while isinstance(policy, str) and (run := _run_of(Path(policy))) and run not in seen:
        seen.add(run)
        policy = json.loads((run / CONFIG).read_text(encoding="utf-8"))["policy"]
    if isinstance(policy, Mapping):
        return str(policy.get("weights") or policy.get("gpt") or policy.get("kind"))
    if policy in NAMED:
        return NAMED[policy].weights
    return PUBLISHED[policy].repo if policy in PUBLISHED else policy


def chained(config: Mapping[str, Any]) -> bool:
    """Returns whether what the run began with was itself made by a run."""
    policy = config.get("policy", "")
    return isinstance(policy, str) and _run_of(Path(policy)) is not None


def hub_id(base: str) -> str:
    """Returns the base where it is an id on the hub, else ""."""
    return base if base.count("/") == 1 and not Path(base).expanduser().exists() else ""


def _run_of(folder: Path) -> Path | None:
    """Returns the run folder that a policy was named by, or None."""
    if (folder / CHECKPOINTS).is_dir():
        return folder.absolute()
    run = folder.absolute().parent.parent
    return run if (folder / STATE).is_file() and (run / CONFIG).is_file() else None
