"""Policy-gradient losses: those of TRL 1.16.0 wherever it defines them as we do, values and gradients.

What TRL defines otherwise is asserted too, with the conversion; docs/objectives.md lists it.
"""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tessera.objective import kl as kl_terms
from tessera.objective.advantage import AdvantageKind, group_advantages
from tessera.objective.surrogate import Level, LossType, aggregate, surrogate
from tests.parity.trl import GRPOTrainer, OneProcess, assert_same, nanstd

B, T, T_MAX = 6, 5, 8


def _rollouts() -> dict[str, Tensor]:
    """Returns rows of one to five tokens, and ratios well outside the clip range."""
    generator = torch.Generator().manual_seed(11)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    old_BT = -2 - normal(B, T).abs()
    lengths_B = torch.tensor([5, 1, 3, 5, 2, 4])
    return {
        "logp": old_BT + 0.5 * normal(B, T),
        "old": old_BT,
        "ref": old_BT + 0.5 * normal(B, T),
        "advantage": normal(B),
        "mask": torch.arange(T) < lengths_B[:, None],
    }


def _trl_grpo(
    rollouts: dict[str, Tensor],
    loss_type: LossType,
    level: Level,
    *,
    eps_low: float = 0.2,
    eps_high: float = 0.28,
    beta: float = 0.0,
    corrected: bool = False,
    entropy_BT: Tensor | None = None,
    entropy_coef: float = 0.0,
) -> tuple[Tensor, Tensor, dict[str, list[float]]]:
    """Returns TRL's loss, its gradient with respect to the log-probabilities, and its metrics."""
    logp_BT = rollouts["logp"].clone().requires_grad_()
    entropy_BT = torch.zeros_like(logp_BT) if entropy_BT is None else entropy_BT
    mask_BT = rollouts["mask"].to(torch.float64)
    trainer: Any = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logp_BT, entropy_BT, None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level=level,
        beta=beta,
        loss_type=loss_type,
        epsilon_low=eps_low,
        epsilon_high=eps_high,
        args=SimpleNamespace(delta=None, use_bias_correction_kl=corrected, steps_per_generation=1),
        use_vllm=False,
        model=SimpleNamespace(training=True),
        current_gradient_accumulation_steps=1,
        max_completion_length=T_MAX,
        accelerator=OneProcess(),
        _entropy_bonus_enabled=entropy_coef != 0,
        use_adaptive_entropy=False,
        entropy_coef=entropy_coef,
        _metrics=defaultdict(lambda: defaultdict(list)),
    )
    ids = torch.zeros(B, T, dtype=torch.long)
    inputs = {
        "prompt_ids": ids[:, :1],
        "prompt_mask": torch.ones(B, 1),
        "completion_ids": ids,
        "completion_mask": mask_BT,
        "advantages": rollouts["advantage"],
        "old_per_token_logps": rollouts["old"],
        "ref_per_token_logps": rollouts["ref"],
        "num_items_in_batch": mask_BT.sum(),
    }
    loss = GRPOTrainer._compute_loss(trainer, None, inputs)
    (gradient_BT,) = torch.autograd.grad(loss, logp_BT)
    return loss.detach(), gradient_BT, trainer._metrics["train"]


