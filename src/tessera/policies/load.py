"""Policies by name or by folder: what `--policy` accepts everywhere.

A policy folder has `policy.json` (its kind and sizes) and `model.safetensors` (its weights, half precision
by default: the rounding is far below what training moves). A checkpoint is a policy folder; a run folder
stands for its last complete checkpoint.
"""

import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tessera.config import config, from_plain, to_plain
from tessera.errors import CheckpointError, UserError, unknown
from tessera.policies.base import PolicyModule
from tessera.policies.layout import CHECKPOINTS, SETTINGS, WEIGHTS, last_checkpoint
from tessera.policies.lora import LoRAPolicy
from tessera.policies.mosaic.blind import blinded
from tessera.policies.mosaic.config import MosaicConfig
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.storage import write_json

SHIPPED = ("mosaic", "mosaic-blind")  # the second reads no prompt


@config
class SavedPolicy:
    """What `policy.json` holds."""

    kind: Literal["mosaic"]
    mosaic: MosaicConfig


def load_policy(name: str) -> MosaicPolicy:
    """Returns the shipped policy of that name, or the one of a policy folder, checkpoint or run folder."""
    if name in SHIPPED:
        with as_file(files("tessera.policies.mosaic") / "assets") as folder:
            return blinded(read_policy(folder)) if name == "mosaic-blind" else read_policy(folder)
    folder = Path(name)
    if not folder.exists():
        raise UserError(f"{unknown('policy', name, SHIPPED)} A folder of that name does not exist either")
    if (folder / CHECKPOINTS).is_dir():
        checkpoint = last_checkpoint(folder)
        if checkpoint is None:
            raise CheckpointError(f"{folder} has no complete checkpoint yet; let the run reach its first one")
        return read_policy(checkpoint)
    return read_policy(folder)


def read_policy(folder: Path) -> MosaicPolicy:
    """Returns the policy saved in a folder."""
    settings, weights = folder / SETTINGS, folder / WEIGHTS
    for path in (settings, weights):
        if not path.is_file():
            raise CheckpointError(f"{folder} holds no policy: {path.name} is missing")
    try:
        text = settings.read_text(encoding="utf-8")
        saved = from_plain(SavedPolicy, _json(text), where=str(settings))
        tensors = load_file(weights)
    except (SafetensorError, ValueError, OSError) as error:
        raise CheckpointError(
            f"{folder} is corrupted ({error}). Copy it again, make it again, or delete it if it is a "
            "checkpoint: its run goes on from the one before with --resume"
        ) from error
    policy = MosaicPolicy(saved.mosaic)
    expected = {name: tuple(tensor.shape) for name, tensor in policy.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if expected != found:
        name = next(n for n in {**expected, **found} if expected.get(n) != found.get(n))
        raise CheckpointError(
            f"{weights}: {name} has shape {found.get(name, 'none')}, {SETTINGS} asks for "
            f"{expected.get(name, 'none')}: the two files do not belong together"
        )
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise CheckpointError(f"{weights}: {broken[0]} holds NaN or infinity; the weights are unusable")
    policy.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return policy.eval()


def save_policy(policy: PolicyModule, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Writes the policy into a folder; an adapter is merged into the weights, in float32."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(policy, LoRAPolicy):
        base, weights = policy.base, policy.merged()
    else:
        base, weights = policy, policy.state_dict()
    if not isinstance(base, MosaicPolicy):
        raise TypeError(f"{type(base).__name__} is not saved as a policy folder yet")
    tensors = {name: tensor.detach().to(dtype).contiguous() for name, tensor in weights.items()}
    temporary = folder / f".{WEIGHTS}"
    save_file(tensors, temporary)
    temporary.replace(folder / WEIGHTS)
    write_json(folder / SETTINGS, to_plain(SavedPolicy(kind="mosaic", mosaic=base.config)))


def _json(text: str) -> dict[str, object]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise CheckpointError(f"{SETTINGS} holds no JSON object")
    return value
