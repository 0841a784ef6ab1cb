"""Preference losses: those of TRL 1.16.0 wherever it defines them as we do, values and gradients.

What TRL defines otherwise is asserted too, with the conversion; docs/objectives.md lists it.
"""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tessera.objective.preference import PairLogp, PreferenceType, preference_loss, preference_metrics, sft
from tests.parity.trl import CPOTrainer, DPOTrainer, OneProcess, ORPOTrainer, assert_same

N = 5
LENGTHS = (torch.tensor([4, 1, 6, 3, 5]), torch.tensor([2, 6, 6, 1, 3]))


def _pair_tokens() -> tuple[Tensor, Tensor, Tensor]:
    """Returns log-probabilities per token (chosen rows, then rejected ones), mask, and the reference's."""
    generator = torch.Generator().manual_seed(12)
    mask_BT = torch.arange(6) < torch.cat(LENGTHS)[:, None]
    logp_BT = -2 * torch.rand(2 * N, 6, generator=generator, dtype=torch.float64) * mask_BT
    ref_BT = -2 * torch.rand(2 * N, 6, generator=generator, dtype=torch.float64) * mask_BT
    return logp_BT, mask_BT, ref_BT


def _pairs(logp_BT: Tensor, ref_BT: Tensor) -> PairLogp:
    chosen, rejected = logp_BT.sum(dim=1).chunk(2)
    ref_chosen, ref_rejected = ref_BT.sum(dim=1).chunk(2)
    return PairLogp(
        chosen=chosen,
        rejected=rejected,
        ref_chosen=ref_chosen,
        ref_rejected=ref_rejected,
        chosen_tokens=LENGTHS[0],
        rejected_tokens=LENGTHS[1],
    )


def _trl_dpo(
    loss_type: str, beta: float, label_smoothing: float = 0.0
) -> tuple[Tensor, Tensor, dict[str, list[float]]]:
    """Returns TRL's loss, its gradient with respect to the log-probabilities per token, and its metrics."""
    logp_BT, mask_BT, ref_BT = _pair_tokens()
    logp_BT.requires_grad_()
    outputs = SimpleNamespace(
        log_probs=logp_BT,
        entropy=torch.zeros_like(logp_BT),
        mean_logits=torch.zeros_like(logp_BT),
        is_top1=torch.zeros_like(mask_BT),
    )
    trainer: Any = SimpleNamespace(
        model=SimpleNamespace(training=True),
        accelerator=OneProcess(),
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=[loss_type],
        loss_weights=[1.0],
        beta=beta,
        label_smoothing=label_smoothing,
        use_weighting=False,
        _metrics=defaultdict(lambda: defaultdict(list)),
        _total_train_tokens=0,
        _tp_size=1,
    )
    ref_chosen, ref_rejected = ref_BT.sum(dim=1).chunk(2)
    prompt_B1 = torch.zeros(2 * N, 1, dtype=torch.long)
    inputs = {
        "input_ids": torch.zeros(2 * N, 7, dtype=torch.long),
        "attention_mask": torch.ones(2 * N, 7, dtype=torch.long),
        "completion_mask": torch.cat([prompt_B1, mask_BT.long()], dim=1),
        "ref_chosen_logps": ref_chosen,
        "ref_rejected_logps": ref_rejected,
    }
    loss = DPOTrainer._compute_loss(trainer, lambda **_: outputs, inputs, return_outputs=False)
    (gradient_BT,) = torch.autograd.grad(loss, logp_BT)
    return loss.detach(), gradient_BT, trainer._metrics["train"]


@pytest.mark.parametrize(
    ("kind", "beta", "label_smoothing"),
    [
        ("sigmoid", 0.1, 0.0),
        ("sigmoid_norm", 2.0, 0.0),
        ("hinge", 0.3, 0.0),
        ("ipo", 0.2, 0.0),
        ("robust", 0.1, 0.0),
        ("robust", 0.4, 0.2),
    ],
)
def test_preference_losses_are_those_of_trl(
    kind: PreferenceType, beta: float, label_smoothing: float
) -> None:
    logp_BT, _, ref_BT = _pair_tokens()
    logp_BT.requires_grad_()
    pairs = _pairs(logp_BT, ref_BT)
    ours = preference_loss(kind, pairs, beta=beta, label_smoothing=label_smoothing).mean()
    (gradient_BT,) = torch.autograd.grad(ours, logp_BT)
    theirs, their_gradient_BT, their_metrics = _trl_dpo(kind, beta, label_smoothing)
    assert_same(ours.detach(), theirs)
    assert_same(gradient_BT, their_gradient_BT)
    if kind not in ("ipo", "sigmoid_norm"):  # where the loss averages over tokens, so do our metrics
        metrics = preference_metrics(kind, pairs, beta=beta)
        assert metrics["margin"].mean().item() == pytest.approx(their_metrics["rewards/margins"][0])
        assert metrics["accuracy"].mean().item() == pytest.approx(their_metrics["rewards/accuracies"][0])
        changes = (metrics["chosen_change"].mean().item(), metrics["rejected_change"].mean().item())
        assert beta * changes[0] == pytest.approx(their_metrics["rewards/chosen"][0])
        assert beta * changes[1] == pytest.approx(their_metrics["rewards/rejected"][0])


