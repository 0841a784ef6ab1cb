"""GRPO: what it collects and what it learns from that, on the tiny policy with hand-made rewards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tessera.algorithms.grouped import TokenBatch
from tessera.algorithms.grpo import GRPO, GRPOConfig
from tessera.errors import RewardError, TrainingError, UserError
from tessera.objective.advantage import STD_EPS
from tessera.sampling.replay import replay_logp
from tessera.tensors import Scores
from tessera.types import Prompt, View
from tests.tiny import context

GUIDED = View(guidance=2.0)
NAN = float("nan")


@dataclass(frozen=True)
class Fixed:
    """A reward whose answers are written down beforehand."""

    values: tuple[float, ...]
    name: str = "fixed"

    def score(self, prompts: Sequence[Prompt], images_BHWC: np.ndarray) -> Scores:
        reasons = tuple("" if value == value else "not known" for value in self.values)
        return Scores(
            value_B=torch.tensor(self.values, dtype=torch.float64), reasons=reasons, digest=self.digest()
        )

    def digest(self) -> str:
        return str(self.values)


def collected(tmp_path: Path, *values: float, max_missing: float = 1.0, **settings: Any) -> TokenBatch:
    """Returns what two prompts of three samples make with these rewards."""
    grpo = GRPO(GRPOConfig(prompts_per_step=2, group=3, **settings), GUIDED)
    return grpo.collect(context(tmp_path, reward=Fixed(values), max_missing=max_missing), 0)


def gradients(tmp_path: Path, grpo: GRPO, batch: TokenBatch) -> tuple[Tensor, list[Tensor]]:
    """Returns the loss and its gradient in each of the policy's parameters."""
    here = context(tmp_path)
    term = grpo.loss(here.policy, here.reference, batch)
    assert torch.equal(term.count, grpo.count(batch))
    loss = term.sum / term.count
    return loss, list(torch.autograd.grad(loss, [parameter for _, parameter in here.policy.trainable()]))


def test_rewards_become_advantages_of_their_group_and_are_counted(tmp_path: Path) -> None:
    batch = collected(tmp_path, 0.0, 1.0, 2.0, 5.0, 5.0, 5.0)
    expected = torch.tensor([-1.0, 0.0, 1.0, 0.0, 0.0, 0.0]) / (1 + STD_EPS)
    torch.testing.assert_close(batch.advantage_B, expected)
    assert (batch.weight_BT == 1).all()  # a group without contrast still feels the KL pull
    assert batch.metrics["reward"] == 3.0
    assert batch.metrics["reward_std"] == 0.5
    assert batch.metrics["zero_variance_groups"] == 1
    assert batch.images == len(batch) == 6


def test_a_missing_reward_leaves_loss_and_count_and_is_counted(tmp_path: Path) -> None:
    batch = collected(tmp_path, 0.0, NAN, 2.0, NAN, NAN, 5.0)
    # Of the second group one reward is known: nobody to compare with, so the whole group is out.
    whole = collected(tmp_path, 0.0, 1.0, 2.0, 1.0, 0.0, 5.0)
    assert torch.equal(batch.tokens_BT, whole.tokens_BT[[0, 2]])
    assert torch.equal(batch.text.ids, whole.text.ids[[0, 2]])
    assert batch.weight_BT.min() == 1
    torch.testing.assert_close(batch.advantage_B, torch.tensor([-1.0, 1.0]) / 2**0.5, atol=1e-3, rtol=0)
    assert (batch.metrics["missing"], batch.metrics["empty_groups"]) == (3, 1)
    assert batch.metrics["reward"] == pytest.approx(7 / 3)
    grpo = GRPO(GRPOConfig(), GUIDED)
    assert grpo.count(batch) == 2
    pieces = [batch.rows(0, 1), batch.rows(1, 2)]
    both, parts = gradients(tmp_path, grpo, batch), [gradients(tmp_path, grpo, each) for each in pieces]
    for index, gradient in enumerate(both[1]):
        torch.testing.assert_close(gradient, sum(p[1][index] for p in parts) / 2, atol=1e-6, rtol=1e-4)


