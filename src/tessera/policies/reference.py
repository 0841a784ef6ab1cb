"""The reference: a policy that stays as it is, to measure how far the trained one has gone."""

import copy
from typing import TypeVar

import torch

from tessera.protocols import Policy

PolicyT = TypeVar("PolicyT", bound=Policy)


def frozen_copy(policy: PolicyT) -> PolicyT:
    """Returns a copy of the policy whose parameters take no gradient."""
    reference = copy.deepcopy(policy)
    for _, parameter in reference.trainable():
        parameter.requires_grad_(False)
    return reference


@torch.no_grad()
def move(reference: Policy, policy: Policy, share: float) -> None:
    """Moves the reference this share of the way to the policy; 1 makes it the policy, exactly."""
    for (_, old), (_, new) in zip(reference.trainable(), policy.trainable(), strict=True):
        if share == 1.0:
            old.copy_(new)
        else:
            old.lerp_(new, share)
