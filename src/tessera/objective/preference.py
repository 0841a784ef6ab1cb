"""Losses on pairs of rollouts, by TRL's names, and what to watch while they fall.

Each is a function of the *margin*: by how much the policy, against its reference, prefers the chosen rollout,

    h = (log pi(w) - log pi_ref(w)) - (log pi(l) - log pi_ref(l)),        w chosen, l rejected,

with log-probabilities summed over the rollout, or averaged over its tokens where the loss is defined so. The
reference-free losses leave pi_ref out. beta is per nat of the *summed* margin for `sigmoid`, per nat of the
*averaged* one for `NORMALISED`: with T tokens the same pull needs a beta T times as large.

Where the policy is its reference, h = 0 in every pair: `sigmoid` is log 2 with slope -beta/2, and the
accuracy is 0, not one half, as nothing is preferred yet.

Axes: N pairs.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from tessera.objective.reduce import tally
from tessera.tensors import Tally

PreferenceType = Literal["sigmoid", "sigmoid_norm", "hinge", "ipo", "robust", "cpo", "simpo", "orpo"]

# Defined on log-probabilities averaged over tokens.
NORMALISED: frozenset[PreferenceType] = frozenset({"sigmoid_norm", "ipo", "simpo", "orpo"})
REFERENCE_FREE: frozenset[PreferenceType] = frozenset({"cpo", "simpo", "orpo"})
SMOOTHED: frozenset[PreferenceType] = frozenset({"sigmoid", "sigmoid_norm", "robust", "cpo", "simpo"})


@dataclass(frozen=True, kw_only=True, slots=True)
class PairLogp:
    """Log-probabilities of both rollouts of each pair, summed over tokens. The reference gets no gradient."""

    chosen: Float[Tensor, " N"]
    rejected: Float[Tensor, " N"]
    ref_chosen: Float[Tensor, " N"]
    ref_rejected: Float[Tensor, " N"]
    chosen_tokens: Int[Tensor, " N"]  # how many tokens were summed
    rejected_tokens: Int[Tensor, " N"]

    def per_token(self) -> "PairLogp":
        """Returns the averages over tokens in place of the sums; a rollout of no tokens keeps its 0."""
        chosen_N, rejected_N = self.chosen_tokens.clamp(min=1), self.rejected_tokens.clamp(min=1)
        return PairLogp(
            chosen=self.chosen / chosen_N,
            rejected=self.rejected / rejected_N,
            ref_chosen=self.ref_chosen / chosen_N,
            ref_rejected=self.ref_rejected / rejected_N,
            chosen_tokens=torch.ones_like(chosen_N),
            rejected_tokens=torch.ones_like(rejected_N),
        )

    def margin(self) -> Float[Tensor, " N"]:
        """Returns h, against the reference."""
        return (self.chosen - self.ref_chosen.detach()) - (self.rejected - self.ref_rejected.detach())


def preference_loss(
    kind: PreferenceType, pairs: PairLogp, *, beta: float, label_smoothing: float = 0.0, gamma: float = 0.0
) -> Float[Tensor, " N"]:
    """Returns the loss of each pair; sums are averaged over tokens where the kind is defined so.

    `gamma` is the target margin of `simpo`. A setting that the kind does not read must be left at 0.
    """
    if label_smoothing and kind not in SMOOTHED:
        raise ValueError(f"{kind!r} has no label smoothing; set it to 0 or use one of {sorted(SMOOTHED)}")
    if gamma and kind != "simpo":
        raise ValueError(f"{kind!r} has no target margin; set gamma to 0 or use 'simpo'")
    pairs = pairs.per_token() if kind in NORMALISED else pairs
    match kind:
        case "sigmoid" | "sigmoid_norm":
            return sigmoid(pairs.margin(), beta, label_smoothing)
        case "hinge":
            return hinge(pairs.margin(), beta)
        case "ipo":
            return ipo(pairs.margin(), beta)
        case "robust":
            return robust(pairs.margin(), beta, label_smoothing)
        case "cpo":
            return sigmoid(pairs.chosen - pairs.rejected, beta, label_smoothing)
        case "simpo":
            return simpo(pairs.chosen, pairs.rejected, beta, gamma, label_smoothing)
        case "orpo":
            return orpo(pairs.chosen, pairs.rejected, beta)


def sigmoid(margin_N: Float[Tensor, " N"], beta: float, label_smoothing: float = 0.0) -> Float[Tensor, " N"]:
    """Returns -(1 - s) log sigma(beta h) - s log sigma(-beta h); s is the chance that a label is wrong.

    s = 0: DPO (arXiv:2305.18290, equation 7), or CPO (arXiv:2401.08417) on a margin without reference.
    s > 0: conservative DPO (E. Mitchell, "A note on DPO with noisy preferences", 2023): its minimum is where
    sigma(beta h) = 1 - s, so no pair is pushed apart for ever.
    """
    _check_smoothing(label_smoothing)
    right, wrong = F.logsigmoid(beta * margin_N), F.logsigmoid(-beta * margin_N)
    return -(1 - label_smoothing) * right - label_smoothing * wrong


def robust(margin_N: Float[Tensor, " N"], beta: float, label_smoothing: float) -> Float[Tensor, " N"]:
    """Returns [-(1 - s) log sigma(beta h) + s log sigma(-beta h)] / (1 - 2s) (rDPO, arXiv:2403.00409).

    Where labels are flipped with chance s, its expectation is the DPO loss on the true ones. Unlike `sigmoid`
    with s > 0 it can be negative and has no minimum. s = 0 is DPO.
    """
    _check_smoothing(label_smoothing)
    right, wrong = F.logsigmoid(beta * margin_N), F.logsigmoid(-beta * margin_N)
    return (-(1 - label_smoothing) * right + label_smoothing * wrong) / (1 - 2 * label_smoothing)


def hinge(margin_N: Float[Tensor, " N"], beta: float) -> Float[Tensor, " N"]:
    """Returns max(0, 1 - beta h) (SLiC-HF, arXiv:2305.10425, with DPO's margin as in RSO, arXiv:2309.06657).

    A pair past beta h = 1 has no gradient.
    """
    return torch.relu(1 - beta * margin_N)


def ipo(margin_N: Float[Tensor, " N"], beta: float) -> Float[Tensor, " N"]:
    """Returns (h - 1 / (2 beta))^2 (arXiv:2310.12036, equation 17, whose tau is beta).

    The margin is the averaged one, as in TRL, which has it from the authors. Past the target, it pulls back.
    """
    return (margin_N - 1 / (2 * beta)).square()


def simpo(
    chosen_N: Float[Tensor, " N"],
    rejected_N: Float[Tensor, " N"],
    beta: float,
    gamma: float,
    label_smoothing: float = 0.0,
) -> Float[Tensor, " N"]:
    """Returns -log sigma(beta (c - r) - gamma), c and r averaged over tokens (arXiv:2405.14734, equation 6).

    No reference: the length of a rollout is what keeps it in bounds. gamma is in units of beta times nats.
    """
    return sigmoid(chosen_N - rejected_N - gamma / beta, beta, label_smoothing)


def orpo(chosen_N: Float[Tensor, " N"], rejected_N: Float[Tensor, " N"], beta: float) -> Float[Tensor, " N"]:
    """Returns -beta log sigma(log odds(chosen) - log odds(rejected)) (arXiv:2403.07691, equations 4 and 7).

    odds = p / (1 - p) of the averaged log-probability; beta is the paper's lambda. The paper adds `sft` of
    the chosen rollout with weight 1. A certain rollout (p = 1) has infinite odds, and no finite gradient.
    """
    log_odds_N = (chosen_N - rejected_N) - (_log1mexp(chosen_N) - _log1mexp(rejected_N))
    return -beta * F.logsigmoid(log_odds_N)


def sft(pairs: PairLogp) -> Float[Tensor, " N"]:
    """Returns the negative log-likelihood per token of each chosen rollout: a term to add, with a weight.

    DPO may lower both log-probabilities of a pair, the rejected one faster; this holds the chosen up.
    """
    return -pairs.chosen / pairs.chosen_tokens.clamp(min=1)


def preference_metrics(kind: PreferenceType, pairs: PairLogp, *, beta: float) -> dict[str, Tally]:
    """Returns what to watch: all means over pairs, without gradient.

    - `margin`: beta times the margin that the loss sees (for `orpo` that of log-probabilities, as in TRL)
    - `accuracy`: the share of pairs with a margin above 0
    - `chosen_change`, `rejected_change`: log pi - log pi_ref of whole rollouts. Both falling is DPO's
      usual way to go astray.
    """
    seen = pairs.per_token() if kind in NORMALISED else pairs
    margin_N = seen.chosen - seen.rejected if kind in REFERENCE_FREE else seen.margin()
    return {
        "margin": tally(beta * margin_N),
        "accuracy": tally((margin_N > 0).to(margin_N.dtype)),
        "chosen_change": tally(pairs.chosen - pairs.ref_chosen),
        "rejected_change": tally(pairs.rejected - pairs.ref_rejected),
    }


def _log1mexp(logp_N: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Returns log(1 - exp(x)) for x <= 0 (M. Maechler, "Accurately computing log(1 - exp(-|a|))", 2012)."""
    near_certain_N = logp_N > -math.log(2)
    # Each branch gets an argument at which it is finite: the branch not taken must not send NaN backwards.
    small_N = torch.where(near_certain_N, logp_N, -0.5)
    large_N = torch.where(near_certain_N, -1.0, logp_N)
    return torch.where(near_certain_N, torch.log(-torch.expm1(small_N)), torch.log1p(-torch.exp(large_N)))


def _check_smoothing(label_smoothing: float) -> None:
    """At one half labels say nothing, and `robust` would divide by zero."""
    if not 0 <= label_smoothing < 0.5:
        raise ValueError(f"label smoothing must lie in [0, 0.5), got {label_smoothing}")
