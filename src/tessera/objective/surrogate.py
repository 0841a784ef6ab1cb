"""Policy-gradient terms per token, by TRL's names, and how each is averaged.

A loss type is two choices. What one token contributes: the clipped term of PPO (`grpo`, `bnpo`, `dr_grpo`,
`dapo`) or a capped weight on the log-probability (`cispo`). And what is averaged over what (`aggregate`).
GSPO is a third, independent choice: one importance ratio per row, not one per token (`level="sequence"`).

The ratio is rho = pi / pi_old. On the first update of a batch both are the same policy: rho is 1, nothing is
clipped, and the gradient of every type here is that of -A log pi.

A masked token is never looked at: its log-probabilities may be NaN, its gradient is 0. Inside the mask the
old log-probability is finite, as the token was drawn; under a filtered view the new one may have fallen to
-inf, where rho is 0: the clipped term is 0 or clipped, `cispo` is NaN.

Axes: B rows (pictures), T tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tessera.objective import reduce
from tessera.tensors import Tally

LossType = Literal["grpo", "bnpo", "dr_grpo", "dapo", "cispo"]
Level = Literal["token", "sequence"]

# (eps_low, eps_high): the ratio is held in [1 - eps_low, 1 + eps_high].
CLIP: Mapping[LossType, tuple[float, float]] = {
    "grpo": (0.2, 0.2),  # PPO, arXiv:1707.06347, table 1: the best of 0.1, 0.2, 0.3; TRL's default
    "bnpo": (0.2, 0.2),  # TRL's default
    "dr_grpo": (0.2, 0.2),  # TRL's default
    "dapo": (0.2, 0.28),  # arXiv:2503.14476, section 4.1: "clip-higher"
    "cispo": (1.0, 4.0),  # no lower bound (arXiv:2506.13585, section 3.1); at most 5 (arXiv:2510.13786)
}
CLIP_SEQUENCE = (3e-4, 4e-4)  # GSPO, arXiv:2507.18071, section 5.1: ratios of rows hardly leave 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Surrogate:
    """What each token contributes to the loss, and where clipping took hold."""

    loss_BT: Float[Tensor, "B T"]  # with gradient; 0 outside the mask
    ratio_BT: Float[Tensor, "B T"]  # with gradient, not clipped; one value per row at level "sequence"
    clipped_low_BT: Bool[Tensor, "B T"]  # the lower bound has cut the gradient (cispo: replaced the weight)
    clipped_high_BT: Bool[Tensor, "B T"]

    def metrics(self, mask_BT: Bool[Tensor, "B T"]) -> dict[str, Tally]:
        """Returns the mean ratio and the shares of tokens clipped."""
        low_BT, high_BT = self.clipped_low_BT, self.clipped_high_BT
        return {
            "ratio": reduce.tally(self.ratio_BT, mask_BT),
            "clip_fraction": reduce.tally((low_BT | high_BT).to(self.loss_BT.dtype), mask_BT),
            "clip_fraction_low": reduce.tally(low_BT.to(self.loss_BT.dtype), mask_BT),
            "clip_fraction_high": reduce.tally(high_BT.to(self.loss_BT.dtype), mask_BT),
        }


def surrogate(
    loss_type: LossType,
    logp_BT: Float[Tensor, "B T"],
    old_logp_BT: Float[Tensor, "B T"],
    advantage_B: Float[Tensor, " B"],
    mask_BT: Bool[Tensor, "B T"],
    *,
    eps_low: float,
    eps_high: float,
    level: Level = "token",
) -> Surrogate:
    """Returns the terms of the loss type; `CLIP` and `CLIP_SEQUENCE` hold the published bounds."""
    ratio_BT = importance_ratio(logp_BT, old_logp_BT, mask_BT, level)
    if loss_type == "cispo":
        return cispo(ratio_BT, logp_BT, advantage_B, mask_BT, eps_low, eps_high)
    return clipped(ratio_BT, advantage_B, mask_BT, eps_low, eps_high)


def importance_ratio(
    logp_BT: Float[Tensor, "B T"],
    old_logp_BT: Float[Tensor, "B T"],
    mask_BT: Bool[Tensor, "B T"],
    level: Level,
) -> Float[Tensor, "B T"]:
    """Returns pi / pi_old, per token or as the row's geometric mean over its tokens; 1 outside the mask.

    `sequence`: s = exp(mean over the mask of log pi - log pi_old) (GSPO, arXiv:2507.18071, equation 7), the
    same at every token of the row. It is a likelihood, so token weights do not enter it.
    """
    log_ratio_BT = torch.where(mask_BT, logp_BT - old_logp_BT.detach(), 0.0)
    if level == "sequence":
        length_B1 = mask_BT.sum(dim=1, keepdim=True).clamp(min=1)
        mean_B1 = log_ratio_BT.sum(dim=1, keepdim=True) / length_B1
        log_ratio_BT = torch.where(mask_BT, mean_B1, 0.0)
    return log_ratio_BT.exp()


def clipped(
    ratio_BT: Float[Tensor, "B T"],
    advantage_B: Float[Tensor, " B"],
    mask_BT: Bool[Tensor, "B T"],
    eps_low: float,
    eps_high: float,
) -> Surrogate:
    """Returns -min(rho A, clip(rho, 1 - eps_low, 1 + eps_high) A) (PPO, arXiv:1707.06347, equation 7).

    Clipped means: the gradient is 0, as the ratio has gone past the bound in the direction the advantage
    wants. Beyond the other bound the term is not clipped, and pulls back. A = 0 gives 0 and no gradient.
    """
    advantage_B1 = advantage_B[:, None]
    low, high = 1 - eps_low, 1 + eps_high
    loss_BT = -torch.minimum(ratio_BT * advantage_B1, ratio_BT.clamp(low, high) * advantage_B1)
    return Surrogate(
        loss_BT=torch.where(mask_BT, loss_BT, 0.0),
        ratio_BT=ratio_BT,
        clipped_low_BT=mask_BT & (ratio_BT < low) & (advantage_B1 < 0),
        clipped_high_BT=mask_BT & (ratio_BT > high) & (advantage_B1 > 0),
    )


def cispo(
    ratio_BT: Float[Tensor, "B T"],
    logp_BT: Float[Tensor, "B T"],
    advantage_B: Float[Tensor, " B"],
    mask_BT: Bool[Tensor, "B T"],
    eps_low: float,
    eps_high: float,
) -> Surrogate:
    """Returns -stop_gradient(clip(rho, 1 - eps_low, 1 + eps_high)) A log pi.

    CISPO (arXiv:2506.13585, section 3.1): REINFORCE with a bounded weight, so every token keeps a gradient.
    eps_low = 1 is no lower bound, as a ratio is positive. Only the gradient of this value means something.
    """
    low, high = 1 - eps_low, 1 + eps_high
    weight_BT = ratio_BT.detach().clamp(low, high)
    loss_BT = -weight_BT * advantage_B[:, None] * torch.where(mask_BT, logp_BT, 0.0)
    return Surrogate(
        loss_BT=loss_BT,
        ratio_BT=ratio_BT,
        clipped_low_BT=mask_BT & (ratio_BT < low),
        clipped_high_BT=mask_BT & (ratio_BT > high),
    )


def aggregate(
    loss_type: LossType, value_BT: Float[Tensor, "B T"], weight_BT: Float[Tensor, "B T"], *, length: int
) -> Tally:
    """Returns (sum, count) of values per token as the loss type averages them; w is 0 outside the mask.

    | type | sum | count | divided by the global count |
    |---|---|---|---|
    | `grpo` | sum_b (sum_t w x / sum_t w) | rows with any weight | mean over rows of row means |
    | `dr_grpo` | sum_bt w x / length | rows with any weight | mean over rows of row sums / T_max |
    | `dapo`, `bnpo`, `cispo` | sum_bt w x | sum_bt w | mean over tokens |

    `length` is T_max, the constant of Dr. GRPO (arXiv:2503.20783, section 3.2): the longest a rollout can be,
    not the longest in the batch. The others ignore it. Where every row has `length` tokens of weight 1, as
    with whole pictures, all three are the same mean.

    Sum and count are sums over rows, so those of micro-batches and processes add up, and any split of a batch
    gives the same quotient. What is added to the loss (KL, entropy) is added to x, per token, before.
    """
    match loss_type:
        case "grpo":
            return reduce.sequence_mean(value_BT, weight_BT)
        case "dr_grpo":
            return reduce.constant_mean(value_BT, weight_BT, length)
        case "dapo" | "bnpo" | "cispo":
            return reduce.token_mean(value_BT, weight_BT)


def aggregate_count(loss_type: LossType, weight_BT: Float[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Returns the count that `aggregate` will return: known from weights alone, before any forward pass."""
    return reduce.row_count(weight_BT) if loss_type in ("grpo", "dr_grpo") else weight_BT.sum()
