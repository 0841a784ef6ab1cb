"""One process is a team, torchrun makes another; what two do is in tests/invariants/test_processes.py."""

import traceback
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint import CheckpointException

from tessera.errors import UserError
from tessera.training.distributed import Alone, share_of
from tessera.training.distributed_processes import Together, open_team
from tessera.training.distributed_weights import Shards
from tests.contracts.policies import tiny_mosaic

TORCHRUN = {
    "RANK": "0",
    "WORLD_SIZE": "1",
    "LOCAL_RANK": "0",
    "LOCAL_WORLD_SIZE": "1",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "0",
}


@pytest.fixture(autouse=True)
def _without_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("total", "count"), [(8, 2), (7, 3), (2, 3), (0, 2), (5, 1)])
def test_shares_follow_one_another_and_differ_by_one_at_most(total: int, count: int) -> None:
    shares = [share_of(total, number, count) for number in range(count)]
    assert [each for share in shares for each in share] == list(range(total))
    lengths = {len(share) for share in shares}
    assert max(lengths) - min(lengths) <= 1


def test_without_torchrun_a_process_is_alone_and_trains_the_policy_itself() -> None:
    policy = tiny_mosaic()
    with open_team() as team:
        assert isinstance(team, Alone)
        for strategy in ("ddp", "fsdp"):  # neither changes anything
            assert team.around(policy, policy.units(), strategy) == (team, policy)


@pytest.mark.parametrize("missing", TORCHRUN)
def test_half_of_torchruns_environment_is_refused(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name, value in TORCHRUN.items():
        if name != missing:
            monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=rf"but not {missing}: .* torchrun"), open_team():
        pass


def test_tensors_come_back_from_a_file_bit_for_bit(tmp_path: Path) -> None:
    saved = {"a": torch.randn(3, 2).T, "b": torch.tensor([7.0])}
    Alone().save(saved, tmp_path / "x.safetensors")
    into = {name: torch.zeros_like(tensor) for name, tensor in saved.items()}
    Alone().load(tmp_path / "x.safetensors", into)
    for name, tensor in saved.items():
        assert torch.equal(into[name], tensor)


def test_a_full_disk_is_one_also_where_pieces_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch raises a BaseException for it, which nobody who catches errors of the disk would see."""

    def full(*_: object, **__: object) -> None:
        where = traceback.StackSummary.from_list([])
        raise CheckpointException("write", {1: (OSError(28, "No space left on device"), where)})

    monkeypatch.setattr("tessera.training.distributed_weights.save", full)
    with pytest.raises(OSError, match="No space left"):
        Shards(nn.Identity()).save({}, tmp_path / "x.safetensors", first=True)


def test_a_team_that_trains_nothing_yet_says_so() -> None:
    team = Together(0, 2, torch.device("cpu"))
    with pytest.raises(ValueError, match="around"):
        team.accumulating(last=True)


def test_the_units_of_the_policy_hold_each_trained_parameter_once_the_last_all_of_them() -> None:
    policy = tiny_mosaic()
    *layers, whole = policy.units()
    inside = [id(parameter) for layer in layers for parameter in layer.parameters()]
    trained = {id(parameter) for _, parameter in policy.trainable()}
    assert len(set(inside)) == len(inside) > 0
    assert set(inside) <= {id(parameter) for parameter in whole.parameters()} == trained
