"""Files of an Emu3 policy: written, read again by us and by transformers, and refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import Emu3ForConditionalGeneration

from tessera.errors import CheckpointError
from tessera.policies.emu3.config import Emu3Config
from tessera.policies.emu3.load import load_emu3, save_emu3
from tessera.policies.emu3.policy import Emu3Policy
from tessera.policies.emu3.published import byte_tokenizer
from tests.contracts.emu3 import tiny_emu3, tiny_emu3_lora, tiny_model, tiny_settings


def _saved(folder: Path, dtype: torch.dtype = torch.float32) -> Emu3Config:
    """Returns the settings that read the tiny policy out of a folder, into which it is written."""
    save_emu3(tiny_emu3(), folder, dtype)
    return tiny_settings(weights=str(folder))


def test_what_was_saved_is_the_policy_again(tmp_path: Path) -> None:
    loaded = load_emu3(_saved(tmp_path))
    assert loaded.digest() == tiny_emu3().digest()
    assert loaded.spec == tiny_emu3().spec
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]


def test_transformers_reads_what_was_saved(tmp_path: Path) -> None:
    _saved(tmp_path)
    loaded: Any = Emu3ForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    model, told = loaded
    ours = tiny_model().state_dict()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in model.state_dict().items())
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]


def test_what_transformers_saves_is_read_in_either_precision(tmp_path: Path) -> None:
    """In its own order of parts, and in several files; the VQ model is never rounded."""
    tiny_model().save_pretrained(tmp_path, max_shard_size="300KB")
    byte_tokenizer(64).save(str(tmp_path / "tokenizer.json"))
    assert (tmp_path / "model.safetensors.index.json").is_file()
    settings = tiny_settings(weights=str(tmp_path))
    assert load_emu3(settings).digest() == tiny_emu3().digest()
    half = load_emu3(replace(settings, dtype="bfloat16"))
    exact = tiny_emu3().state_dict()
    for name, tensor in half.state_dict().items():
        if name.startswith("vq."):
            assert torch.equal(tensor, exact[name]), name
        else:
            assert tensor.dtype == torch.bfloat16
            assert torch.equal(tensor, exact[name].to(torch.bfloat16)), name
    assert half.footprint.weight_bytes == 2


def test_a_policy_saved_in_half_precision_keeps_its_vq_model(tmp_path: Path) -> None:
    _saved(tmp_path, torch.bfloat16)
    kinds = {
        name.split(".")[1]: tensor.dtype for name, tensor in load_file(tmp_path / "model.safetensors").items()
    }
    assert kinds["vqmodel"] in (torch.float32, torch.int64)
    assert kinds["text_model"] == kinds["weight"] == torch.bfloat16


def test_a_saved_adapter_is_merged(tmp_path: Path) -> None:
    policy = tiny_emu3_lora()
    base = policy.base
    assert isinstance(base, Emu3Policy)
    save_emu3(base, tmp_path, torch.float32, policy.merged())
    loaded = load_emu3(tiny_settings(weights=str(tmp_path)))
    text, tokens_BT = loaded.tokenize(["a star"]), torch.randint(64, (1, 15))
    with torch.no_grad():
        assert torch.allclose(loaded.features(text, tokens_BT), policy.features(text, tokens_BT), atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("llama", "'llama', not emu3"), ("Emu3", "original layout.*emu3.weights=BAAI/Emu3-Gen-hf")],
)
def test_another_kind_of_model_is_refused_with_the_one_to_take(tmp_path: Path, kind: str, said: str) -> None:
    settings = _saved(tmp_path)
    told = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**told, "model_type": kind}))
    with pytest.raises(CheckpointError, match=said):
        load_emu3(settings)


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors", "config.json"])
def test_a_folder_that_lacks_a_file_is_refused_with_where_to_get_it(tmp_path: Path, name: str) -> None:
    settings = _saved(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(CheckpointError, match=rf"lacks .*{name}.*emu3.weights=FOLDER"):
        load_emu3(settings)


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors", "config.json"])
def test_a_broken_file_is_refused(tmp_path: Path, name: str) -> None:
    settings = _saved(tmp_path)
    (tmp_path / name).write_text("{")
    with pytest.raises(CheckpointError):
        load_emu3(settings)
