"""From rewards to advantages: how much better than its group each rollout did.

A missing reward (NaN) leaves the baseline and gets advantage 0; so does a group of which fewer than two
rewards are known, as one rollout has nobody to be compared with. Both are counted, never filled in.

Axes: P prompts (groups), G samples per prompt; n is the number of known rewards in a group.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

AdvantageKind = Literal["grpo", "centred", "leave-one-out", "batch", "global"]

# What keeps a division by a tiny standard deviation finite: TRL 1.16 and T2I-R1 add it to every one.
STD_EPS = 1e-4
# A group has a baseline from here on; the unbiased standard deviation needs as many.
MIN_GROUP = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Advantages:
    """One advantage per rollout, and what was left out on the way."""

    advantage_PG: Float[Tensor, "P G"]  # 0 where not valid
    valid_PG: Bool[Tensor, "P G"]  # has a reward, and company in its group
    contrast_P: Bool[Tensor, " P"]  # two known rewards of the group differ: the group teaches something
    missing: int  # rollouts without a reward
    empty_groups: int  # groups with fewer than two known rewards
    zero_variance_groups: int  # groups whose known rewards, two or more, are all equal


def known_rewards(reward_PG: Float[Tensor, "P G"]) -> Bool[Tensor, "P G"]:
    """Returns where there is a reward; infinite ones are refused, as every baseline of theirs is NaN."""
    if torch.isinf(reward_PG).any():
        raise ValueError("a reward is infinite: one that could not be measured is NaN, any other is finite")
    return ~torch.isnan(reward_PG)


def group_advantages(
    reward_PG: Float[Tensor, "P G"], kind: AdvantageKind, *, eps: float = STD_EPS
) -> Advantages:
    """Returns each reward against the baseline of its group, scaled as `kind` says.

    - `grpo`: (r - mean) / (std + eps), both of the group, std unbiased (DeepSeekMath, arXiv:2402.03300,
      section 4.1.2). Weighs prompts of little spread up.
    - `centred`: r - mean (Dr. GRPO, arXiv:2503.20783, section 3.2).
    - `leave-one-out`: r - mean of the others = n/(n-1) (r - mean) (RLOO; Kool et al. 2019; arXiv:2402.14740).
    - `batch`: (r - mean) / (std of all known rewards + eps) (PPO-lite, arXiv:2508.08221; TRL's
      `scale_rewards="batch"`). Counts the differences between prompts as spread.
    - `global`: (r - mean) / (std of all centred rewards + eps) (REINFORCE++-baseline, arXiv:2501.03262). Only
      differences within prompts count.

    The batch is what is handed in: where it lies on several processes, gather rewards first for the last two.

    A group whose rewards are all equal gets 0 exactly, also with eps = 0: rounding in its mean must not be
    divided by rounding in its std.
    """
    known_PG = known_rewards(reward_PG)
    n_P1 = known_PG.sum(dim=1, keepdim=True)
    valid_PG = known_PG & (n_P1 >= MIN_GROUP)
    contrast_P = _has_contrast(reward_PG, valid_PG)
    reward_0 = torch.where(known_PG, reward_PG, 0.0)
    mean_P1 = reward_0.sum(dim=1, keepdim=True) / n_P1.clamp(min=1)
    used_PG = valid_PG & contrast_P[:, None]
    centred_PG = torch.where(used_PG, reward_0 - mean_P1, 0.0)
    return Advantages(
        advantage_PG=_scaled(kind, centred_PG, reward_PG[known_PG], valid_PG, n_P1, eps),
        valid_PG=valid_PG,
        contrast_P=contrast_P,
        missing=int((~known_PG).sum()),
        empty_groups=int((n_P1 < MIN_GROUP).sum()),
        zero_variance_groups=int((valid_PG.any(dim=1) & ~contrast_P).sum()),
    )


def _has_contrast(reward_PG: Float[Tensor, "P G"], valid_PG: Bool[Tensor, "P G"]) -> Bool[Tensor, " P"]:
    """Returns which groups have a best above their worst; exact, where a std would be rounded."""
    best_P = torch.where(valid_PG, reward_PG, -torch.inf).amax(dim=1)
    worst_P = torch.where(valid_PG, reward_PG, torch.inf).amin(dim=1)
    return best_P > worst_P


def _scaled(
    kind: AdvantageKind,
    centred_PG: Float[Tensor, "P G"],
    known_N: Float[Tensor, " N"],
    valid_PG: Bool[Tensor, "P G"],
    n_P1: Int[Tensor, "P 1"],
    eps: float,
) -> Float[Tensor, "P G"]:
    """Returns the centred rewards in the unit of the kind; zeros stay zeros."""
    match kind:
        case "centred":
            return centred_PG
        case "leave-one-out":
            return centred_PG * n_P1 / (n_P1 - 1).clamp(min=1)
        case "grpo":
            std = (centred_PG.square().sum(dim=1, keepdim=True) / (n_P1 - 1).clamp(min=1)).sqrt()
        case "batch":
            std = _std(known_N)
        case "global":
            std = _std(centred_PG[valid_PG])
    return torch.where(centred_PG == 0, 0.0, centred_PG / (std + eps))


def _std(value_N: Float[Tensor, " N"]) -> Float[Tensor, ""]:
    """Returns the unbiased standard deviation; 0 for fewer than two values, when nothing will be divided."""
    return value_N.std() if len(value_N) >= MIN_GROUP else value_N.new_zeros(())
