"""A step by phase, and the plain step beside it: the same gradient, or no timing."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from tessera.algorithms.grpo import GRPO, GRPOConfig
from tessera.bench.limits import Limits
from tessera.bench.plain_step import plain_logp
from tessera.bench.train import Work, _checked, bench_train
from tessera.policies.base import PolicyModule
from tessera.policies.reference import frozen_copy
from tessera.rewards.noise import NoiseReward
from tessera.rewards.plain import Plain
from tessera.sampling.replay import replay_logp
from tessera.types import Prompt, View
from tests.contracts.janus import tiny_janus
from tests.contracts.policies import tiny_mosaic

PROMPTS = [Prompt(id=text, text=text) for text in ("a photo of a red circle", "a photo of a blue star")]
LIMITS = Limits(bytes_per_second=1e10, flops=1e11)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_one_branch_after_the_other_gives_the_log_probabilities_of_both_at_once(guidance: float) -> None:
    policy, view = tiny_janus(), View(guidance=guidance)
    text = policy.tokenize([prompt.text for prompt in PROMPTS])
    tokens_BT = torch.randint(policy.spec.codebook, (2, policy.spec.tokens))
    ours_BT = replay_logp(policy, text, tokens_BT, view)
    assert torch.allclose(plain_logp(policy, text, tokens_BT, view), ours_BT, atol=1e-4)


@pytest.mark.parametrize("logp_view", ["guided", "conditional"])
@pytest.mark.parametrize("build", [tiny_mosaic, tiny_janus])
def test_phases_and_ratios_are_of_the_same_rounds_and_no_weight_moves(
    build: Callable[[], PolicyModule], logp_view: str
) -> None:
    policy = build()
    before = policy.digest()
    result = bench_train(
        policy,
        Plain(NoiseReward()),
        PROMPTS,
        LIMITS,
        group=2,
        micro_batch=3,
        logp_view=logp_view,  # pyright: ignore[reportArgumentType] - from a list of words
        repeats=1,
    )
    seconds = {name: each["median"] for name, each in result["seconds"].items()}
    expected = seconds["plain loop"] / seconds["ours"]
    assert result["ratio_vs_plain_loop"]["median"] == pytest.approx(expected)
    assert sum(result["phases"].values()) == pytest.approx(seconds["ours"])
    assert (result["phases"]["replay"] > 0) is (logp_view == "conditional")
    assert result["images_per_second"] == pytest.approx(4 / seconds["ours"])
    assert result["share_of_products"]["update"] > 0
    assert min(result["flops"].values()) > 0
    assert policy.digest() == before


def test_a_loop_with_another_gradient_is_not_timed() -> None:
    """Ours pulls to a reference elsewhere by k2, the plain loop knows k3 alone."""
    policy = tiny_mosaic()
    reference = frozen_copy(policy)
    with torch.no_grad():
        for _, parameter in reference.trainable():
            parameter.mul_(1.5)
    work = Work(
        policy=policy,
        reference=reference,
        reward=Plain(NoiseReward()),
        prompts=PROMPTS,
        grpo=GRPO(GRPOConfig(prompts_per_step=2, group=2, kl_weight=1.0), View(guidance=2.0)),
        optimizer=torch.optim.AdamW([parameter for _, parameter in policy.trainable()], lr=0.0),
        micro_batch=4,
    )
    assert _checked(work)["update"] > 0
    other = GRPO(GRPOConfig(prompts_per_step=2, group=2, kl_weight=1.0, kl="k2"), View(guidance=2.0))
    with pytest.raises(ValueError, match="do not compute the same"):
        _checked(replace(work, grpo=other))
