"""LlamaGen's layout, undone and done again."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor, nn

from tessera.config import from_plain
from tessera.export.adapter import write_adapter
from tessera.export.llamagen import gpt_name, vq_name, write_llamagen
from tessera.policies.llamagen import convert
from tessera.policies.llamagen.files import LlamaGenFiles
from tessera.policies.llamagen.load import load_files
from tessera.policies.lora import LoRAConfig, LoRAPolicy
from tests.unit.policies.llamagen.weights import Sizes, gpt_state, saved, vq_state

SIZES = Sizes()


@pytest.mark.parametrize("kind", ["c2i", "t2i"])
def test_names_are_what_they_were(kind: str) -> None:
    gpt, vq = gpt_state(SIZES, kind), vq_state(SIZES)
    assert {gpt_name(name) for name in convert.gpt_state(gpt)} == gpt.keys()
    assert {vq_name(name) for name in convert.vq_state(vq)} == vq.keys()


def test_what_was_read_and_exported_is_read_again_and_holds_the_same_tensors(tmp_path: Path) -> None:
    files = LlamaGenFiles(
        gpt=saved(tmp_path, "gpt.pt", gpt_state(SIZES, "c2i")),
        vq=saved(tmp_path, "vq.pt", vq_state(SIZES)),
        image_size=8,
        heads=SIZES.heads,
    )
    policy = load_files(files)
    write_llamagen(policy, tmp_path, torch.float32)
    for name, original in (("gpt", gpt_state(SIZES, "c2i")), ("vq", vq_state(SIZES))):
        written = load_file(tmp_path / f"{name}.safetensors")
        assert written.keys() == original.keys()
        assert all(torch.equal(written[key], original[key]) for key in written)
    told = json.loads((tmp_path / "llamagen.json").read_text())
    assert (told["gpt"], told["image_size"], told["heads"]) == ("gpt.safetensors", 8, SIZES.heads)
    there = {key: str(tmp_path / told[key]) for key in ("gpt", "vq")}
    again = load_files(from_plain(LlamaGenFiles, {**told, **there}, where="llamagen.json"))
    assert again.digest() == policy.digest()


class Official(nn.Module):
    """One layer of LlamaGen's transformer by its authors' names, as far as an adapter looks at it."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for number in range(SIZES.layers):
            layer, attention = nn.Module(), nn.Module()
            weight = state[f"layers.{number}.attention.wqkv.weight"]
            attention.wqkv = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            attention.wqkv.weight.data.copy_(weight)
            layer.attention = attention
            self.layers.append(layer)


def test_peft_puts_the_adapter_onto_layers_of_the_authors_names(tmp_path: Path) -> None:
    files = LlamaGenFiles(
        gpt=saved(tmp_path, "gpt.pt", gpt_state(SIZES, "c2i")),
        vq=saved(tmp_path, "vq.pt", vq_state(SIZES)),
        image_size=8,
        heads=SIZES.heads,
    )
    policy = LoRAPolicy(load_files(files), LoRAConfig(rank=2, layers=("*.layers.*.qkv",)), seed=1)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for _, parameter in policy.trainable():
            parameter.normal_(generator=generator)
    write_adapter(dict(policy.trainable()), policy.settings, policy.base, tmp_path / "adapter", "")
    adapted: Any = PeftModel.from_pretrained(Official(gpt_state(SIZES, "c2i")), tmp_path / "adapter")
    x_BD = torch.randn(3, SIZES.width, generator=generator)
    with torch.no_grad():
        for number in range(SIZES.layers):
            merged = policy.merged()[f"transformer.layers.{number}.qkv.weight"]
            layer = adapted.base_model.model.layers[number].attention.wqkv
            assert torch.allclose(layer(x_BD), x_BD @ merged.T, atol=1e-4)
