"""Folders: a real run of the mosaic policy becomes a folder that is a policy; what must not be is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from tessera.errors import CheckpointError, OutputError, UserError
from tessera.export.folder import export, fresh_folder
from tessera.export.source import base_of, hub_id, open_source
from tessera.policies.load import load_policy
from tessera.policies.lora import LoRAConfig
from tests.contracts.emu3 import tiny_emu3_lora
from tests.contracts.emu3 import tiny_model as tiny_emu3_model
from tests.contracts.policies import tiny_mosaic
from tests.tiny import run_config, run_in, save_tiny_policy
from tests.unit.export.made import STEP, made_run


def test_a_run_of_an_adapter_becomes_a_policy_and_an_adapter_that_peft_reads(tmp_path: Path) -> None:
    base = save_tiny_policy(tmp_path / "base")
    run_in(tmp_path / "run", run_config(base, adapter=LoRAConfig(rank=2)))
    source = open_source(tmp_path / "run")
    result = export(source, tmp_path / "out", "0.1")
    assert result["files"] == [
        "README.md",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "model.safetensors",
        "policy.json",
        "provenance.json",
    ]
    merged: Any = load_policy(str(tmp_path / "out"))
    assert merged.digest() == load_policy(str(tmp_path / "run")).digest() == source.digest
    adapted = PeftModel.from_pretrained(load_policy(str(base)), tmp_path / "out" / "adapter")
    inside: Any = adapted.base_model.model
    text, tokens_BT = merged.tokenize(["a star"]), torch.arange(merged.spec.tokens)[None] % 64
    with torch.no_grad():
        assert torch.allclose(inside.features(text, tokens_BT), merged.features(text, tokens_BT), atol=1e-5)
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert provenance["policy_digest"] == source.digest
    assert provenance["run"]["recipe"] == "tiny"


def test_an_earlier_checkpoint_may_be_named(tmp_path: Path) -> None:
    base = save_tiny_policy(tmp_path / "base")
    run_in(tmp_path / "run", run_config(base))
    source = open_source(tmp_path / "run" / "checkpoints" / "step_000002")
    assert source.state.step == 2
    assert source.spent["images"] == 2 * 8
    assert open_source(tmp_path / "run").spent["images"] == 4 * 8
    assert export(source, tmp_path / "out", "0")["step"] == 2


def test_an_emu3_adapter_is_what_peft_reads(tmp_path: Path) -> None:
    policy = tiny_emu3_lora()
    export(open_source(made_run(tmp_path / "run", policy, "emu3")), tmp_path / "out", "0")
    adapted: Any = PeftModel.from_pretrained(tiny_emu3_model(), tmp_path / "out" / "adapter")
    inside, ids = adapted.base_model.model.model.text_model, torch.arange(8)[None]
    merged: Any = load_policy(str(tmp_path / "run"))
    with torch.no_grad():
        found, expected = (each(ids).last_hidden_state for each in (inside, merged.language))
    assert torch.allclose(found.float(), expected.float(), atol=1e-4)


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    source = open_source(made_run(tmp_path / "runs" / "it", tiny_mosaic(), "mosaic"))
    with pytest.raises(OutputError, match="exists and is not empty"):
        export(source, tmp_path, "0")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), fresh_folder(tmp_path / "out") as work:
        work.write_text("a folder is no file")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run folder and no checkpoint"):
        open_source(save_tiny_policy(tmp_path / "policy"))
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    with pytest.raises(CheckpointError, match="no complete checkpoint yet"):
        open_source(tmp_path / "run")


def test_a_dtype_that_is_none_is_refused(tmp_path: Path) -> None:
    source = open_source(made_run(tmp_path / "run", tiny_mosaic(), "mosaic"))
    with pytest.raises(UserError, match="dtype must be one of float32"):
        export(source, tmp_path / "out", "0", dtype="int8")


def test_the_base_is_what_the_chain_of_runs_began_with(tmp_path: Path) -> None:
    first = made_run(tmp_path / "first", tiny_mosaic(), "janus-pro-7b")
    second = {"policy": str(first / "checkpoints" / f"step_{STEP:06d}")}
    assert base_of(second) == base_of({"policy": str(first)}) == "deepseek-community/Janus-Pro-7B"
    assert base_of({"policy": "llamagen-t2i-xl-256"}) == "peizesun/llamagen_t2i"
    assert base_of({"policy": {"kind": "janus", "weights": "me/mine"}}) == "me/mine"
    assert [hub_id(each) for each in ("me/mine", "mosaic", str(tmp_path), "")] == ["me/mine", "", "", ""]
