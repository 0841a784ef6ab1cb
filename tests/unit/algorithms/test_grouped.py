"""What a round of GRPO learns from: no pass is taken twice, and none for rows that teach nothing."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from jaxtyping import Shaped
from torch import Tensor

from tessera.algorithms.base import branches
from tessera.algorithms.grouped import worthwhile
from tessera.algorithms.grpo import GRPO, GRPOConfig
from tessera.objective.kl import token_kl
from tessera.protocols import Policy
from tessera.sampling.replay import replay_logp
from tessera.tensors import TextBatch
from tessera.training.distributed import Alone
from tessera.types import View
from tests.tiny import context

GUIDED = View(guidance=2.0)
HALF = "tests.unit.algorithms.test_grpo:first_half"


class Asked:
    """A policy that notes of how many rollouts it is asked for features."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.rows = policy, list[int]()

    def watched(self, monkeypatch: pytest.MonkeyPatch) -> "Asked":
        real = self.policy.features

        def features(text: TextBatch, tokens_BT: Tensor) -> Tensor:
            self.rows.append(len(tokens_BT))
            return real(text, tokens_BT)

        monkeypatch.setattr(self.policy, "features", features)
        return self


PASSES = [
    # what is set, passes of the policy in the collection and each loss, and of the reference
    ({}, [0, 1], [0, 1]),
    ({"updates": 3}, [0, 1, 1, 1], [0, 1, 0, 0]),
    ({"logp_view": "conditional"}, [0, 1], [0, 1]),
    ({"logp_view": "conditional", "updates": 2}, [0, 1, 1], [0, 1, 0]),
    ({"kl_in": "reward"}, [0, 1], [1, 0]),
    ({"kl_in": "reward", "updates": 2, "logp_view": "conditional"}, [1, 1, 1], [1, 0, 0]),
    (
        {"token_weights": "tests.unit.algorithms.test_grpo:first_half", "logp_view": "conditional"},
        [1, 1],
        [0, 1],
    ),
]


@pytest.mark.parametrize(("settings", "of_policy", "of_reference"), PASSES)
def test_nothing_is_replayed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, of_policy: list, of_reference: list
) -> None:
    spent: Counter[str] = Counter()
    here = context(tmp_path)
    here = replace(here, spend=lambda what, amount: spent.update({what: amount}))
    policy, reference = (Asked(each).watched(monkeypatch) for each in (here.policy, here.reference))
    grpo = GRPO(GRPOConfig(prompts_per_step=2, group=3, **settings), GUIDED)
    found: list[tuple[list[int], list[int]]] = []

    def noted() -> None:
        found.append((policy.rows[:], reference.rows[:]))
        policy.rows.clear()
        reference.rows.clear()

    batch = grpo.collect(here, 0)
    noted()
    for step in range(grpo.settings.updates):
        of_step = grpo.batch(here, batch, step)
        for what, amount in grpo.expenses(of_step).items():
            spent[what] += amount
        grpo.loss(here.policy, here.reference, of_step)
        noted()
    rows = 6 * branches(grpo.trained_view)
    assert [sum(asked) for asked, _ in found] == [rows * passes for passes in of_policy]
    assert [sum(asked) for _, asked in found] == [rows * passes for passes in of_reference]
    tokens = rows * here.policy.spec.tokens
    assert spent["tokens_scored"] == tokens * (of_policy[0] + sum(of_reference))  # what was really run
    assert spent["tokens_trained"] == tokens * sum(of_policy[1:])


@pytest.mark.parametrize("logp_view", ["guided", "conditional"])
def test_later_updates_find_what_the_policy_and_its_reference_said_at_first(
    tmp_path: Path, logp_view: Any
) -> None:
    grpo = GRPO(GRPOConfig(prompts_per_step=2, group=3, updates=2, logp_view=logp_view), GUIDED)
    here = context(tmp_path)
    batch, view = grpo.collect(here, 0), grpo.trained_view
    first = grpo.batch(here, batch, 0)
    for start in (0, 4):  # micro-batches
        term = grpo.loss(here.policy, here.reference, first.rows(start, start + 4))
        assert term.metrics["kl"].sum == 0  # the same rows in the same precision: exactly
        if logp_view == "conditional":
            assert term.metrics["ratio"].mean() == 1
    old_BT, ref_BT = (
        replay_logp(each, batch.text, batch.tokens_BT, view).detach()
        for each in (here.policy, here.reference)
    )
    with torch.no_grad():
        for _, parameter in here.policy.trainable():
            parameter.mul_(1.02)
    second = grpo.batch(here, batch, 1)
    assert second.ref_logp_BT is not None
    torch.testing.assert_close(second.old_logp_BT, old_BT, atol=1e-5, rtol=0)
    torch.testing.assert_close(second.ref_logp_BT, ref_BT, atol=1e-5, rtol=0)
    logp_BT = replay_logp(here.policy, batch.text, batch.tokens_BT, view)
    metrics = grpo.loss(here.policy, here.reference, second).metrics
    assert metrics["ratio"].mean().item() == pytest.approx((logp_BT - old_BT).exp().mean().item(), rel=1e-4)
    kl_BT = token_kl("k3", logp_BT, ref_BT)
    assert metrics["kl"].mean().item() == pytest.approx(kl_BT.mean().item(), rel=1e-3)


@dataclass(frozen=True)
class Two(Alone):
    """This process beside another, of whose rows so many have weight."""

    other: int = 0

    def gather(self, rows: Shaped[Tensor, "N ..."]) -> Shaped[Tensor, "M ..."]:
        return torch.cat([rows, torch.tensor([self.other])])


@pytest.mark.parametrize(
    ("weights", "other", "kept"),
    [
        ([0, 1, 0, 1, 0], 0, [1, 3]),
        ([0, 1, 0, 1, 0], 3, [0, 1, 3]),  # as many rows as the other has, for as many backward passes
        ([1, 1, 1, 1, 1], 2, [0, 1, 2, 3, 4]),
        ([0, 0, 0, 0, 0], 0, [0]),  # which the update then refuses
    ],
)
def test_rows_without_weight_are_left_out_of_the_passes(weights: list, other: int, kept: list) -> None:
    weight_BT = torch.tensor(weights, dtype=torch.float32)[:, None] * torch.tensor([0.0, 2.0])
    assert worthwhile(Two(other=other), weight_BT).tolist() == kept
