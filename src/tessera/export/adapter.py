"""The adapter alone, as peft saves one: `peft.PeftModel.from_pretrained(base, folder)` puts it onto the base.

    adapter_config.json         rank, alpha, and the layers by their full names
    adapter_model.safetensors   A and B of each layer, in float32

Names are those of the model that the base's own loader makes: transformers' for Janus and Emu3, the authors'
for LlamaGen's transformer, this package's for mosaic.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from tessera.export.llamagen import gpt_name
from tessera.policies.base import PolicyModule
from tessera.policies.emu3.policy import Emu3Policy
from tessera.policies.janus.policy import JanusPolicy
from tessera.policies.llamagen.policy import LlamaGenPolicy
from tessera.policies.lora import LoRAConfig
from tessera.storage import write_json

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."  # peft's wrapper and its layers, before the names of the model
EMU3, LLAMAGEN = "language.", "transformer."  # which begin the names of what trains


def write_adapter(
    tensors: Mapping[str, Tensor], settings: LoRAConfig, policy: PolicyModule, folder: Path, base_model: str
) -> None:
    """Writes an adapter's tensors, named as in the policy that it was trained on."""
    folder.mkdir(parents=True)
    renamed = {model_name(policy, name): tensor for name, tensor in tensors.items()}
    layers = {name.rpartition(".lora_")[0] for name in renamed}
    saved = {f"{PREFIX}{name}": tensor.contiguous() for name, tensor in renamed.items()}
    save_file(saved, folder / TENSORS, {"format": "pt"})
    write_json(
        folder / CONFIG,
        {
            "peft_type": "LORA",
            "base_model_name_or_path": base_model or None,
            "task_type": None,
            "inference_mode": True,
            "r": settings.rank,
            "lora_alpha": settings.alpha,
            "lora_dropout": 0.0,
            "bias": "none",
            "target_modules": sorted(layers),
        },
    )


def portable(names: Iterable[str], policy: PolicyModule) -> bool:
    """Returns whether every tensor of an adapter has a place in the model's own class.

    The head of Emu3 is cut in two here, so an adapter beside it has none.
    """
    match policy:
        case Emu3Policy():
            return all(name.startswith(EMU3) for name in names)
        case LlamaGenPolicy():
            return all(name.startswith(LLAMAGEN) for name in names)
        case _:
            return True


def model_name(policy: PolicyModule, name: str) -> str:
    """Returns the name that a tensor beside the policy's layers has in the model's own class."""
    match policy:
        case JanusPolicy():
            return name.removeprefix("model.")
        case Emu3Policy():
            return f"model.text_model.{name.removeprefix(EMU3)}"
        case LlamaGenPolicy():
            return gpt_name(name.removeprefix(LLAMAGEN))
        case _:
            return name
