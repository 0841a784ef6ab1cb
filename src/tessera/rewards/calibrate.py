"""From raw scores to numbers that may be added up: a scorer's unit taken off, alone or within the group.

| kind | value | neutral | compares with |
|---|---|---|---|
| `raw` | x | none | nothing |
| `zscore` | (x - mean) / std, of a reference set | 0 | the reference set |
| `group` | (x - mean) / (std + eps), of the group, std unbiased | 0 | the group |
| `rank` | share of the group below, less the share above: from -1 to 1, ties in the middle | 0 | the group |
| `win-rate` | mean over the group's others of sigmoid((x - other) / temperature) | 1/2 | the group |

`win-rate` is what a Bradley-Terry judge expects of a duel with another picture of the group (Bradley and
Terry 1952); as the temperature falls to 0 it becomes (1 + rank) / 2.

A missing score (NaN) stays missing and leaves the statistics of its group; a score that is alone in its group
is neutral. `zscore` of a scorer keeps what it says of prompts that are hard for all: `group` and `rank` throw
that away, as GRPO's advantages do.

Axes: P prompts (groups), G samples per prompt.
"""

from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from tessera.objective.advantage import group_advantages

Calibration = Literal["raw", "zscore", "group", "rank", "win-rate"]

NEUTRAL = {"zscore": 0.0, "group": 0.0, "rank": 0.0, "win-rate": 0.5}


def zscore(score_PG: Float64[Tensor, "P G"], reference: tuple[float, float]) -> Float64[Tensor, "P G"]:
    """Returns the scores in standard deviations from the mean of a reference set, given as (mean, std)."""
    mean, std = reference
    return (score_PG - mean) / std


def group_zscore(score_PG: Float64[Tensor, "P G"]) -> Float64[Tensor, "P G"]:
    """Returns the scores in standard deviations from the mean of their group; equal scores are 0."""
    value_PG = group_advantages(score_PG, "grpo").advantage_PG
    return torch.where(torch.isnan(score_PG), torch.nan, value_PG)


def rank(score_PG: Float64[Tensor, "P G"]) -> Float64[Tensor, "P G"]:
    """Returns how many of the group's others are below, less how many are above, as a share of them."""
    difference_PGG = score_PG[:, :, None] - score_PG[:, None, :]
    return _over_others(difference_PGG.sign(), score_PG, alone=0.0)


def win_rate(score_PG: Float64[Tensor, "P G"], temperature: float) -> Float64[Tensor, "P G"]:
    """Returns the expected share of duels won against the group's others."""
    difference_PGG = score_PG[:, :, None] - score_PG[:, None, :]
    return _over_others(torch.sigmoid(difference_PGG / temperature), score_PG, alone=0.5)


def _over_others(
    duel_PGG: Float64[Tensor, "P G G"], score_PG: Float64[Tensor, "P G"], *, alone: float
) -> Float64[Tensor, "P G"]:
    """Returns the mean of each row's duels with the known others; NaN where the row itself is missing."""
    known_PG = ~torch.isnan(score_PG)
    others_PGG = known_PG[:, None, :] & ~torch.eye(score_PG.shape[1], dtype=torch.bool)
    total_PG = torch.where(others_PGG, duel_PGG, 0.0).sum(dim=2)
    count_PG = others_PGG.sum(dim=2)
    mean_PG = torch.where(count_PG > 0, total_PG / count_PG.clamp(min=1), alone)
    return torch.where(known_PG, mean_PG, torch.nan)