def _our_grpo(
    rollouts: dict[str, Tensor],
    loss_type: LossType,
    level: Level,
    *,
    eps_low: float = 0.2,
    eps_high: float = 0.28,
    beta: float = 0.0,
    corrected: bool = False,
) -> tuple[Tensor, Tensor, dict[str, float]]:
    """Returns our loss, its gradient and its metrics."""
    logp_BT = rollouts["logp"].clone().requires_grad_()
    mask_BT = rollouts["mask"]
    terms = surrogate(
        loss_type,
        logp_BT,
        rollouts["old"],
        rollouts["advantage"],
        mask_BT,
        eps_low=eps_low,
        eps_high=eps_high,
        level=level,
    )
    kl_BT = kl_terms.token_kl("k3", logp_BT, rollouts["ref"])
    if corrected:
        kl_BT = kl_terms.with_ratio(kl_BT, terms.ratio_BT)
    loss = aggregate(loss_type, terms.loss_BT + beta * kl_BT, mask_BT.to(torch.float64), length=T_MAX).mean()
    (gradient_BT,) = torch.autograd.grad(loss, logp_BT)
    metrics = {name: each.mean().item() for name, each in terms.metrics(mask_BT).items()}
    return loss.detach(), gradient_BT, metrics


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("loss_type", ["grpo", "bnpo", "dr_grpo", "dapo"])
def test_the_clipped_losses_are_those_of_trl(loss_type: LossType, level: Level) -> None:
    rollouts = _rollouts()
    ours, gradient_BT, metrics = _our_grpo(rollouts, loss_type, level)
    theirs, their_gradient_BT, their_metrics = _trl_grpo(rollouts, loss_type, level)
    assert_same(ours, theirs)
    assert_same(gradient_BT, their_gradient_BT)
    if level == "token":  # per row, TRL counts rows and we count tokens
        assert metrics["clip_fraction_low"] == pytest.approx(their_metrics["clip_ratio/low_mean"][0])
        assert metrics["clip_fraction_high"] == pytest.approx(their_metrics["clip_ratio/high_mean"][0])
        assert metrics["clip_fraction"] == pytest.approx(their_metrics["clip_ratio/region_mean"][0])
        assert 0 < metrics["clip_fraction_low"] < 1
        assert 0 < metrics["clip_fraction_high"] < 1


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_cispo_is_that_of_trl_whose_bound_is_on_the_ratio_itself(level: Level) -> None:
    """TRL's `epsilon_high` is the cap, ours (the paper's) is 1 less; TRL has no lower bound, eps_low = 1."""
    rollouts = _rollouts()
    cap = 1.4
    ours, gradient_BT, metrics = _our_grpo(rollouts, "cispo", level, eps_low=1.0, eps_high=cap - 1)
    theirs, their_gradient_BT, _ = _trl_grpo(rollouts, "cispo", level, eps_high=cap)
    assert_same(ours, theirs)
    assert_same(gradient_BT, their_gradient_BT)
    assert level == "sequence" or metrics["clip_fraction"] > 0


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("loss_type", ["grpo", "bnpo", "dr_grpo", "dapo", "cispo"])
def test_k3_in_the_loss_is_that_of_trl(loss_type: LossType, level: Level, corrected: bool) -> None:
    """Plain, and with the importance ratio that TRL multiplies by default."""
    rollouts = _rollouts()
    low, high, their_high = (1.0, 0.4, 1.4) if loss_type == "cispo" else (0.2, 0.28, 0.28)
    ours, gradient_BT, _ = _our_grpo(
        rollouts, loss_type, level, eps_low=low, eps_high=high, beta=0.3, corrected=corrected
    )
    theirs, their_gradient_BT, their_metrics = _trl_grpo(
        rollouts, loss_type, level, eps_low=low, eps_high=their_high, beta=0.3, corrected=corrected
    )
    assert_same(ours, theirs)
    assert_same(gradient_BT, their_gradient_BT)
    assert their_metrics["kl"][0] > 0


@pytest.mark.parametrize("loss_type", ["bnpo", "dapo", "cispo"])
def test_an_entropy_bonus_per_token_is_that_of_trl_where_tokens_are_averaged(loss_type: LossType) -> None:
    """Elsewhere TRL still takes the mean over tokens, and ours is averaged like the rest of the loss."""
    rollouts = _rollouts()
    logits_BTV = torch.randn(B, T, 7, dtype=torch.float64)
    entropy_BT = kl_terms.entropy(logits_BTV.log_softmax(-1))
    without, _, _ = _trl_grpo(rollouts, loss_type, "token")
    with_bonus, _, metrics = _trl_grpo(rollouts, loss_type, "token", entropy_BT=entropy_BT, entropy_coef=0.01)
    ours = aggregate(loss_type, -0.01 * entropy_BT, rollouts["mask"].to(torch.float64), length=T_MAX).mean()
    assert_same(ours, with_bonus - without)
    assert metrics["entropy"][0] == pytest.approx(-100 * ours.item())


@pytest.mark.parametrize(("kind", "scale"), [("grpo", "group"), ("batch", "batch"), ("centred", "none")])
def test_advantages_are_those_of_trl(kind: AdvantageKind, scale: str) -> None:
    """Lines 2764 to 2810 of TRL's grpo_trainer.py, repeated: the method around them needs a whole trainer.

    To 1e-7 only: `nanstd` corrects by n / (n - 1) of two integers, which torch divides in float32.
    """
    reward_PG = torch.randn(5, 4, dtype=torch.float64)
    reward_PG[0, 1] = reward_PG[3, 0] = reward_PG[3, 2] = torch.nan
    reward_PG[1] = torch.nan
    reward_PG[2] = 0.25
    mean_P1 = torch.nanmean(reward_PG, dim=1, keepdim=True)
    theirs_PG = reward_PG - mean_P1
    if scale == "group":
        theirs_PG = theirs_PG / (nanstd(reward_PG, dim=1)[:, None] + 1e-4)
    elif scale == "batch":
        theirs_PG = theirs_PG / (nanstd(reward_PG) + 1e-4)
    theirs_PG = torch.nan_to_num(theirs_PG, nan=0.0)
    assert_same(group_advantages(reward_PG, kind).advantage_PG, theirs_PG, atol=1e-7)
