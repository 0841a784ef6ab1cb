"""Janus policies from their files, and back into files that transformers reads, too."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import JanusForConditionalGeneration

from tessera.errors import CheckpointError
from tessera.hub import SAVED, Home, locate, pretrained, read_object, read_state
from tessera.policies.janus.config import JanusConfig
from tessera.policies.janus.official import MODEL_TYPE, official_model, official_sizes
from tessera.policies.janus.policy import DTYPES, JanusPolicy
from tessera.policies.layout import WEIGHTS

SIZES, TOKENIZER = "config.json", "tokenizer.json"
HOME = Home(
    repo="deepseek-community/Janus-Pro-1B",
    files=(SIZES, TOKENIZER, "|".join(SAVED)),
    licence="DeepSeek Model License",
)


def load_janus(settings: JanusConfig) -> JanusPolicy:
    """Returns the policy of a folder or a repository, in transformers' layout or the official one."""
    folder = locate(HOME, settings.weights, "janus.weights")
    told = read_object(folder / SIZES)
    loading = {"dtype": DTYPES[settings.dtype], "attn_implementation": "sdpa"}
    match told.get("model_type"):
        case "janus":
            model = pretrained(JanusForConditionalGeneration, folder, **loading)
        case kind if kind == MODEL_TYPE:
            sizes = official_sizes(told, str(folder / SIZES))
            model = official_model(_weights(folder), sizes, str(folder), **loading)
        case kind:
            raise CheckpointError(
                f"{folder / SIZES} is of the kind {kind!r}, not janus or {MODEL_TYPE}: these are the weights "
                f"of another model. Try janus.weights={HOME.repo}"
            )
    return JanusPolicy(model, read_tokenizer(folder / TOKENIZER), settings)


def read_tokenizer(path: Path) -> Tokenizer:
    """Returns the tokenizer of a file."""
    if "model" not in read_object(path):
        raise CheckpointError(f"{path} holds no tokenizer; copy it again")
    return Tokenizer.from_file(str(path))


def save_janus(
    policy: JanusPolicy, folder: Path, dtype: torch.dtype, weights: Mapping[str, Tensor] | None = None
) -> None:
    """Writes sizes, tokenizer and weights: the policy's, or others under the names of its `state_dict`."""
    folder.mkdir(parents=True, exist_ok=True)
    model = policy.model
    model.config.save_pretrained(folder)
    policy.prompts.tokenizer.save(str(folder / TOKENIZER))
    tied = (
        {"model.lm_head.weight"}
        if model.lm_head.weight is model.model.language_model.embed_tokens.weight
        else ()
    )
    tensors = {
        name.removeprefix("model."): tensor.detach().to(dtype).contiguous()
        for name, tensor in (weights or policy.state_dict()).items()
        if name not in tied
    }
    temporary = folder / f".{WEIGHTS}"
    save_file(tensors, temporary, {"format": "pt"})  # without which transformers does not read it
    temporary.replace(folder / WEIGHTS)


def _weights(folder: Path) -> dict[str, Tensor]:
    """Returns the tensors of a checkpoint in one or several files."""
    first = next(folder / name for name in SAVED if (folder / name).is_file())
    return read_state(first)
