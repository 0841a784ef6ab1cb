"""Rounds around either algorithm: train, move the reference, go on.

GRPO draws from the policy at every step anyway; its rounds move the reference of its KL (DeepSeekMath,
arXiv:2402.03300, section 4.1.4). DPO draws once a round, so its rounds also renew the pairs: the rejected
rollouts are again the policy's own mistakes. With one round and the reference kept, this is the algorithm
itself, bit for bit.

A prompt whose group has no contrast makes no pair and is counted (`zero_variance_groups`); for GRPO,
`flat_groups=drop` leaves it out of the loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from tessera.algorithms.base import Algorithm, Batch, Collected, Context, Expense
from tessera.config import config
from tessera.errors import UserError
from tessera.protocols import Policy
from tessera.tensors import LossTerm
from tessera.types import Prompt, View


@config
class IteratedConfig:
    """How many rounds, and what changes between them."""

    rounds: int = 3  # equal parts of the run's steps
    # What the next round is held against. kept: the policy that the run started from; refreshed: the policy
    # as it stands; ema: the old reference, moved `1 - ema_decay` of the way to the policy.
    reference: Literal["kept", "refreshed", "ema"] = "refreshed"
    ema_decay: float = 0.5  # of `ema`; our choice: half old, half new
    prompts: Literal["new", "same"] = "new"  # same: every round draws for the first round's prompts again

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise UserError(f"rounds must be 1 or more, got {self.rounds}")
        if not 0 <= self.ema_decay < 1:
            raise UserError(f"ema_decay must lie in [0, 1), got {self.ema_decay}")

    def share(self) -> float:
        """Returns how far the reference moves towards the policy between rounds."""
        return {"kept": 0.0, "refreshed": 1.0, "ema": 1.0 - self.ema_decay}[self.reference]


@dataclass(frozen=True, slots=True)
class Iterated:
    """An algorithm in rounds of so many steps."""

    inner: Algorithm
    settings: IteratedConfig
    steps: int  # of a round; a multiple of what the inner algorithm collects for

    @property
    def trained_view(self) -> View:
        """The view whose log-probabilities are trained."""
        return self.inner.trained_view

    @property
    def steps_per_round(self) -> int:
        """How many optimizer steps one collection feeds; a round here may have several collections."""
        return self.inner.steps_per_round

    @property
    def prompts_per_round(self) -> int:
        """How many prompts of the stream one collection takes."""
        return self.inner.prompts_per_round

    @property
    def divided(self) -> Mapping[str, int]:
        """The settings that count what processes divide among themselves."""
        return self.inner.divided

    def reference_share(self, step: int) -> float:
        """Returns how far the reference moves before this step: at the first of every round but the first."""
        return self.settings.share() if step > 0 and step % self.steps == 0 else 0.0

    def collect(self, context: Context, round_: int, *, resumed: bool = False) -> Collected:
        """Returns what the collection numbered `round_` learns from."""
        if self.settings.prompts == "same":
            context = replace(context, prompts=self._first_prompts(context))
        return self.inner.collect(context, round_, resumed=resumed)

    def _first_prompts(self, context: Context) -> Any:
        width = self.steps // self.inner.steps_per_round * self.inner.prompts_per_round

        def prompts(first: int, count: int) -> list[Prompt]:
            return context.prompts(first % width, count)

        return prompts

    def batch(self, context: Context, collected: Any, step: int) -> Batch:
        """Returns this process's share of what the step learns from."""
        return self.inner.batch(context, collected, step)

    def count(self, batch: Any) -> Float[Tensor, ""]:
        """Returns the count that `loss` will return."""
        return self.inner.count(batch)

    def expenses(self, batch: Any) -> Mapping[Expense, int]:
        """Returns what the loss of the batch costs."""
        return self.inner.expenses(batch)

    def loss(self, policy: Policy, reference: Policy, batch: Any) -> LossTerm:
        """Returns the inner algorithm's loss."""
        return self.inner.loss(policy, reference, batch)

    def check(self, metrics: Mapping[str, float]) -> None:
        """Raises for a measurement after which no weight may move."""
        self.inner.check(metrics)