def test_too_many_missing_rewards_fail_the_round(tmp_path: Path) -> None:
    with pytest.raises(RewardError, match="could not judge 2 of 6 pictures"):
        collected(tmp_path, 0.0, NAN, 2.0, NAN, 1.0, 5.0, max_missing=0.3)


@pytest.mark.parametrize("logp_view", ["guided", "conditional"])
def test_on_policy_the_gradient_is_that_of_minus_advantage_times_logp(tmp_path: Path, logp_view: Any) -> None:
    """Independent formula: the first step of a batch is REINFORCE with the declared view's log-probs."""
    settings: dict[str, Any] = {"logp_view": logp_view, "kl_weight": 0.0}
    batch = collected(tmp_path, 0.0, 1.0, 2.0, 1.0, 0.0, 0.0, **settings)
    grpo = GRPO(GRPOConfig(prompts_per_step=2, group=3, **settings), GUIDED)
    _, found = gradients(tmp_path, grpo, batch)
    policy = context(tmp_path).policy
    view = GUIDED if logp_view == "guided" else View()
    logp_BT = replay_logp(policy, batch.text, batch.tokens_BT, view)
    loss = -(batch.advantage_B[:, None] * logp_BT).mean()
    expected = torch.autograd.grad(loss, [parameter for _, parameter in policy.trainable()])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-3)


def test_kl_and_entropy_join_the_loss_with_their_weights(tmp_path: Path) -> None:
    batch = collected(tmp_path, 0.0, 1.0, 2.0, 1.0, 0.0, 0.0)
    here = context(tmp_path)
    with torch.no_grad():
        for _, parameter in here.policy.trainable():
            parameter.mul_(1.01)  # away from the reference, so that KL is not 0

    def loss(**settings: Any) -> tuple[float, dict[str, float]]:
        term = GRPO(GRPOConfig(**settings), GUIDED).loss(here.policy, here.reference, batch)
        return (term.sum / term.count).item(), {k: t.mean().item() for k, t in term.metrics.items()}

    plain, metrics = loss(kl_weight=0.0)
    assert metrics["kl"] > 1e-4
    assert loss(kl_weight=0.5)[0] == pytest.approx(plain + 0.5 * metrics["kl"], rel=1e-4)
    assert loss(kl_weight=0.0, entropy_bonus=0.5)[0] == pytest.approx(
        plain - 0.5 * metrics["entropy"], rel=1e-4
    )


def test_other_rounds_draw_other_prompts_and_other_pictures(tmp_path: Path) -> None:
    grpo, here = GRPO(GRPOConfig(prompts_per_step=2, group=3), GUIDED), context(tmp_path)
    first, again, other = (grpo.collect(here, round_) for round_ in (0, 0, 1))
    assert torch.equal(first.tokens_BT, again.tokens_BT)
    assert not torch.equal(first.text.ids, other.text.ids)
    assert not torch.equal(first.tokens_BT, other.tokens_BT)


def test_a_batch_is_fresh_on_the_first_of_its_updates_only(tmp_path: Path) -> None:
    grpo = GRPO(GRPOConfig(prompts_per_step=2, group=3, updates=2), GUIDED)
    batch, here = grpo.collect(context(tmp_path), 0), context(tmp_path)
    for step, fresh in enumerate([True, False, True]):
        term = grpo.loss(here.policy, here.reference, grpo.batch(here, batch, step))
        assert ("sample_replay_gap" in term.metrics) is fresh


