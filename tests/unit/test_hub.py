"""Where weights of outside models are found, and that nothing of them is missing or made up."""

import json
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tessera.errors import CheckpointError
from tessera.hub import SAVED, Home, files_digest, fill, found, locate, read_state

HOME = Home(repo="somebody/some-model", files=("config.json", "|".join(SAVED)), licence="MIT")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns a folder as transformers saves a model."""
    (tmp_path / "config.json").write_text("{}")
    save_file({"weight": torch.ones(2, 3), "bias": torch.zeros(2)}, tmp_path / "model.safetensors")
    return tmp_path


def test_a_folder_is_taken_as_it_is_and_its_files_are_found(folder: Path) -> None:
    assert locate(HOME, str(folder), "weights") == folder
    assert [path.name for path in found(HOME, folder)] == ["config.json", "model.safetensors"]


def test_what_a_folder_lacks_is_told_with_home_licence_and_remedy(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError) as told:
        locate(HOME, str(folder), "reward.weights")
    for word in ("model.safetensors", "huggingface.co/somebody/some-model", "MIT", "reward.weights=FOLDER"):
        assert word in str(told.value)


def test_without_a_network_the_sentence_is_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="is not on this machine and could not be fetched; get config"):
        locate(HOME, None, "weights")


def test_of_alternatives_one_is_fetched_and_the_shards_of_a_list() -> None:
    both = ["config.json", "model.safetensors", "pytorch_model.bin", "README.md"]
    assert HOME.patterns(both) == ["config.json", "model.safetensors"]
    sharded = ["config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors"]
    assert HOME.patterns(sharded) == ["config.json", "model.safetensors.index.json", "*.safetensors"]
    assert HOME.patterns(None) == ["config.json", *SAVED, "*.bin", "*.safetensors"]


def test_a_hub_that_nobody_answers_for_is_the_same_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody listens there, so this is what a machine without a network, or with a wall, meets."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(CheckpointError, match="is not on this machine and could not be fetched"):
        locate(HOME, None, "weights")
    assert time.monotonic() - start < 30


def test_a_name_that_is_neither_folder_nor_hub_id_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no folder and no hub id"):
        locate(HOME, "/not/a/folder", "weights")


def test_shards_are_read_as_one_and_none_may_lie_elsewhere(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "one.safetensors")
    save_file({"b": torch.zeros(1)}, tmp_path / "two.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}))
    assert sorted(read_state(index)) == ["a", "b"]
    index.write_text(json.dumps({"weight_map": {"a": "../one.safetensors"}}))
    with pytest.raises(CheckpointError, match="does not lie beside it"):
        read_state(index)


@pytest.mark.parametrize("key", ["state_dict", "model", None])
def test_a_torch_file_may_keep_its_tensors_under_a_name(tmp_path: Path, key: str | None) -> None:
    state = {"weight": torch.arange(3.0)}
    torch.save({key: state, "epoch": 3} if key else state, tmp_path / "x.pt")
    assert torch.equal(read_state(tmp_path / "x.pt")["weight"], torch.arange(3.0))


def test_a_torch_file_with_code_is_not_read(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "args": nn.Linear(1, 1)}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="holds more than weights"):
        read_state(tmp_path / "x.pt")


@pytest.mark.parametrize("name", ["x.pt", "x.safetensors"])
def test_a_torn_file_is_told_from_a_good_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x02}q\x00")
    with pytest.raises(CheckpointError, match=name):
        read_state(tmp_path / name)


def test_weights_of_another_size_or_model_are_refused_by_name() -> None:
    good = nn.Linear(3, 2).state_dict()
    assert (
        fill(nn.Linear(3, 2), {**good, "unused.w": torch.ones(1)}, "x", ignore=("unused.",)).in_features == 3
    )
    with pytest.raises(CheckpointError, match=r"bias has shape none, Linear needs \(2,\)"):
        fill(nn.Linear(3, 2), {"weight": good["weight"]}, "x")
    with pytest.raises(CheckpointError, match=r"unused\.w"):
        fill(nn.Linear(3, 2), {**good, "unused.w": torch.ones(1)}, "x")


def test_the_digest_changes_with_the_content(folder: Path) -> None:
    first = files_digest(found(HOME, folder))
    assert files_digest(found(HOME, folder)) == first
    (folder / "config.json").write_text("{ }")
    assert files_digest(found(HOME, folder)) != first
