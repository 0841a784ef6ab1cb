"""A Janus run exported: transformers and peft read it, and draw what the policy draws."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor
from transformers import JanusForConditionalGeneration

from tessera.export.folder import export
from tessera.export.source import Source, open_source
from tessera.policies.janus.load import save_janus
from tessera.policies.load import load_policy
from tests.contracts.janus import generated, tiny_janus, tiny_janus_lora, tiny_model
from tests.unit.export.made import made_run

HUB = "deepseek-community/Janus-Pro-1B"
CLOSE = 1e-5


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return open_source(made_run(tmp_path / "run", tiny_janus_lora(), {"kind": "janus", "weights": HUB}))


@torch.no_grad()
def logits(model: Any) -> Tensor:
    """Returns what a whole model says of text and codes, through every layer that an adapter is beside."""
    ids = torch.arange(20)[None]
    states = model.model.language_model(ids).last_hidden_state
    return torch.cat([model.lm_head(states), model.model.generation_head(states)], dim=-1)


def test_peft_puts_the_exported_adapter_onto_the_base_and_gives_the_merged_model(
    tmp_path: Path, source: Source
) -> None:
    export(source, tmp_path / "out", "0")
    base = tiny_model()
    before = logits(base)
    adapted = PeftModel.from_pretrained(base, tmp_path / "out" / "adapter")
    merged = JanusForConditionalGeneration.from_pretrained(tmp_path / "out")
    assert torch.allclose(logits(adapted.base_model.model), logits(merged), atol=CLOSE)
    assert not torch.allclose(before, logits(merged), atol=1e-2)
    settings = json.loads((tmp_path / "out" / "adapter" / "adapter_config.json").read_text())
    assert (settings["r"], settings["lora_alpha"], settings["base_model_name_or_path"]) == (4, 32, HUB)
    assert "model.language_model.layers.0.self_attn.q_proj" in settings["target_modules"]


def test_the_exported_model_is_a_policy_that_draws_the_same(tmp_path: Path, source: Source) -> None:
    export(source, tmp_path / "out", "0")
    loaded: Any = load_policy(str(tmp_path / "out"))
    ours, theirs = source.policy.state_dict(), loaded.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(theirs[name].float(), ours[name].bfloat16().float()) for name in ours)


def test_transformers_draws_pictures_from_the_exported_folder_alone(tmp_path: Path, source: Source) -> None:
    """Its own loop finds begin-of-image and padding in generation_config.json."""
    export(source, tmp_path / "out", "0")
    model: Any = JanusForConditionalGeneration.from_pretrained(tmp_path / "out")
    policy = tiny_janus()
    text = policy.tokenize(["a star"])
    ids = torch.cat([text.ids[text.mask], torch.tensor([policy.prompts.begin_of_image])])[None]
    drawn = model.generate(
        inputs=ids, attention_mask=torch.ones_like(ids), generation_mode="image", do_sample=False
    )
    policy.load_state_dict(source.policy.state_dict())
    assert torch.equal(drawn, generated(policy, text, guidance=5.0, likeliest=True))


def test_large_weights_go_into_several_files_that_hold_the_same(tmp_path: Path, source: Source) -> None:
    export(source, tmp_path / "one", "0")
    export(source, tmp_path / "many", "0", shard_bytes=60_000)
    names = sorted(path.name for path in (tmp_path / "many").glob("model*"))
    assert len(names) > 3
    assert names[-1] == "model.safetensors.index.json"
    index = json.loads((tmp_path / "many" / names[-1]).read_text())
    whole = load_file(tmp_path / "one" / "model.safetensors")
    assert index["weight_map"].keys() == whole.keys()
    assert index["metadata"]["total_size"] == sum(each.nbytes for each in whole.values())
    for path in (tmp_path / "many").glob("model-*"):
        shard = load_file(path)
        assert sum(each.nbytes for each in shard.values()) <= 60_000 or len(shard) == 1
    one, many = (JanusForConditionalGeneration.from_pretrained(tmp_path / name) for name in ("one", "many"))
    assert torch.equal(logits(one), logits(many))


def test_another_dtype_is_what_transformers_finds(tmp_path: Path, source: Source) -> None:
    export(source, tmp_path / "out", "0", dtype="bfloat16")
    model = JanusForConditionalGeneration.from_pretrained(tmp_path / "out")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def test_full_precision_is_that_of_the_checkpoint_although_the_policy_runs_in_half(tmp_path: Path) -> None:
    """The policy is loaded in bfloat16; the merged weights in the checkpoint are not rounded."""
    policy = tiny_janus_lora()
    base: Any = policy.base
    object.__setattr__(base.config, "dtype", "bfloat16")
    source = open_source(made_run(tmp_path / "run", policy, HUB))
    assert next(source.policy.parameters()).dtype == torch.bfloat16
    export(source, tmp_path / "out", "0", dtype="float32")
    saved = load_file(tmp_path / "out" / "model.safetensors")
    for name, tensor in policy.merged().items():
        assert torch.equal(saved[name.removeprefix("model.")], tensor)
    export(source, tmp_path / "half", "0")
    assert load_file(tmp_path / "half" / "model.safetensors")["lm_head.weight"].dtype == torch.bfloat16


def test_files_beside_a_local_base_are_copied(tmp_path: Path) -> None:
    base = tmp_path / "base"
    save_janus(tiny_janus(), base, torch.float32)
    (base / "preprocessor_config.json").write_text('{"size": 8}')
    (base / "secret.txt").write_text("mine")
    source = open_source(made_run(tmp_path / "run", tiny_janus(), {"kind": "janus", "weights": str(base)}))
    result = export(source, tmp_path / "out", "0")
    assert (tmp_path / "out" / "preprocessor_config.json").read_text() == '{"size": 8}'
    assert not {"secret.txt", "adapter/adapter_config.json"} & set(result["files"])
    assert result["base_model"] == ""
    card = (tmp_path / "out" / "README.md").read_text()
    assert str(tmp_path) not in card
    assert "base_model:" not in card