def test_sft_is_that_of_trl_once_pairs_are_weighed_by_their_tokens() -> None:
    """TRL averages over the tokens of the batch, we over each rollout and then over pairs."""
    logp_BT, _, ref_BT = _pair_tokens()
    theirs, _, _ = _trl_dpo("sft", 0.1)
    per_pair_N = sft(_pairs(logp_BT, ref_BT))
    lengths_N = LENGTHS[0]
    assert_same((per_pair_N * lengths_N).sum() / lengths_N.sum(), theirs)


@pytest.mark.parametrize(
    ("kind", "trl_name"), [("cpo", "sigmoid"), ("simpo", "simpo"), ("sigmoid", "sigmoid")]
)
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_reference_free_and_smoothed_losses_are_those_of_trl(
    kind: PreferenceType, trl_name: str, label_smoothing: float
) -> None:
    """TRL's DPO trainer has no label smoothing any more; its CPO trainer has, on the same formula.

    So conservative DPO is compared with CPO on log-ratios in place of log-probabilities.
    """
    beta, gamma = 0.7, 0.4
    logp_BT, _, ref_BT = _pair_tokens()
    pairs = _pairs(logp_BT, ref_BT)
    chosen_N, rejected_N = pairs.chosen.requires_grad_(), pairs.rejected.requires_grad_()
    ours_N = preference_loss(
        kind, pairs, beta=beta, label_smoothing=label_smoothing, gamma=gamma if kind == "simpo" else 0.0
    )
    seen = {"cpo": pairs, "simpo": pairs.per_token(), "sigmoid": None}[kind]
    if seen is None:
        inputs = (pairs.chosen - pairs.ref_chosen, pairs.rejected - pairs.ref_rejected)
    else:
        inputs = (seen.chosen, seen.rejected)
    trainer: Any = SimpleNamespace(
        alpha=0.0,
        accelerator=OneProcess(),
        loss_type=trl_name,
        simpo_gamma=gamma,
        beta=beta,
        label_smoothing=label_smoothing,
    )
    cpo_loss: Any = CPOTrainer.cpo_loss
    theirs_N, _, _ = cpo_loss(trainer, *inputs)
    assert_same(ours_N, theirs_N)
    ours = torch.autograd.grad(ours_N.sum(), (chosen_N, rejected_N), retain_graph=True)
    theirs = torch.autograd.grad(theirs_N.sum(), (chosen_N, rejected_N))
    for our_gradient_N, their_gradient_N in zip(ours, theirs, strict=True):
        assert_same(our_gradient_N, their_gradient_N)


def test_orpo_is_that_of_trl_to_its_single_precision() -> None:
    """TRL computes it in float32, and calls the negative a loss."""
    logp_BT, _, ref_BT = _pair_tokens()
    pairs = _pairs(logp_BT, ref_BT)
    chosen_N, rejected_N = pairs.chosen.requires_grad_(), pairs.rejected.requires_grad_()
    ours_N = preference_loss("orpo", pairs, beta=0.3)
    seen = pairs.per_token()
    trainer: Any = SimpleNamespace(accelerator=OneProcess(), beta=0.3)
    odds_ratio_loss: Any = ORPOTrainer.odds_ratio_loss
    negative_N, *_ = odds_ratio_loss(trainer, seen.chosen, seen.rejected)
    assert_same(ours_N, -negative_N.double(), rtol=1e-6, atol=1e-7)
    ours = torch.autograd.grad(ours_N.sum(), (chosen_N, rejected_N), retain_graph=True)
    theirs = torch.autograd.grad(-negative_N.sum(), (chosen_N, rejected_N))
    for our_gradient_N, their_gradient_N in zip(ours, theirs, strict=True):
        assert_same(our_gradient_N, their_gradient_N, rtol=1e-5, atol=1e-7)
