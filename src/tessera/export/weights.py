"""Weights in the layout that the model's own loader reads, in several files where one would be large.

Janus, Emu3   config.json, model.safetensors (or shards with their index), tokenizer.json,
              generation_config.json, and what else lies beside the base where that is a local folder
LlamaGen      see `llamagen`
mosaic        a policy folder of this package
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tessera.errors import UserError
from tessera.export.llamagen import write_llamagen
from tessera.hub import SHARDS
from tessera.policies.base import PolicyModule
from tessera.policies.emu3.load import save_emu3
from tessera.policies.emu3.policy import Emu3Policy
from tessera.policies.janus.load import SIZES, save_janus
from tessera.policies.janus.policy import DEFAULT_VIEW, JanusPolicy
from tessera.policies.janus.understanding import END_OF_TEXT
from tessera.policies.layout import WEIGHTS
from tessera.policies.llamagen.policy import LlamaGenPolicy
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.policies.saved import save_policy
from tessera.storage import write_json

GENERATION = "generation_config.json"
# Of a base in transformers' layout, what its processor and its `generate` are made from.
BESIDE = (
    GENERATION,
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
)


def write_weights(
    policy: PolicyModule, folder: Path, dtype: torch.dtype, *, base: str, shard_bytes: int
) -> list[str]:
    """Writes the policy into the folder; returns the names of files that were copied from the base."""
    match policy:
        case MosaicPolicy():
            save_policy(policy, folder, dtype)
            return []
        case LlamaGenPolicy():
            write_llamagen(policy, folder, dtype)
            return []
        case JanusPolicy():
            save_janus(policy, folder, dtype)
            write_json(folder / GENERATION, _generation(policy))
        case Emu3Policy():
            save_emu3(policy, folder, dtype)
        case _:
            raise UserError(f"a {policy.spec.name} policy has no layout to be exported in")
    _say_dtype(folder / SIZES, dtype)
    _in_shards(folder, shard_bytes)
    return _copied(base, folder)


def _generation(policy: JanusPolicy) -> dict[str, Any]:
    """Returns what `generate` of transformers needs to know for pictures, and to end a text."""
    reader = policy.prompts
    return {
        "bos_token_id": reader.begin,
        "eos_token_id": reader.tokenizer.token_to_id(END_OF_TEXT),
        "pad_token_id": reader.padding,
        "guidance_scale": DEFAULT_VIEW.guidance,
        "generation_kwargs": {"boi_token_id": reader.begin_of_image},
    }


def _say_dtype(path: Path, dtype: torch.dtype) -> None:
    """Puts the dtype of the weights where transformers looks for it when nobody names one."""
    told = json.loads(path.read_text(encoding="utf-8"))
    for part in (told, *(each for each in told.values() if isinstance(each, dict))):
        if part is told or "dtype" in part:
            part["dtype"] = str(dtype).removeprefix("torch.")
    write_json(path, told)


def _in_shards(folder: Path, most: int) -> None:
    """Puts the weights into files of at most so many bytes each, with their index, if one is not enough."""
    whole = folder / WEIGHTS
    if whole.stat().st_size <= most:
        return
    with safe_open(whole, framework="pt") as file:  # a tensor is read when it is asked for
        shards, total = [list[str]()], 0
        filled = 0
        for name in file.keys():  # noqa: SIM118 - it is no dictionary
            size = file.get_tensor(name).nbytes
            if shards[-1] and filled + size > most:
                shards.append([])
                filled = 0
            shards[-1].append(name)
            filled, total = filled + size, total + size
        places = {}
        for number, names in enumerate(shards, 1):
            shard = f"{whole.stem}-{number:05d}-of-{len(shards):05d}.safetensors"
            save_file({name: file.get_tensor(name) for name in names}, folder / shard, {"format": "pt"})
            places |= dict.fromkeys(names, shard)
    whole.unlink()
    index = {"metadata": {"total_size": total}, "weight_map": places}
    write_json(folder / f"{WEIGHTS}{SHARDS}", index)


def _copied(base: str, folder: Path) -> list[str]:
    """Copies what lies beside the base's weights, if it is a folder in transformers' own layout."""
    there = Path(base).expanduser()
    if not base or not (there / SIZES).is_file():
        return []
    kind = json.loads((there / SIZES).read_text(encoding="utf-8")).get("model_type")
    if kind != json.loads((folder / SIZES).read_text(encoding="utf-8"))["model_type"]:
        return []
    found = [name for name in BESIDE if (there / name).is_file()]
    for name in found:
        shutil.copyfile(there / name, folder / name)
    return found
