"""What the loop expects of an algorithm, and what it hands to it.

A *round* collects once and then takes `steps_per_round` optimizer steps on what was collected. Everything
collected is a function of the policy, the configuration and the round's number, so a run that goes on needs
to know nothing but its step.

Axes: P prompts, G samples per prompt, B rows, T tokens.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from jaxtyping import Float, Shaped
from torch import Tensor

from tessera.errors import TrainingError, UserError
from tessera.protocols import Policy, Reward
from tessera.tensors import LossTerm
from tessera.types import Progress, Prompt, View

BatchT = TypeVar("BatchT", bound="Batch")
Made = TypeVar("Made")

Expense = Literal["images", "reward_calls", "tokens_sampled", "tokens_scored", "tokens_trained"]

LogpView = Literal["guided", "conditional"]

# Mean |log-prob as drawn - as replayed|, nats per token, above which a run stops. Rounding to bfloat16 makes
# 1e-3, forgetting a guidance of 1.5 makes 6e-2, float32 1e-7 (measured on the shipped policy).
MAX_REPLAY_GAP = 1e-2


@runtime_checkable  # so that tests check arguments at run time
class Peers(Protocol):
    """The processes that train together. Each has a share of the groups; a group is never cut."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    @property
    def first(self) -> bool:
        """Whether this is the one that writes what all of them share."""
        ...

    def share(self, total: int) -> range:
        """Returns this process's piece of so many things; pieces follow one another in a fixed order."""
        ...

    def gather(self, rows: Shaped[Tensor, "N ..."]) -> Shaped[Tensor, "M ..."]:
        """Returns the rows of all, in the order of their shares; every process gets them."""
        ...

    def add(self, value: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """Returns the sum over all processes; every process gets it."""
        ...

    def wait(self) -> None:
        """Returns when all have come here."""
        ...


@runtime_checkable  # so that tests check arguments at run time
class Beside(Protocol):
    """Somebody who works while this process draws: one thing after the other, in the order given."""

    def start(self, work: Callable[[], Made]) -> Callable[[], Made]:
        """Begins the work; returns what waits for its result, or raises what the work has raised."""
        ...

    def wait(self) -> None:
        """Returns when nothing is being done any more."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What an algorithm may use to collect."""

    policy: Policy  # as it is now; only ever drawn from, so it may be a copy of what trains
    reference: Policy
    reward: Reward
    prompts: Callable[[int, int], list[Prompt]]  # (first, count): a piece of the endless stream
    peers: Peers
    spend: Callable[[Expense, int], None]  # writes into the ledger what this process used up
    seed: int
    max_missing: float  # share of missing rewards above which a round fails
    batch_size: int  # pictures at once, without gradients
    folder: Path  # where stages may keep what they made
    phase: Callable[[str], AbstractContextManager[None]]  # names what the clock is running for
    on_progress: Progress
    beside: Beside | None = None  # judges pictures while others are drawn; None: one after the other
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext  # the precision of the loss


@runtime_checkable  # so that tests check arguments at run time
class Batch(Protocol):
    """What one optimizer step learns from. Rows add up, so it may be cut anywhere."""

    def __len__(self) -> int: ...

    def rows(self: BatchT, start: int, stop: int) -> BatchT:
        """Returns these rows as a batch."""
        ...


@runtime_checkable  # so that tests check arguments at run time
class Collected(Protocol):
    """What a round collected."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """For the line of each of its steps: the same on every process."""
        ...

    @property
    def images(self) -> int:
        """How many pictures were sampled, by all processes."""
        ...


@runtime_checkable  # so that tests check arguments at run time
class Algorithm(Protocol):
    """One way of training. `collected` and `batch` are its own: they go back only to whoever made them."""

    @property
    def trained_view(self) -> View:
        """The view whose log-probabilities are trained."""
        ...

    @property
    def steps_per_round(self) -> int:
        """How many optimizer steps one collection feeds."""
        ...

    @property
    def prompts_per_round(self) -> int:
        """How many prompts of the stream one collection takes."""
        ...

    @property
    def divided(self) -> Mapping[str, int]:
        """The settings that count what processes divide among themselves, in equal shares."""
        ...

    def reference_share(self, step: int) -> float:
        """Returns how far the reference moves towards the policy before this step, from 0 to 1."""
        ...

    def collect(self, context: Context, round_: int, *, resumed: bool = False) -> Collected:
        """Returns what this process learns from in round number `round_`.

        `resumed`: the round was begun before, and the policy may have moved since it drew for it.
        """
        ...

    def batch(self, context: Context, collected: Any, step: int) -> Batch:
        """Returns this process's share of what step number `step`, counted from 0, learns from."""
        ...

    def count(self, batch: Any) -> Float[Tensor, ""]:
        """Returns the count that `loss` will return: what the loss is divided by, known before backward."""
        ...

    def expenses(self, batch: Any) -> Mapping[Expense, int]:
        """Returns what the loss of the batch costs."""
        ...

    def loss(self, policy: Policy, reference: Policy, batch: Any) -> LossTerm:
        """Returns sum, count and metrics; only the policy gets a gradient."""
        ...

    def check(self, metrics: Mapping[str, float]) -> None:
        """Raises `TrainingError` for a measurement after which no weight may move."""
        ...


def trained_view(drawn: View, logp_view: LogpView) -> View:
    """Returns the view whose log-probabilities are trained, of pictures drawn under `drawn`."""
    return drawn if logp_view == "guided" else drawn.conditional()


def branches(view: View) -> int:
    """Returns how many times a policy reads a rollout to replay it: guidance needs the null prompt, too."""
    return 2 if view.guided else 1


def check_gap(metrics: Mapping[str, float], bound: float) -> None:
    """Raises where replayed log-probabilities are not those that were drawn."""
    gap = metrics.get("sample_replay_gap", 0.0)
    if gap > bound:
        raise TrainingError(
            f"log-probabilities as drawn and as replayed are {gap:.2g} nats apart per token, more than "
            f"max_replay_gap={bound:g}: the policy's step() and features() disagree, or the training "
            "precision is too low; try precision=float32"
        )


def require_unfiltered(view: View) -> None:
    """Refuses a view whose tokens another policy may give probability 0, where ratio and KL are infinite."""
    if view.top_k or view.top_p < 1:
        raise UserError(
            f"training needs a view without top-k and top-p, got top_k={view.top_k}, top_p={view.top_p}: "
            "a filter gives tokens probability 0 once the policy has moved; use temperature instead"
        )
