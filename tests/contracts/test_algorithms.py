"""What every algorithm promises (`algorithms.base.Algorithm`). To hold another to it, add it to CASES."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tessera.algorithms.base import Algorithm, Batch, Context, branches
from tessera.algorithms.dpo import DPO, DPOConfig
from tessera.algorithms.grpo import GRPO, GRPOConfig
from tessera.algorithms.iterated import Iterated, IteratedConfig
from tessera.types import View
from tests.tiny import context

VIEW = View(guidance=2.0)
GROUPS = GRPOConfig(prompts_per_step=4, group=2, updates=2, loss_type="dapo")
PAIRS = DPOConfig(prompts=8, group=2, pairs_per_step=4)
CASES: dict[str, Callable[[], Algorithm]] = {
    "grpo": lambda: GRPO(GROUPS, VIEW),
    "grpo-conditional": lambda: GRPO(GRPOConfig(prompts_per_step=4, group=2, logp_view="conditional"), VIEW),
    "grpo-dynamic": lambda: GRPO(GRPOConfig(prompts_per_step=4, group=2, flat_groups="resample"), VIEW),
    "dpo": lambda: DPO(PAIRS, VIEW, 6),
    "dpo-ipo": lambda: DPO(DPOConfig(prompts=8, group=2, pairs_per_step=4, loss_type="ipo"), VIEW, 6),
    "iterated-grpo": lambda: Iterated(GRPO(GROUPS, VIEW), IteratedConfig(rounds=2), 4),
    "iterated-dpo": lambda: Iterated(DPO(PAIRS, VIEW, 3), IteratedConfig(reference="ema", prompts="same"), 3),
}


@pytest.fixture(params=CASES)
def algorithm(request: pytest.FixtureRequest) -> Algorithm:
    """Returns each algorithm in turn."""
    return CASES[request.param]()


@pytest.fixture
def here(tmp_path: Path) -> Context:
    return context(tmp_path)


def test_what_is_collected_says_what_a_person_wants_to_know(algorithm: Algorithm, here: Context) -> None:
    collected = algorithm.collect(here, 0)
    wanted = {"reward", "reward_std", "diversity", "missing", "zero_variance_groups", "empty_groups"}
    assert wanted <= collected.metrics.keys()
    assert collected.images >= 8
    assert 0 < collected.metrics["diversity"] <= 1


def test_a_collection_is_a_function_of_policy_and_round(algorithm: Algorithm, tmp_path: Path) -> None:
    one, other = (context(tmp_path / name) for name in ("one", "other"))
    first, again = (algorithm.loss(c.policy, c.reference, batch_of(algorithm, c, 0)) for c in (one, other))
    assert torch.equal(first.sum, again.sum)
    second = algorithm.loss(one.policy, one.reference, batch_of(algorithm, one, 1))
    assert not torch.equal(second.metrics["entropy"].sum, first.metrics["entropy"].sum)


def test_the_count_is_known_before_the_loss(algorithm: Algorithm, here: Context) -> None:
    batch = batch_of(algorithm, here, 0)
    assert torch.equal(algorithm.count(batch), algorithm.loss(here.policy, here.reference, batch).count)


def test_only_the_policy_gets_a_gradient(algorithm: Algorithm, here: Context) -> None:
    term = algorithm.loss(here.policy, here.reference, batch_of(algorithm, here, 0))
    term.sum.backward()
    assert all(parameter.grad is not None for _, parameter in here.policy.trainable())
    assert all(parameter.grad is None for _, parameter in here.reference.trainable())
    assert not any(t.sum.requires_grad or t.count.requires_grad for t in term.metrics.values())


def test_at_the_first_step_what_is_trained_is_what_was_drawn(algorithm: Algorithm, here: Context) -> None:
    metrics = algorithm.loss(here.policy, here.reference, batch_of(algorithm, here, 0)).metrics
    means = {name: tally.mean().item() for name, tally in metrics.items()}
    # Under another view nothing that was drawn can be compared with what is trained.
    assert ("sample_replay_gap" in means) is (algorithm.trained_view == VIEW)
    assert means.get("sample_replay_gap", 0.0) < 1e-5
    algorithm.check(means)


def test_expenses_are_the_tokens_of_the_batch(algorithm: Algorithm, here: Context) -> None:
    spent: Counter[str] = Counter()
    here = replace(here, spend=lambda what, amount: spent.update({what: amount}))
    expenses = algorithm.expenses(batch_of(algorithm, here, 0))
    rollouts = 8  # four groups of two, or four pairs
    tokens = rollouts * here.policy.spec.tokens * branches(algorithm.trained_view)
    assert expenses["tokens_trained"] == tokens
    # The reference is asked by the loss, or was asked beforehand about every rollout that is in a pair.
    assert expenses["tokens_scored"] == (0 if spent["tokens_scored"] else tokens)
    assert spent["tokens_scored"] in (0, 2 * tokens)  # eight pairs in all


def test_the_reference_stands_still_within_a_round_and_at_the_start(algorithm: Algorithm) -> None:
    shares = [algorithm.reference_share(step) for step in range(12)]
    assert shares[0] == 0
    assert all(0 <= share <= 1 for share in shares)
    boundary = {"Iterated": (3, 4)}.get(type(algorithm).__name__, ())
    assert all(share == 0 or any(step % b == 0 for b in boundary) for step, share in enumerate(shares))


def test_what_processes_divide_is_counted_by_settings(algorithm: Algorithm) -> None:
    assert algorithm.divided
    assert all(amount >= 1 for amount in algorithm.divided.values())
    assert algorithm.prompts_per_round >= 1
    assert algorithm.steps_per_round >= 1


def batch_of(algorithm: Algorithm, here: Context, round_: int) -> Batch:
    """Returns the first batch of a round."""
    return algorithm.batch(here, algorithm.collect(here, round_), round_ * algorithm.steps_per_round)
