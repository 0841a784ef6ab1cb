"""Saved policies come back as they were, and a damaged one is refused with a sentence."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tessera.errors import CheckpointError, UserError
from tessera.policies.layout import SETTINGS, WEIGHTS
from tessera.policies.load import load_policy
from tessera.policies.mosaic.config import MosaicConfig, TokenizerConfig, TransformerConfig
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.policies.saved import save_policy
from tessera.world.grammar import vocabulary


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = MosaicConfig(
        tokenizer=TokenizerConfig(codebook=32, width=8, decoder_width=8, encoder_width=8),
        transformer=TransformerConfig(width=32, layers=1, heads=2, mlp_width=32),
        words=vocabulary(),
    )
    save_policy(MosaicPolicy(config), tmp_path / "policy")
    return tmp_path / "policy"


def test_a_saved_policy_loads_equal_and_in_float32(folder: Path) -> None:
    policy = load_policy(str(folder))
    saved = load_file(folder / WEIGHTS)
    assert all(torch.equal(t, saved[name].float()) for name, t in policy.state_dict().items())
    assert {parameter.dtype for parameter in policy.parameters()} == {torch.float32}
    assert policy.digest() == load_policy(str(folder)).digest()


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"unknown policy 'mosaik'\. Did you mean 'mosaic'"):
        load_policy("mosaik")


@pytest.mark.parametrize("missing", [SETTINGS, WEIGHTS])
def test_a_missing_file_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(CheckpointError, match=f"{missing} is missing"):
        load_policy(str(folder))


def test_truncated_weights_are_refused(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match="corrupted"):
        load_policy(str(folder))


def test_settings_that_are_no_json_or_hold_an_unknown_key_are_refused(folder: Path) -> None:
    good = json.loads((folder / SETTINGS).read_text())
    (folder / SETTINGS).write_text("{")
    with pytest.raises(CheckpointError, match="corrupted"):
        load_policy(str(folder))
    (folder / SETTINGS).write_text(json.dumps({**good, "knd": "mosaic"}))
    with pytest.raises(UserError, match=r"unknown key 'knd'\. Did you mean 'kind'"):
        load_policy(str(folder))


def test_weights_of_another_size_are_refused(folder: Path) -> None:
    settings = json.loads((folder / SETTINGS).read_text())
    settings["mosaic"]["transformer"]["mlp_width"] = 64
    (folder / SETTINGS).write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=r"layers.0.*do not belong together"):
        load_policy(str(folder))


def test_weights_with_nan_are_refused(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["transformer.head.weight"][0, 0] = torch.nan
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(CheckpointError, match=r"transformer.head.weight holds NaN"):
        load_policy(str(folder))
