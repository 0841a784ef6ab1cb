"""The store gives back what it was given; a part is whole or absent; another run's store is refused."""

from pathlib import Path

import pytest
import torch

from tessera.data.store import PAIRS, RolloutStore
from tessera.errors import CheckpointError, OutputError
from tessera.objective.pairing import widest_pairs
from tessera.storage import read_jsonl
from tessera.tensors import Rollouts, Scores
from tessera.types import Prompt, View

NAN = float("nan")
VIEW = View(guidance=2.0)
PROMPTS = [Prompt(id=f"color/{n}", text=text, category="color", metadata={"split": "train"})
           for n, text in enumerate(("a star", "a ring"))]  # fmt: skip
EACH = [prompt for prompt in PROMPTS for _ in range(2)]
ROLLOUTS = Rollouts(
    prompts=("a star", "a star", "a ring", "a ring"),
    samples=(0, 1, 0, 1),
    seeds=(2**62, 5, 6, 7),
    tokens=torch.tensor([[0, 1023], [5, 6], [7, 8], [9, 10]]),
    logp=-torch.rand(4, 2),
    view=VIEW,
    policy_digest="p",
)


@pytest.fixture
def store(tmp_path: Path) -> RolloutStore:
    return RolloutStore.open(tmp_path / "store", {"seed": 0}, VIEW, "p", "r")


def test_rollouts_come_back_as_they_were(store: RolloutStore) -> None:
    assert not store.has_rollouts(3)
    store.write_rollouts(3, EACH, ROLLOUTS)
    assert store.has_rollouts(3)
    prompts, rollouts = store.read_rollouts(3)
    assert prompts == EACH
    for name in ("prompts", "samples", "seeds", "view", "policy_digest"):
        assert getattr(rollouts, name) == getattr(ROLLOUTS, name)
    assert torch.equal(rollouts.tokens, ROLLOUTS.tokens)
    assert torch.equal(rollouts.logp, ROLLOUTS.logp)


def test_scores_come_back_bit_for_bit_and_missing_stays_missing(store: RolloutStore) -> None:
    value_B = torch.tensor([1 / 3, NAN, 0.0, -2.5], dtype=torch.float64)
    assert not store.has_scores(0)
    parts = {"one": torch.tensor([0.1, NAN, 0.2, 0.3], dtype=torch.float64)}
    store.write_scores(0, Scores(value_B=value_B, reasons=("", "lost", "", ""), digest="r", parts=parts))
    scores = store.read_scores(0)
    assert torch.equal(scores.parts["one"].nan_to_num(7), parts["one"].nan_to_num(7))
    assert torch.equal(scores.value_B.nan_to_num(7), value_B.nan_to_num(7))
    assert torch.isnan(scores.value_B).tolist() == [False, True, False, False]
    assert (scores.reasons, scores.digest) == (("", "lost", "", ""), "r")


def test_pairs_name_rows_over_all_parts(store: RolloutStore) -> None:
    assert store.read_pairs() is None
    reward_PG = torch.tensor([[0.0, 1.0], [0.5, 0.25]], dtype=torch.float64)
    store.write_pairs(widest_pairs(reward_PG), PROMPTS, reward_PG)
    rows = store.read_pairs()
    assert rows is not None
    assert [(row["prompt"], row["chosen_row"], row["rejected_row"]) for row in rows] == [
        ("a star", 1, 0),
        ("a ring", 2, 3),
    ]
    assert [row["chosen_reward"] for row in read_jsonl(store.folder / PAIRS)] == [1.0, 0.5]


def test_a_truncated_part_is_refused_with_the_way_out(store: RolloutStore) -> None:
    store.write_rollouts(0, EACH, ROLLOUTS)
    path = store.folder / "part_00000.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match=r"part_00000.* is damaged.*delete it"):
        store.read_rollouts(0)


@pytest.mark.parametrize("other", [{"policy": "q"}, {"reward": "s"}, {"view": View()}, {"seed": 1}])
def test_a_store_of_other_settings_is_refused(store: RolloutStore, other: dict) -> None:
    given = {"seed": 0, "view": VIEW, "policy": "p", "reward": "r"} | other
    with pytest.raises(OutputError, match="was made with"):
        RolloutStore.open(
            store.folder, {"seed": given["seed"]}, given["view"], given["policy"], given["reward"]
        )
