"""The reference: a policy that stays as it is, to measure how far the trained one has gone."""

import copy
from typing import TypeVar

from tessera.protocols import Policy

PolicyT = TypeVar("PolicyT", bound=Policy)


def frozen_copy(policy: PolicyT) -> PolicyT:
    """Returns a copy of the policy whose parameters take no gradient."""
    reference = copy.deepcopy(policy)
    for _, parameter in reference.trainable():
        parameter.requires_grad_(False)
    return reference
