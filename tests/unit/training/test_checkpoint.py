"""Checkpoints come back as they were; a damaged or a foreign one is refused with the way out."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tessera.errors import CheckpointError, CheckpointMismatch, OutputError, TrainingError
from tessera.policies.layout import checkpoint_path, last_checkpoint
from tessera.policies.load import load_policy
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.training.checkpoint import (
    RunState,
    load_checkpoint,
    load_optimizer,
    resume_point,
    save_checkpoint,
)
from tessera.training.distributed import Alone
from tests.contracts.policies import tiny_mosaic

STATE = RunState(step=3, images=192, seconds=1.5, reference_digest="ref", config_digest="cfg")


def trained() -> tuple[MosaicPolicy, torch.optim.Optimizer]:
    """Returns a policy and its optimizer after two steps on random gradients."""
    policy = tiny_mosaic()
    parameters = [parameter for _, parameter in policy.trainable()]
    optimizer = torch.optim.AdamW(parameters, lr=0.1)
    for _ in range(2):
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
    return policy, optimizer


def save(run: Path, policy: MosaicPolicy, optimizer: torch.optim.Optimizer, state: RunState = STATE) -> Path:
    """Writes a checkpoint, as one process does."""
    return save_checkpoint(run, policy, optimizer, policy.trainable(), state, Alone())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    save(tmp_path, *trained())
    return tmp_path


def test_policy_optimizer_and_state_come_back_bit_for_bit(tmp_path: Path) -> None:
    policy, optimizer = trained()
    folder = save(tmp_path, policy, optimizer)
    again, state = load_checkpoint(folder)
    assert state == STATE
    assert again.digest() == policy.digest()
    other = torch.optim.AdamW([parameter for _, parameter in again.trainable()], lr=0.1)
    load_optimizer(folder, other, again.trainable(), Alone())
    for each, model in ((optimizer, policy), (other, again)):
        for _, parameter in model.trainable():
            parameter.grad = torch.ones_like(parameter)
        each.step()
    assert again.digest() == policy.digest()


def test_a_run_folder_and_a_checkpoint_are_policies(run: Path) -> None:
    first = last_checkpoint(run)
    policy, optimizer = trained()
    with torch.no_grad():
        policy.transformer.head.weight.add_(1)
    second = save(run, policy, optimizer, replace(STATE, step=12))
    assert load_policy(str(run)).digest() == load_policy(str(second)).digest() == policy.digest()
    assert load_policy(str(first)).digest() != policy.digest()


def test_a_run_without_a_complete_checkpoint_is_no_policy_yet(run: Path) -> None:
    (checkpoint_path(run, 3) / "COMPLETE").unlink()
    with pytest.raises(CheckpointError, match="no complete checkpoint yet"):
        load_policy(str(run))
    with pytest.raises(CheckpointError, match="COMPLETE is missing"):
        load_checkpoint(checkpoint_path(run, 3))
    save(run, *trained())  # what was left incomplete does not stand in the way
    assert last_checkpoint(run) == checkpoint_path(run, 3)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json", "policy.json"])
@pytest.mark.parametrize("damage", ["truncated", "changed", "gone"])
def test_a_file_that_is_not_as_written_is_refused(run: Path, name: str, damage: str) -> None:
    path = checkpoint_path(run, 3) / name
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-7] if damage == "truncated" else data[:-7] + b"1" * 7)
    with pytest.raises(CheckpointError, match=rf"{name} is not as it was written.*--resume"):
        resume_point(run, reference_digest="ref", config_digest="cfg")


def test_another_reference_or_configuration_is_refused(run: Path) -> None:
    assert resume_point(run, reference_digest="ref", config_digest="cfg") == checkpoint_path(run, 3)
    with pytest.raises(CheckpointMismatch, match=r"trained against the reference ref.* is now other"):
        resume_point(run, reference_digest="other", config_digest="cfg")
    with pytest.raises(CheckpointMismatch, match="another configuration"):
        resume_point(run, reference_digest="ref", config_digest="other")


def test_a_folder_without_checkpoints_starts_from_nothing(tmp_path: Path) -> None:
    assert resume_point(tmp_path, reference_digest="ref", config_digest="cfg") is None


def test_a_full_disk_is_told_and_leaves_the_checkpoint_before(run: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tessera.training.distributed.save_file", full)
    with pytest.raises(OutputError, match=r"No space left.*--resume"):
        save(run, *trained(), replace(STATE, step=6))
    assert last_checkpoint(run) == checkpoint_path(run, 3)
    monkeypatch.undo()
    save(run, *trained(), replace(STATE, step=6))
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["step_000003", "step_000006"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_not_saved(run: Path, value: float) -> None:
    policy, optimizer = trained()
    with torch.no_grad():
        policy.transformer.head.weight[0, 0] = value
    with pytest.raises(TrainingError, match=r"after step 6 head\.weight holds no finite number"):
        save(run, policy, optimizer, replace(STATE, step=6))
    assert last_checkpoint(run) == checkpoint_path(run, 3)


def test_a_copied_checkpoint_is_a_policy_of_its_own(run: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint_path(run, 3), tmp_path / "copy")
    assert load_policy(str(tmp_path / "copy")).digest() == load_policy(str(run)).digest()
