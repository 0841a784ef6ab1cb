"""Checkpoints: a policy folder with what else a run needs to go on as if it had never stopped.

    step_000040/policy.json, model.safetensors   the policy, in float32: no rounding on the way
                optimizer.safetensors            AdamW's moments, by parameter name
                reference.safetensors            where the reference has moved: its weights
                state.json                       how far the run is, and what it must agree with
                COMPLETE                         size and hash of every file above, written last

Made under a temporary name and renamed. There is no generator to save: all randomness is a function of the
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
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.nn import Parameter
from torch.optim import Optimizer

from tessera.errors import CheckpointError, CheckpointMismatch, TrainingError
from tessera.policies.layout import CHECKPOINTS, COMPLETE, checkpoint_path, last_checkpoint
from tessera.policies.load import read_policy, save_policy
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.storage import full_disk_told, write_json

OPTIMIZER = "optimizer.safetensors"
REFERENCE = "reference.safetensors"
STATE = "state.json"

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
    policy: MosaicPolicy,
    optimizer: Optimizer,
    state: RunState,
    *,
    moved_reference: MosaicPolicy | None = None,
) -> Path:
    """Writes the checkpoint of the state's step; returns its folder. Refuses weights that are no numbers.

    A reference is written only where it is no longer the policy that the run started from.
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
        for leftover in (work, final):  # what a kill or a copy left incomplete
            if leftover.exists():
                shutil.rmtree(leftover)
        save_policy(policy, work, torch.float32)
        save_file(_optimizer_tensors(optimizer, policy.trainable()), work / OPTIMIZER)
        if moved_reference is not None:
            weights = {name: tensor.detach().cpu() for name, tensor in moved_reference.trainable()}
            save_file(weights, work / REFERENCE)
        write_json(work / STATE, asdict(state))
        files = sorted(path for path in work.iterdir() if path.is_file())
        write_json(work / COMPLETE, {path.name: _fingerprint(path) for path in files})
        for path in (*files, work / COMPLETE):
            _flush(path)
        work.rename(final)
        _flush(final.parent)
    return final


def load_checkpoint(folder: Path) -> tuple[MosaicPolicy, RunState]:
    """Returns the policy and the state of a checkpoint; a file that is not as it was written is an error."""
    _verify(folder)
    try:
        state = RunState(**json.loads((folder / STATE).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{folder / STATE} cannot be read: {error}") from error
    return read_policy(folder), state


def load_optimizer(folder: Path, optimizer: Optimizer, named: Named) -> None:
    """Puts the moments of a checkpoint into an optimizer over the same parameters."""
    try:
        tensors = load_file(folder / OPTIMIZER)
    except SafetensorError as error:
        raise _broken(folder, OPTIMIZER) from error
    for name, parameter in named:
        prefix = f"{name}/"
        entries = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
        # The count of steps is a number on the CPU wherever the parameter lies; moments lie beside it.
        optimizer.state[parameter] = {
            key: tensor if tensor.ndim == 0 else tensor.to(parameter.device)
            for key, tensor in entries.items()
        }


@torch.no_grad()
def load_reference(folder: Path, reference: MosaicPolicy) -> bool:
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
    return {
        f"{name}/{key}": value.detach().cpu().contiguous()
        for name, parameter in named
        for key, value in optimizer.state[parameter].items()
    }


def _fingerprint(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"bytes": len(data), "blake2b": hashlib.blake2b(data, digest_size=16).hexdigest()}


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
