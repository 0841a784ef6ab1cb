"""One scorer as a reward: its raw number, whatever its unit, and no look at the group.

GRPO standardises rewards within a group and DPO compares them, so the unit of a single scorer plays no part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import UInt8
from numpy import ndarray

from tessera.protocols import Scorer
from tessera.tensors import Scores
from tessera.types import Prompt


@dataclass(frozen=True, slots=True)
class Plain:
    """A scorer that training learns from as it is."""

    scorer: Scorer

    @property
    def name(self) -> str:
        """As in messages."""
        return self.scorer.name

    def score(
        self,
        prompts: Sequence[Prompt],
        images_BHWC: UInt8[ndarray, "B H W 3"],
        group: int,  # noqa: ARG002 - every reward is asked the same way
    ) -> Scores:
        """Returns the scorer's values."""
        return self.scorer.score(prompts, images_BHWC)

    def digest(self) -> str:
        """Returns the scorer's."""
        return self.scorer.digest()
