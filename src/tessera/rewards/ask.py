"""Asking a reward: its answer is checked here, once, before anything is learnt from it."""

from collections.abc import Sequence

import torch
from jaxtyping import UInt8
from numpy import ndarray

from tessera.errors import RewardError
from tessera.protocols import Reward
from tessera.tensors import Scores
from tessera.types import Prompt


def ask(
    reward: Reward, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"], group: int = 1
) -> Scores:
    """Returns the reward's scores of the pictures; refuses a wrong number of them, and infinite ones.

    The `group` pictures of a prompt lie side by side.
    """
    return checked(reward.score(prompts, images_BHWC, group), reward.name, prompts)


def checked(scores: Scores, name: str, prompts: Sequence[Prompt]) -> Scores:
    """Returns what `name` said of pictures of these prompts, if it is a number, or NaN, for each."""
    asked = len(prompts)
    if not len(scores.value_B) == len(scores.reasons) == asked:
        raise RewardError(
            f"the reward {name!r} was asked about {asked} pictures and gave {len(scores.value_B)} "
            f"values and {len(scores.reasons)} reasons; it must give one of each per picture, in order"
        )
    if torch.isinf(scores.value_B).any():
        row = int(torch.isinf(scores.value_B).nonzero()[0])
        raise RewardError(
            f"the reward {name!r} gave {scores.value_B[row].item()} for {prompts[row].text!r}; "
            "return NaN for what cannot be measured, and a finite number otherwise"
        )
    return scores


def refuse_missing(scores: Scores, max_missing: float, name: str) -> int:
    """Returns how many values are missing; more than `max_missing` of them (a share) is an error."""
    missing_B = torch.isnan(scores.value_B)
    missing = int(missing_B.sum())
    if missing > max_missing * len(scores):
        reason = next(r for r, gone in zip(scores.reasons, missing_B.tolist(), strict=True) if gone)
        raise RewardError(
            f"the reward {name!r} could not judge {missing} of {len(scores)} pictures "
            f"(first reason: {reason or 'none given'}), more than max_missing={max_missing:g} allows; "
            "mend the reward, or raise max_missing"
        )
    return missing
