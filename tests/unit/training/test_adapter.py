"""A run of LoRA: it starts at its reference, moves the adapter alone, and leaves a policy like any other."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tessera.errors import CheckpointError
from tessera.policies.layout import last_checkpoint
from tessera.policies.load import load_policy
from tessera.policies.lora import LoRAConfig, LoRAPolicy
from tessera.storage import read_jsonl
from tessera.training.config import RunConfig
from tests.tiny import run_config, run_in, save_tiny_policy


@pytest.fixture
def settings(tmp_path: Path) -> RunConfig:
    return run_config(save_tiny_policy(tmp_path / "policy"), adapter=LoRAConfig(rank=2))


def test_the_first_step_is_at_the_reference_exactly_and_the_last_is_not(
    tmp_path: Path, settings: RunConfig
) -> None:
    run_in(tmp_path / "run", settings)
    first, *_, last = read_jsonl(tmp_path / "run" / "metrics.jsonl")
    assert first["kl"] == 0.0
    assert first["clip_fraction"] == 0.0
    assert last["kl"] > 1e-6


def test_its_checkpoint_is_a_policy_whose_adapted_layers_alone_have_moved(
    tmp_path: Path, settings: RunConfig
) -> None:
    trained = run_in(tmp_path / "run", settings)
    assert isinstance(trained, LoRAPolicy)
    base, saved = load_policy(settings.policy).state_dict(), load_policy(str(tmp_path / "run"))
    moved = {name for name, tensor in saved.state_dict().items() if not torch.equal(tensor, base[name])}
    linear = ("qkv", "out", "up", "down")
    assert moved == {f"transformer.layers.{n}.{name}.weight" for n in (0, 1) for name in linear}
    for name, tensor in trained.merged().items():
        assert torch.equal(saved.state_dict()[name], tensor)
    checkpoint = last_checkpoint(tmp_path / "run")
    assert checkpoint is not None
    assert load_file(checkpoint / "adapter.safetensors").keys() == dict(trained.trainable()).keys()
    assert trained.reference().digest() == load_policy(settings.policy).digest()


def test_a_run_of_an_adapter_is_a_base_for_another(tmp_path: Path, settings: RunConfig) -> None:
    run_in(tmp_path / "run", settings)
    again = run_in(tmp_path / "again", run_config(tmp_path / "run", adapter=LoRAConfig(rank=4), steps=2))
    assert isinstance(again, LoRAPolicy)
    assert again.reference().digest() == load_policy(str(tmp_path / "run")).digest()


def test_a_changed_adapter_is_refused(tmp_path: Path, settings: RunConfig) -> None:
    run_in(tmp_path / "run", settings, stop_after=3)
    checkpoint = last_checkpoint(tmp_path / "run")
    assert checkpoint is not None
    path = checkpoint / "adapter.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(CheckpointError, match=r"adapter\.safetensors is not as it was written"):
        run_in(tmp_path / "run", settings, resume=True)


@pytest.mark.parametrize("rank", [0, 2])
def test_recomputing_leaves_the_same_weights(tmp_path: Path, rank: int) -> None:
    policy = save_tiny_policy(tmp_path / "policy")
    adapter = LoRAConfig(rank=rank) if rank else None
    digests = {
        run_in(
            tmp_path / str(on), run_config(policy, adapter=adapter, steps=2, gradient_checkpointing=on)
        ).digest()
        for on in (False, True)
    }
    assert len(digests) == 1
