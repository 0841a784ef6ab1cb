"""Emu3 policies from their files, and back into files that transformers reads, too."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Emu3ForConditionalGeneration, Emu3VQVAE

from tessera.errors import CheckpointError
from tessera.hub import SAVED, Home, fill, found, locate, pretrained, read_object
from tessera.policies.emu3.config import Emu3Config
from tessera.policies.emu3.policy import DTYPES, Emu3Policy
from tessera.policies.layout import WEIGHTS

SIZES, TOKENIZER = "config.json", "tokenizer.json"
HOME = Home(
    repo="BAAI/Emu3-Gen-hf",
    # Not the torch files among SAVED: those are read whole, and the VQ model is read by itself.
    files=(SIZES, TOKENIZER, "|".join(name for name in SAVED if "safetensors" in name)),
    licence="Apache-2.0",
)
ORIGINAL = "Emu3"  # the kind of model of BAAI/Emu3-Gen, where text and VQ model live apart
# Names of a policy's parts, and theirs in transformers' model.
PARTS = (("language.", "model.text_model."), ("vq.", "model.vqmodel."))


def load_emu3(settings: Emu3Config) -> Emu3Policy:
    """Returns the policy of a folder or a repository in transformers' layout."""
    folder = locate(HOME, settings.weights, "emu3.weights")
    kind = read_object(folder / SIZES).get("model_type")
    if kind == ORIGINAL:
        raise CheckpointError(
            f"{folder / SIZES} is of the original layout, whose VQ model is another repository. Take the "
            f"same weights in transformers' layout: emu3.weights={HOME.repo}"
        )
    if kind != "emu3":
        raise CheckpointError(
            f"{folder / SIZES} is of the kind {kind!r}, not emu3: these are the weights of another model. "
            f"Try emu3.weights={HOME.repo}"
        )
    tokenizer = read_tokenizer(folder / TOKENIZER)
    model = pretrained(
        Emu3ForConditionalGeneration, folder, dtype=DTYPES[settings.dtype], attn_implementation="sdpa"
    )
    if DTYPES[settings.dtype] != torch.float32:
        _exactly(model.model.vqmodel, folder)
    return Emu3Policy(model, tokenizer, settings)


def _exactly(vq: Emu3VQVAE, folder: Path) -> None:
    """Gives the VQ model its weights once more, as they are in the files: rounded, codes would be others."""
    state = {}
    for path in found(HOME, folder):
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - it is no dictionary
                    if name.removeprefix("model.").startswith("vqmodel."):
                        state[name.removeprefix("model.").removeprefix("vqmodel.")] = file.get_tensor(name)
    fill(vq.float(), state, str(folder))


def read_tokenizer(path: Path) -> Tokenizer:
    """Returns the tokenizer of a file."""
    if "model" not in read_object(path):
        raise CheckpointError(f"{path} holds no tokenizer; copy it again")
    return Tokenizer.from_file(str(path))


def save_emu3(
    policy: Emu3Policy, folder: Path, dtype: torch.dtype, weights: Mapping[str, Tensor] | None = None
) -> None:
    """Writes sizes, tokenizer and weights: the policy's, or others under the names of its `state_dict`.

    The VQ model, which never trains, is written as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    policy.sizes.save_pretrained(folder)
    policy.prompts.tokenizer.save(str(folder / TOKENIZER))
    given = dict(weights or policy.state_dict())
    first = policy.prompts.first_code
    words, codes = given.pop("words").to(dtype), given.pop("codes.weight").to(dtype)
    tensors = {"lm_head.weight": torch.cat([words[:first], codes, words[first:]])}
    for name, tensor in given.items():
        ours, theirs = next(each for each in PARTS if name.startswith(each[0]))
        kept = tensor if ours == "vq." else tensor.to(dtype)
        tensors[theirs + name.removeprefix(ours)] = kept.detach().contiguous()
    temporary = folder / f".{WEIGHTS}"
    save_file(tensors, temporary, {"format": "pt"})  # without which transformers does not read it
    temporary.replace(folder / WEIGHTS)
