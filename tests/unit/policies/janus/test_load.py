"""Files of a Janus policy: written, read again by us and by transformers, and refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import JanusForConditionalGeneration

from tessera.errors import CheckpointError
from tessera.policies.janus.config import JanusConfig
from tessera.policies.janus.load import load_janus, save_janus
from tessera.policies.lora import LoRAPolicy
from tests.contracts.janus import SPECIAL, letters, tiny_janus, tiny_janus_lora


def _saved(folder: Path) -> JanusConfig:
    """Returns the settings that read the tiny policy out of a folder, into which it is written."""
    policy = tiny_janus()
    save_janus(policy, folder, torch.float32)
    return replace(policy.config, weights=str(folder))


def test_what_was_saved_is_the_policy_again(tmp_path: Path) -> None:
    loaded = load_janus(_saved(tmp_path))
    assert loaded.digest() == tiny_janus().digest()
    assert loaded.spec == tiny_janus().spec
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]


def test_transformers_reads_what_was_saved(tmp_path: Path) -> None:
    _saved(tmp_path)
    model = JanusForConditionalGeneration.from_pretrained(tmp_path)
    ours = tiny_janus().model.state_dict()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in model.state_dict().items())
    assert model.config.tie_word_embeddings is False


def test_a_saved_adapter_is_merged(tmp_path: Path) -> None:
    policy = tiny_janus_lora()
    base = policy.base
    save_janus(base, tmp_path, torch.float32, policy.merged())  # pyright: ignore[reportArgumentType] - a JanusPolicy
    loaded = load_janus(replace(tiny_janus().config, weights=str(tmp_path)))
    text, tokens_BT = loaded.tokenize(["a star"]), torch.randint(64, (1, 16))
    assert isinstance(policy, LoRAPolicy)
    with torch.no_grad():
        assert torch.allclose(loaded.features(text, tokens_BT), policy.features(text, tokens_BT), atol=1e-5)


def test_tied_weights_are_saved_once_and_read_again(tmp_path: Path) -> None:
    policy = tiny_janus()
    policy.model.config.tie_word_embeddings = True
    policy.model.lm_head.weight = policy.model.model.language_model.embed_tokens.weight
    save_janus(policy, tmp_path, torch.float32)
    loaded = load_janus(replace(policy.config, weights=str(tmp_path)))
    assert loaded.digest() == policy.digest()


def test_weights_are_read_as_the_type_asked_for(tmp_path: Path) -> None:
    loaded = load_janus(replace(_saved(tmp_path), dtype="bfloat16"))
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.bfloat16}
    assert loaded.footprint.weight_bytes == 2


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    settings = _saved(tmp_path)
    told = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**told, "model_type": "llama"}))
    with pytest.raises(CheckpointError, match="'llama', not janus"):
        load_janus(settings)


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors", "config.json"])
def test_a_folder_that_lacks_a_file_is_refused_with_where_to_get_it(tmp_path: Path, name: str) -> None:
    settings = _saved(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(CheckpointError, match=rf"lacks .*{name}.*janus.weights=FOLDER"):
        load_janus(settings)


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors", "config.json"])
def test_a_broken_file_is_refused(tmp_path: Path, name: str) -> None:
    settings = _saved(tmp_path)
    (tmp_path / name).write_text("{")
    with pytest.raises(CheckpointError):
        load_janus(settings)


def test_a_tokenizer_without_image_tokens_is_refused(tmp_path: Path) -> None:
    settings = _saved(tmp_path)
    letters(tuple(each for each in SPECIAL if "image" not in each)).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="no token <begin_of_image>"):
        load_janus(settings)


def test_an_official_folder_of_other_parts_is_refused_before_its_weights_are_read(tmp_path: Path) -> None:
    settings = _saved(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "multi_modality"}))
    with pytest.raises(CheckpointError, match="not the configuration of Janus-Pro"):
        load_janus(settings)
