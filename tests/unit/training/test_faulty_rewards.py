"""What training does with a reward that raises, goes missing, miscounts, never changes, or is infinite."""

from pathlib import Path

import pytest

from tessera.errors import RewardError
from tessera.policies.layout import CHECKPOINTS
from tessera.policies.saved import read_saved
from tessera.rewards.custom import CustomReward
from tessera.storage import read_jsonl
from tests.tiny import run_config, run_in, save_tiny_policy


@pytest.fixture
def start(tmp_path: Path) -> Path:
    return save_tiny_policy(tmp_path / "policy")


def train_on(start: Path, out: Path, name: str, **changes: float) -> str:
    reward = CustomReward(function=f"tests.unit.rewards.functions:{name}")
    return run_in(out, run_config(start, reward=reward, **changes)).digest()


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("fails", ZeroDivisionError, "the judge is out"),  # somebody else's mistake keeps its own name
        ("one_too_few", RewardError, "asked about 8 pictures and gave 7"),
        ("infinite", RewardError, "gave inf for"),
        ("always_missing", RewardError, "could not judge 8 of 8"),
        ("every_fourth_missing", RewardError, "could not judge 2 of 8.*max_missing=0.1"),
    ],
)
def test_it_stops_before_a_weight_has_moved(
    tmp_path: Path, start: Path, name: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train_on(start, tmp_path / "run", name)
    assert not (tmp_path / "run" / CHECKPOINTS).exists()
    assert not list(read_jsonl(tmp_path / "run" / "metrics.jsonl"))


def test_some_missing_are_counted_and_the_rest_is_learnt_from(tmp_path: Path, start: Path) -> None:
    moved = train_on(start, tmp_path / "run", "every_fourth_missing", max_missing=0.3)
    assert [row["missing"] for row in read_jsonl(tmp_path / "run" / "metrics.jsonl")] == [2, 2, 2, 2]
    assert moved != read_saved(start).digest()


def test_a_constant_teaches_nothing_at_all(tmp_path: Path, start: Path) -> None:
    """Advantages are 0 exactly, and the KL to a reference that is the policy has no gradient."""
    after = train_on(start, tmp_path / "run", "constant")
    assert after == read_saved(start).digest()
    rows = list(read_jsonl(tmp_path / "run" / "metrics.jsonl"))
    assert [(row["zero_variance_groups"], row["reward_std"], row["grad_norm"]) for row in rows] == [
        (2, 0, 0)
    ] * 4
