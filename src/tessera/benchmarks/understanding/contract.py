"""Who answers questions about pictures: the contract, and the policies that have it."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import UInt8
from numpy import ndarray

from tessera.errors import UserError
from tessera.policies.janus.policy import JanusPolicy
from tessera.policies.janus.understanding import JanusReader
from tessera.protocols import Policy


@runtime_checkable  # so that tests check arguments at run time
class Understands(Protocol):
    """Answers questions about pictures of any size. What it says of one depends on no other."""

    def answer(self, image_HWC: UInt8[ndarray, "H W 3"], question: str, limit: int) -> str:
        """Returns its likeliest answer, of at most `limit` tokens."""
        ...

    def weigh(self, image_HWC: UInt8[ndarray, "H W 3"], question: str, choices: Sequence[str]) -> list[float]:
        """Returns the mean log-probability of each given answer's tokens, in nats."""
        ...


def reader_of(policy: Policy, name: str) -> Understands:
    """Returns the side of the policy that reads pictures; refuses a policy that only draws them."""
    if isinstance(policy, JanusPolicy):
        return JanusReader(policy)
    raise UserError(
        f"{name} is a {policy.spec.name} policy, which draws pictures and does not read them; Janus does both"
    )