def test_an_open_replay_gap_stops_the_run() -> None:
    grpo = GRPO(GRPOConfig(), GUIDED)
    grpo.check({"sample_replay_gap": 0.009})
    grpo.check({})  # a later update of the same batch measures none
    with pytest.raises(TrainingError, match=r"0\.063 nats apart.*max_replay_gap=0.01"):
        grpo.check({"sample_replay_gap": 0.063})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group": 1}, "two pictures or more"),
        ({"prompts_per_step": 0}, "prompts_per_step must be 1 or more"),
        ({"updates": 0}, "updates must be 1 or more"),
        ({"kl": "k1"}, "no gradient in expectation"),
        ({"kl_weight": -1.0}, "kl_weight must be 0"),
    ],
)
def test_contradictions_are_refused_when_the_configuration_is_read(settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        GRPOConfig(**settings)


@pytest.mark.parametrize("view", [View(top_k=5), View(top_p=0.9)])
def test_a_filtered_view_is_refused(view: View) -> None:
    with pytest.raises(UserError, match="without top-k and top-p"):
        GRPO(GRPOConfig(), view)


def test_bounds_are_the_published_ones_unless_given() -> None:
    assert GRPOConfig().bounds() == (0.2, 0.2)
    assert GRPOConfig(loss_type="dapo").bounds() == (0.2, 0.28)
    assert GRPOConfig(level="sequence").bounds() == (3e-4, 4e-4)
    assert GRPOConfig(clip=(0.1, 0.3)).bounds() == (0.1, 0.3)


@dataclass
class InTurn:
    """A reward that answers each call with the next row of numbers."""

    rows: list[tuple[float, ...]]
    name: str = "in turn"

    def score(self, prompts: Sequence[Prompt], images_BHWC: np.ndarray) -> Scores:
        values = self.rows.pop(0)
        assert len(values) == len(prompts)
        return Scores(
            value_B=torch.tensor(values, dtype=torch.float64), reasons=("",) * len(values), digest="in turn"
        )

    def digest(self) -> str:
        return "in turn"


def test_a_flat_group_may_be_dropped_from_loss_and_count(tmp_path: Path) -> None:
    batch = collected(tmp_path, 0.0, 1.0, 2.0, 5.0, 5.0, 5.0, flat_groups="drop")
    assert batch.weight_BT.shape == (3, 64)
    assert batch.weight_BT.min() == 1
    assert batch.metrics["zero_variance_groups"] == 1
    assert (batch.images, batch.metrics["replaced_groups"]) == (6, 0)


def test_a_flat_group_may_be_replaced_by_one_of_another_prompt(tmp_path: Path) -> None:
    grpo = GRPO(GRPOConfig(prompts_per_step=2, group=3, flat_groups="resample", resamples=2), GUIDED)
    reward = InTurn([(0.0, 1.0, 2.0, 5.0, 5.0, 5.0), (4.0, 4.0, 4.0), (1.0, 2.0, 3.0)])
    here = context(tmp_path, reward=reward)
    batch = grpo.collect(here, 1)
    # The second slot's prompt gave way to the one two further on, and that to the next but one again.
    stream = [prompt.text for prompt in here.prompts(6, 6)]
    assert torch.equal(batch.text.ids, here.policy.tokenize([stream[0]] * 3 + [stream[5]] * 3).ids)
    assert batch.weight_BT.min() == 1
    torch.testing.assert_close(batch.advantage_B[:3], batch.advantage_B[3:])
    assert (batch.images, batch.metrics["zero_variance_groups"]) == (12, 2)
    assert batch.metrics["replaced_groups"] == 2
    assert not reward.rows


def test_resampling_is_bounded_and_what_stays_flat_is_dropped(tmp_path: Path) -> None:
    grpo = GRPO(GRPOConfig(prompts_per_step=1, group=2, flat_groups="resample", resamples=1), GUIDED)
    batch = grpo.collect(context(tmp_path, reward=InTurn([(1.0, 1.0), (3.0, 3.0)])), 0)
    assert batch.weight_BT.max() == 0
    assert (batch.images, batch.metrics["replaced_groups"]) == (4, 1)


@pytest.mark.parametrize("kind", ["k1", "k2"])
def test_kl_in_the_reward_lowers_it_by_the_kl_of_the_whole_picture(tmp_path: Path, kind: Any) -> None:
    here = context(tmp_path, reward=Fixed((0.0, 1.0, 2.0)))
    with torch.no_grad():
        for _, parameter in here.policy.trainable():
            parameter.mul_(1.05)
    settings: dict[str, Any] = {"prompts_per_step": 1, "group": 3, "advantage": "centred", "kl": kind}
    grpo = GRPO(GRPOConfig(kl_weight=0.1, kl_in="reward", **settings), GUIDED)
    batch = grpo.collect(here, 0)
    ref_BT = replay_logp(here.reference, batch.text, batch.tokens_BT, GUIDED)
    log_ratio_BT = batch.old_logp_BT - ref_BT.detach()
    kl_BT = log_ratio_BT if kind == "k1" else log_ratio_BT.square() / 2
    expected_B = torch.tensor([0.0, 1.0, 2.0]) - 0.1 * kl_BT.sum(dim=1)
    torch.testing.assert_close(batch.advantage_B, expected_B - expected_B.mean(), atol=1e-4, rtol=1e-4)
    assert batch.metrics["reward"] == 1.0  # what is reported is what the reward said
    free = GRPO(GRPOConfig(kl_weight=0.0, **settings), GUIDED)
    loss, same = (a.loss(here.policy, here.reference, batch).sum for a in (grpo, free))
    assert torch.equal(loss, same)  # and nothing of it is left in the loss


def test_kl_times_the_ratio_has_the_value_of_kl_and_the_gradient_of_the_reverse_one(tmp_path: Path) -> None:
    batch = collected(tmp_path, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)  # no advantage: what is left is the pull
    here = context(tmp_path)
    parameters = [parameter for _, parameter in here.policy.trainable()]
    old_BT = replay_logp(here.policy, batch.text, batch.tokens_BT, GUIDED).detach()
    batch = replace(batch, old_logp_BT=old_BT)
    with torch.no_grad():
        for _, parameter in here.reference.trainable():
            parameter.mul_(1.02)

    def pull(**settings: Any) -> tuple[Tensor, list[Tensor]]:
        term = GRPO(GRPOConfig(kl_weight=1.0, **settings), GUIDED).loss(here.policy, here.reference, batch)
        return term.sum, list(torch.autograd.grad(term.sum, parameters))

    plain, with_ratio = pull(), pull(kl_ratio=True)
    torch.testing.assert_close(plain[0], with_ratio[0], atol=1e-6, rtol=1e-5)
    logp_BT = replay_logp(here.policy, batch.text, batch.tokens_BT, GUIDED)
    ref_BT = replay_logp(here.reference, batch.text, batch.tokens_BT, GUIDED).detach()
    surrogate = ((old_BT - ref_BT) * logp_BT).mean(dim=1).sum()  # -log r grad log pi, per row
    for found, expected in zip(with_ratio[1], torch.autograd.grad(surrogate, parameters), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-2)


def first_half(tokens_BT: Tensor, old_logp_BT: Tensor) -> Tensor:
    """A token weighting by name: the first half of a picture counts double, the rest not at all."""
    weight_BT = torch.zeros_like(old_logp_BT)
    weight_BT[:, : tokens_BT.shape[1] // 2] = 2.0
    return weight_BT


def test_tokens_are_weighted_by_a_function_of_somebody_elses(tmp_path: Path) -> None:
    name = "tests.unit.algorithms.test_grpo:first_half"
    batch = collected(tmp_path, 0.0, 1.0, 2.0, 1.0, 0.0, NAN, token_weights=name)
    half = batch.tokens_BT.shape[1] // 2
    assert len(batch) == 5
    assert (batch.weight_BT[:, :half] == 2).all()
    assert (batch.weight_BT[:, half:] == 0).all()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"token_weights": "first_half"}, UserError, "a token weighting is named module:function"),
        ({"kl_in": "reward", "kl_ratio": True}, UserError, "leave it off with kl_in=reward"),
        ({"resamples": 0}, UserError, "resamples must be 1 or more"),
    ],
)
def test_other_contradictions_are_refused(settings: dict, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        GRPOConfig(**settings)


def test_k1_is_allowed_where_it_is_exact() -> None:
    assert GRPOConfig(kl="k1", kl_in="reward").kl == "k1"
    assert GRPOConfig(kl="k1", kl_ratio=True).kl == "k1"
