"""Checkpoints: a policy folder with what else a run needs to go on as if it had never stopped.

    step_000040/policy.json, model.safetensors   the policy, in float32: no rounding on the way; for LoRA
                                                 merged, so that it is a policy like any other
                adapter.safetensors              LoRA: the adapter by itself, to go on with
                optimizer.safetensors            AdamW's state, by parameter name
                reference.safetensors            where the reference has moved: its weights
                state.json                       how far the run is, and what it must agree with
                COMPLETE                         size and hash of every file above, written last

Any number of processes writes the same files, and any other number goes on from them. Made under a temporary
name and renamed. There is no generator to save: all randomness is a function of the
seed and the step, so the step is the position in the stream of prompts and in the order of pairs, too.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch.nn import Parameter
from torch.optim import Optimizer

from tessera.errors import CheckpointError, CheckpointMismatch, TrainingError
from tessera.policies.base import PolicyModule
from tessera.policies.layout import CHECKPOINTS, COMPLETE, checkpoint_path, last_checkpoint
from tessera.policies.lora import LoRAPolicy
from tessera.policies.saved import read_saved, save_policy
from tessera.protocols import Policy
from tessera.storage import full_disk_told, write_json
from tessera.training.distributed import Team, write_tensors

ADAPTER = "adapter.safetensors"
OPTIMIZER = "optimizer.safetensors"
REFERENCE = "reference.safetensors"
STATE = "state.json"
COUNT = "step"  # the one number in what AdamW keeps of a parameter; all else has the parameter's shape

Named = Iterable[tuple[str, Parameter]]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunState:
    """How far a run is, and what whoever goes on must agree with."""

    step: int  # optimizer steps taken
    images: int  # pictures sampled for training
    seconds: float  # spent, over all sittings
    reference_digest: str  # of the policy that the run started from
    config_digest: str


def save_checkpoint(
    run: Path,
    policy: PolicyModule,
    optimizer: Optimizer,
    named: Named,
    state: RunState,
    team: Team,
    *,
    moved_reference: Policy | None = None,
) -> Path:
    """Writes the checkpoint of the state's step; returns its folder. Refuses weights that are no numbers.

    `policy` is whole on every process; `named` are the parameters that the optimizer moves, which may be
    pieces. A reference is written only where it is no longer the policy that the run started from.
    """
    for name, parameter in policy.trainable():
        if not torch.isfinite(parameter).all():
            raise TrainingError(
                f"after step {state.step} {name} holds no finite number; nothing was saved. Start again in a "
                "new --out with a lower learning rate"
            )
    final = checkpoint_path(run, state.step)
    work = final.with_name(final.name + ".partial")
    with full_disk_told(run):
        if team.first:
            for leftover in (work, final):  # what a kill or a copy left incomplete
                if leftover.exists():
                    shutil.rmtree(leftover)
            save_policy(policy, work, torch.float32)
            if isinstance(policy, LoRAPolicy):
                write_tensors(dict(policy.trainable()), work / ADAPTER)
            if moved_reference is not None:
                write_tensors(dict(moved_reference.trainable()), work / REFERENCE)
            write_json(work / STATE, asdict(state))
        team.wait()
        team.save(_optimizer_tensors(optimizer, named), work / OPTIMIZER)
        if team.first:
            files = sorted(path for path in work.iterdir() if path.is_file())
            write_json(work / COMPLETE, {path.name: _fingerprint(path) for path in files})
            for path in (*files, work / COMPLETE):
                _flush(path)
            work.rename(final)
            _flush(final.parent)
    team.wait()
    return final


def load_checkpoint(folder: Path) -> tuple[PolicyModule, RunState]:
    """Returns the policy and the state of a checkpoint; a file that is not as it was written is an error."""
    _verify(folder)
    try:
        state = RunState(**json.loads((folder / STATE).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{folder / STATE} cannot be read: {error}") from error
    return read_saved(folder), state


def load_optimizer(folder: Path, optimizer: Optimizer, named: Named, team: Team) -> None:
    """Puts the moments of a checkpoint into an optimizer over the same parameters."""
    parameters = dict(named)
    path, into = folder / OPTIMIZER, dict[str, torch.Tensor]()
    try:
        with safe_open(path, framework="pt") as file:
            keys = [key.rpartition("/") for key in file.keys()]  # noqa: SIM118 - no mapping: it has only keys()
        for name, _, what in keys:
            # The count of steps is a number on the CPU wherever the parameter lies; moments lie as it does.
            empty = torch.zeros(1) if what == COUNT else torch.zeros_like(parameters[name])
            into[f"{name}/{what}"] = empty
        team.load(path, into)
    except (SafetensorError, KeyError) as error:
        raise _broken(folder, OPTIMIZER) from error
    for name, _, what in keys:
        tensor = into[f"{name}/{what}"]
        optimizer.state[parameters[name]][what] = tensor[0] if what == COUNT else tensor


@torch.no_grad()
def load_adapter(folder: Path, policy: LoRAPolicy) -> None:
    """Puts the adapter of a checkpoint into a policy on the same base."""
    try:
        tensors = load_file(folder / ADAPTER)
    except SafetensorError as error:
        raise _broken(folder, ADAPTER) from error
    for name, parameter in policy.trainable():
        parameter.copy_(tensors[name])


@torch.no_grad()
def load_reference(folder: Path, reference: Policy) -> bool:
    """Puts the weights of a checkpoint's moved reference into it; returns whether there were any."""
    path = folder / REFERENCE
    if not path.exists():
        return False
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise _broken(folder, REFERENCE) from error
    for name, parameter in reference.trainable():
        parameter.copy_(tensors[name])
    return True


def resume_point(run: Path, *, reference_digest: str, config_digest: str) -> Path | None:
    """Returns the checkpoint to go on from, None to start; refuses one of another run."""
    folder = last_checkpoint(run)
    if folder is None:
        return None
    _, state = load_checkpoint(folder)
    if state.reference_digest != reference_digest:
        raise CheckpointMismatch(
            f"{folder} was trained against the reference {state.reference_digest[:12]}, and the policy named "
            f"by this configuration is now {reference_digest[:12]}: put the weights back that the run "
            "started from, or start a new run in another --out"
        )
    if state.config_digest != config_digest:
        raise CheckpointMismatch(
            f"{folder} belongs to a run of another configuration than {run / 'config.json'}; "
            f"delete {run / CHECKPOINTS} to start again, or choose another --out"
        )
    return folder


def _optimizer_tensors(optimizer: Optimizer, named: Named) -> dict[str, torch.Tensor]:
    # One element, not a number: joining the pieces of several processes, torch 2.13 writes 0 for numbers.
    return {
        f"{name}/{key}": value.reshape(1) if key == COUNT else value
        for name, parameter in named
        for key, value in optimizer.state[parameter].items()
    }


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:  # piece by piece: weights of 7 B parameters are 30 GB
        hashed = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
    return {"bytes": path.stat().st_size, "blake2b": hashed.hexdigest()}


def _verify(folder: Path) -> None:
    try:
        recorded = json.loads((folder / COMPLETE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} is no complete checkpoint: {COMPLETE} is missing") from error
    for name, fingerprint in recorded.items():
        path = folder / name
        if not path.is_file() or _fingerprint(path) != fingerprint:
            raise _broken(folder, name)


def _broken(folder: Path, name: str) -> CheckpointError:
    return CheckpointError(
        f"{folder / name} is not as it was written (truncated, or changed). Delete {folder} and go on from "
        "the checkpoint before it with --resume"
    )


def _flush(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
