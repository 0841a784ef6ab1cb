"""DPO: stages that resume by themselves, every pair as often as the others, and the loss by hand."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tessera.algorithms.base import Context
from tessera.algorithms.dpo import DPO, DPOConfig, PairBatch, Pairs
from tessera.errors import CheckpointError, RewardError, TrainingError, UserError
from tessera.rewards.custom import CustomReward, load_function
from tessera.sampling.replay import replay_logp
from tessera.storage import read_jsonl
from tessera.types import View
from tests.tiny import context

GUIDED = View(guidance=2.0)
SETTINGS: dict[str, Any] = {"prompts": 6, "group": 4, "pairs_per_step": 4}


def dpo(**changes: Any) -> DPO:
    return DPO(DPOConfig(**{**SETTINGS, **changes}), GUIDED, steps=6)


def every(pairs: Pairs) -> PairBatch:
    """Returns all pairs of a round, in the order of the store."""
    return pairs.select(torch.arange(len(pairs)))


@pytest.fixture
def here(tmp_path: Path) -> Context:
    return context(tmp_path)


@pytest.fixture
def pairs(here: Context) -> Pairs:
    return dpo().collect(here, 0)


def test_pairs_are_the_best_and_worst_of_each_prompt(here: Context, pairs: Pairs) -> None:
    folder = here.folder / "rollouts" / "round_000"
    values = [row["value"] for path in sorted(folder.glob("scores_*.jsonl")) for row in read_jsonl(path)]
    reward_PG = torch.tensor(values).view(6, 4)
    rows = list(read_jsonl(folder / "pairs.jsonl"))
    assert [row["chosen_row"] % 4 for row in rows] == reward_PG.argmax(dim=1).tolist()
    assert [row["rejected_row"] % 4 for row in rows] == reward_PG.argmin(dim=1).tolist()
    assert pairs.metrics["reward"] == pytest.approx(reward_PG.mean().item())
    assert (pairs.images, pairs.metrics["pairs"], pairs.metrics["missing"]) == (24, 6, 0)


def test_a_stage_is_made_again_only_where_its_files_are_gone(here: Context, pairs: Pairs) -> None:
    folder = here.folder / "rollouts" / "round_000"
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in ("scores_00001.jsonl", "pairs.jsonl", "part_00000.safetensors"):
        (folder / name).unlink()
        kept = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
        again = dpo().collect(here, 0)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
        remade = [path.name for path, time in kept.items() if path.stat().st_mtime_ns != time]
        assert set(remade) <= {"part_00000.jsonl"}
        assert torch.equal(every(again).chosen_NT, every(pairs).chosen_NT)


def moved(here: Context) -> None:
    with torch.no_grad():
        for _, parameter in here.policy.trainable():
            parameter.mul_(1.1)


def test_a_policy_that_has_moved_still_learns_from_what_was_drawn(here: Context, pairs: Pairs) -> None:
    moved(here)
    again = dpo().collect(here, 0, resumed=True)
    assert torch.equal(every(again).rejected_NT, every(pairs).rejected_NT)
    assert again.drawn_by == "reference"


@pytest.mark.parametrize("gone", ["part_00000.safetensors", "config.json"])
def test_a_policy_that_has_moved_draws_nothing_in_the_name_of_the_one_before(
    here: Context, pairs: Pairs, gone: str
) -> None:
    (here.folder / "rollouts" / "round_000" / gone).unlink()
    moved(here)
    with pytest.raises(CheckpointError, match="lacks rollouts, and the policy that drew them has moved"):
        dpo().collect(here, 0, resumed=True)


def test_a_later_round_draws_with_the_policy_as_it_is_and_for_other_prompts(
    here: Context, pairs: Pairs
) -> None:
    moved(here)
    later = dpo().collect(here, 1)
    assert later.drawn_by == "policy"
    assert not torch.equal(every(later).text.ids, every(pairs).text.ids)
    algorithm = dpo()
    first, second = (algorithm.batch(here, later, step) for step in (6, 7))
    assert "sample_replay_gap" in algorithm.loss(here.policy, here.reference, first).metrics
    assert "sample_replay_gap" not in algorithm.loss(here.policy, here.reference, second).metrics


def test_every_pair_is_visited_before_any_comes_again_and_each_epoch_in_another_order(
    here: Context, pairs: Pairs
) -> None:
    algorithm = dpo()
    visited = [
        row.tolist() for step in range(6) for row in algorithm.batch(here, pairs, step).chosen_logp_NT[:, 0]
    ]  # 24 visits of 6 pairs
    assert set(Counter(visited).values()) == {4}
    epochs = [visited[first : first + 6] for first in range(0, 24, 6)]
    assert all(len(set(epoch)) == 6 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert torch.equal(algorithm.batch(here, pairs, 3).chosen_NT, algorithm.batch(here, pairs, 3).chosen_NT)


def test_where_the_policy_is_its_reference_the_loss_is_log_2_and_the_gap_is_closed(
    here: Context, pairs: Pairs
) -> None:
    algorithm = dpo()
    term = algorithm.loss(here.policy, here.reference, algorithm.batch(here, pairs, 0))
    assert (term.sum / term.count).item() == pytest.approx(math.log(2), abs=1e-5)
    assert torch.equal(term.count, algorithm.count(algorithm.batch(here, pairs, 0)))
    assert term.metrics["sample_replay_gap"].mean() < 1e-5
    assert term.metrics["accuracy"].count == 4


@pytest.mark.parametrize("logp_view", ["guided", "conditional"])
@pytest.mark.parametrize("visits", ["one", "several"])
def test_the_loss_is_that_of_the_formula_on_replayed_log_probabilities(
    here: Context, logp_view: Any, visits: str
) -> None:
    steps = {"one": 1, "several": 6}[visits]  # of four pairs, of six
    algorithm = DPO(DPOConfig(**SETTINGS, logp_view=logp_view, beta=0.3, sft_weight=0.5), GUIDED, steps)
    pairs = algorithm.collect(here, 0)
    assert (pairs.rollouts.ref_logp_B is None) is (visits == "one")
    with torch.no_grad():
        for _, parameter in here.policy.trainable():
            parameter.mul_(1.01)
    batch, view = algorithm.batch(here, pairs, 1), GUIDED if logp_view == "guided" else View()
    total = 0.0
    for row in range(4):
        one = batch.rows(row, row + 1)
        new_w, new_l, ref_w, ref_l = (
            replay_logp(model, one.text, tokens, view).sum().item()
            for model in (here.policy, here.reference)
            for tokens in (one.chosen_NT, one.rejected_NT)
        )
        margin = 0.3 * ((new_w - ref_w) - (new_l - ref_l))
        total += math.log1p(math.exp(-margin)) - 0.5 * new_w / 64
    term = algorithm.loss(here.policy, here.reference, batch)
    assert term.sum.item() == pytest.approx(total, rel=1e-4)
    assert ("sample_replay_gap" in term.metrics) is (logp_view == "guided" and visits == "one")


def test_too_few_pairs_and_too_many_missing_rewards_are_errors(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="6 pairs of 6 prompts are fewer than pairs_per_step=7"):
        dpo(pairs_per_step=7).collect(context(tmp_path / "a"), 0)
    reward = load_function(CustomReward(function="tests.unit.rewards.functions:every_fourth_missing"))
    with pytest.raises(RewardError, match="could not judge 6 of 24"):
        dpo().collect(context(tmp_path / "b", reward=reward), 0)
    found = dpo().collect(context(tmp_path / "c", reward=reward, max_missing=0.3), 0)
    assert found.metrics["missing"] == 6


@pytest.mark.parametrize("pairing", ["random", "all"])
def test_other_pairings_are_read(here: Context, pairing: Any) -> None:
    found = dpo(pairing=pairing).collect(replace(here, folder=here.folder / pairing), 0)
    assert found.metrics["pairs"] == {"random": 6, "all": 36}[pairing]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"group": 1}, "two pictures of a prompt"),
        ({"beta": 0.0}, "beta must be above 0"),
        ({"pairs_per_step": 0}, "pairs_per_step must be 1"),
        ({"margin": -1.0}, "must be 0 or more"),
        ({"pairing": "all", "pairs_per_prompt": 2}, "takes every pair"),
        ({"loss_type": "hinge", "label_smoothing": 0.1}, "no label smoothing"),
        ({"label_smoothing": 0.5}, "label_smoothing must lie"),
        ({"gamma": 1.0}, "no target margin"),
    ],
)
def test_contradictions_are_refused_when_the_configuration_is_read(changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        DPOConfig(**changes)


def test_a_reference_that_would_be_asked_again_is_asked_once_about_each_rollout(here: Context) -> None:
    spent: Counter[str] = Counter()
    here = replace(here, spend=lambda what, amount: spent.update({what: amount}))
    pairs = dpo(pairing="all").collect(here, 0)  # 36 pairs of 24 rollouts, 24 pairs visited
    assert spent["tokens_scored"] == 24 * 64 * 2
    made, alone = pairs.rollouts, every(pairs)
    expected_B = replay_logp(here.reference, alone.text, alone.chosen_NT, GUIDED).detach().sum(dim=1)
    assert made.ref_logp_B is not None
    torch.testing.assert_close(made.ref_logp_B[made.chosen_N], expected_B, atol=1e-3, rtol=0)
    again = dpo(pairing="all").collect(here, 0, resumed=True)
    assert again.rollouts.ref_logp_B is not None
    assert torch.equal(again.rollouts.ref_logp_B, made.ref_logp_B)
    assert spent["tokens_scored"] == 24 * 64 * 2  # as if it had never stopped
