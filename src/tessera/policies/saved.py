"""Policy folders: `policy.json` says the kind and the settings, and the kind knows its files.

Weights are in half precision by default: the rounding is far below what training moves. An adapter is merged
into them, in float32, so that a policy is a policy whatever trained it.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tessera.config import config, from_plain, to_plain
from tessera.errors import CheckpointError, unknown
from tessera.policies.base import PolicyModule
from tessera.policies.emu3.config import Emu3Config
from tessera.policies.janus.config import JanusConfig
from tessera.policies.layout import SETTINGS, WEIGHTS
from tessera.policies.llamagen.config import LlamaGenConfig
from tessera.policies.lora import LoRAPolicy
from tessera.policies.mosaic.config import MosaicConfig
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.storage import write_json


@config
class SavedMosaic:
    """The embedded policy."""

    kind: Literal["mosaic"] = "mosaic"
    mosaic: MosaicConfig


@config
class SavedLlamaGen:
    """A LlamaGen policy; its text encoder is not saved with it."""

    kind: Literal["llamagen"] = "llamagen"
    llamagen: LlamaGenConfig


@config
class SavedJanus:
    """A Janus policy; sizes and tokenizer lie beside, as transformers has them."""

    kind: Literal["janus"] = "janus"
    janus: JanusConfig


@config
class SavedEmu3:
    """An Emu3 policy, likewise."""

    kind: Literal["emu3"] = "emu3"
    emu3: Emu3Config


Saved = SavedMosaic | SavedLlamaGen | SavedJanus | SavedEmu3
KINDS: Mapping[str, type[Saved]] = {
    "mosaic": SavedMosaic,
    "llamagen": SavedLlamaGen,
    "janus": SavedJanus,
    "emu3": SavedEmu3,
}


def read_saved(folder: Path) -> PolicyModule:
    """Returns the policy saved in a folder."""
    for name in (SETTINGS, WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder} holds no policy: {name} is missing")
    path = folder / SETTINGS
    try:
        told = _json(path)
        kind = str(told.get("kind"))
        if kind not in KINDS:
            raise CheckpointError(f"{path}: {unknown('kind of policy', kind, KINDS)}")
        saved = from_plain(KINDS[kind], told, where=str(path))
    except (ValueError, OSError) as error:
        raise _corrupted(folder, error) from error
    match saved:
        case SavedMosaic():
            return _filled(MosaicPolicy(saved.mosaic), folder)
        case SavedLlamaGen():
            from tessera.policies.llamagen.load import build  # noqa: PLC0415 - imports transformers

            return _filled(build(saved.llamagen), folder)
        case SavedJanus():
            from tessera.policies.janus.load import load_janus  # noqa: PLC0415 - likewise

            return load_janus(replace(saved.janus, weights=str(folder)))
        case SavedEmu3():
            from tessera.policies.emu3.load import load_emu3  # noqa: PLC0415 - likewise

            return load_emu3(replace(saved.emu3, weights=str(folder)))


def save_policy(policy: PolicyModule, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Writes the policy into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(policy, LoRAPolicy):
        base, weights = policy.base, policy.merged()
    else:
        base, weights = policy, policy.state_dict()
    # Off the GPU before anything is widened: a 7 B model in float32 would take 30 GB more of it.
    weights = {name: tensor.detach().cpu() for name, tensor in weights.items()}
    write_json(folder / SETTINGS, to_plain(_save(base, weights, folder, dtype)))


def _save(policy: PolicyModule, weights: Mapping[str, Tensor], folder: Path, dtype: torch.dtype) -> Saved:
    """Writes the files of the policy's kind, with these weights; returns what `policy.json` says."""
    if isinstance(policy, MosaicPolicy):
        _write(weights, folder, dtype)
        return SavedMosaic(mosaic=policy.config)
    from tessera.policies.emu3.load import save_emu3  # noqa: PLC0415 - imports transformers
    from tessera.policies.emu3.policy import Emu3Policy  # noqa: PLC0415 - likewise
    from tessera.policies.janus.load import save_janus  # noqa: PLC0415 - likewise
    from tessera.policies.janus.policy import JanusPolicy  # noqa: PLC0415 - likewise
    from tessera.policies.llamagen.policy import LlamaGenPolicy  # noqa: PLC0415 - likewise

    match policy:
        case LlamaGenPolicy():
            _write(weights, folder, dtype)
            return SavedLlamaGen(llamagen=policy.config)
        case JanusPolicy():
            save_janus(policy, folder, dtype, weights)
            return SavedJanus(janus=policy.config)
        case Emu3Policy():
            save_emu3(policy, folder, dtype, weights)
            return SavedEmu3(emu3=policy.config)
        case _:
            raise TypeError(f"{type(policy).__name__} has no form on disk")


def _write(weights: Mapping[str, Tensor], folder: Path, dtype: torch.dtype) -> None:
    tensors = {name: tensor.detach().to(dtype).contiguous() for name, tensor in weights.items()}
    temporary = folder / f".{WEIGHTS}"
    save_file(tensors, temporary)
    temporary.replace(folder / WEIGHTS)


def _filled(policy: PolicyModule, folder: Path) -> PolicyModule:
    """Returns the policy with the weights of a folder, whole or refused."""
    weights = folder / WEIGHTS
    try:
        tensors = load_file(weights)
    except (SafetensorError, OSError) as error:
        raise _corrupted(folder, error) from error
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


def _json(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise CheckpointError(f"{SETTINGS} holds no JSON object")
    return value


def _corrupted(folder: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{folder} is corrupted ({error}). Copy it again, make it again, or delete it if it is a "
        "checkpoint: its run goes on from the one before with --resume"
    )
