"""What is trained is what was drawn: replay gap, step-0 ratio, and clipping that takes hold after a step."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tessera.algorithms.grpo import GRPO, GRPOConfig
from tessera.errors import TrainingError
from tessera.policies.load import load_policy
from tessera.sampling.replay import replay_logp
from tessera.types import View
from tests.tiny import context

CASES: list[tuple[Any, View]] = [
    ("guided", View(guidance=1.5)),
    ("guided", View(guidance=3.0, temperature=0.8)),
    ("conditional", View(guidance=1.5)),
    ("guided", View()),  # no guidance: the conditional branch is what is drawn
]


@pytest.mark.parametrize(("logp_view", "view"), CASES)
def test_in_float32_the_gap_is_below_1e_4_and_the_first_ratio_is_1_to_1e_6(
    tmp_path: Path, logp_view: Any, view: View
) -> None:
    policy = load_policy("mosaic")
    here = context(tmp_path, policy=policy)
    grpo = GRPO(GRPOConfig(prompts_per_step=2, group=4, logp_view=logp_view), view)
    batch = grpo.collect(here, 0)
    metrics = grpo.loss(policy, here.reference, batch).metrics
    if grpo.trained_view == view:
        assert metrics["sample_replay_gap"].mean() < 1e-5  # mean; the largest below
    assert abs(metrics["ratio"].mean() - 1) < 1e-6
    assert metrics["clip_fraction"].mean() == 0
    assert metrics["kl"].mean().abs() < 1e-9  # the policy is its reference
    gap_BT = (replay_logp(policy, batch.text, batch.tokens_BT, grpo.trained_view) - batch.old_logp_BT).abs()
    assert gap_BT.max() < 1e-4


def test_training_another_view_than_the_declared_one_opens_the_gap(tmp_path: Path) -> None:
    """The alarm fires: forgetting a guidance of 1.5 on replay is caught by the default bound."""
    policy = load_policy("mosaic")
    here = context(tmp_path, policy=policy)
    batch = GRPO(GRPOConfig(prompts_per_step=2, group=4), View(guidance=1.5)).collect(here, 0)
    forgetful = GRPO(GRPOConfig(), View())
    gap = forgetful.loss(policy, here.reference, batch).metrics["sample_replay_gap"].mean().item()
    with pytest.raises(TrainingError, match="max_replay_gap"):
        forgetful.check({"sample_replay_gap": gap})


def test_a_second_update_of_the_same_batch_really_clips(tmp_path: Path) -> None:
    here = context(tmp_path)
    grpo = GRPO(GRPOConfig(prompts_per_step=2, group=4, updates=2), View(guidance=2.0))
    collected = grpo.collect(here, 0)
    optimizer = torch.optim.SGD([parameter for _, parameter in here.policy.trainable()], lr=1.0)
    seen = []
    for step in range(2):
        batch = grpo.batch(here, collected, step)
        term = grpo.loss(here.policy, here.reference, batch)
        optimizer.zero_grad()
        (term.sum / term.count).backward()
        optimizer.step()
        seen.append(term.metrics)
    assert seen[0]["clip_fraction"].mean() == 0
    assert seen[1]["clip_fraction"].mean() > 0.001
    # Old log-probs are those of the policy that drew, not of the step before: the ratio has left 1.
    assert (seen[1]["ratio"].mean() - 1).abs() > 1e-4
