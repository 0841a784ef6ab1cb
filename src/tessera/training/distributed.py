"""Processes that train together: who they are, what each does, how their gradients become one.

The only module that knows about ranks. Everything else asks a `Team`: for its share of the work, for what the
others have, and for a backward pass whose gradient is that of all rows on all processes.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.nn import Parameter

from tessera.algorithms.base import Peers
from tessera.protocols import Policy
from tessera.tensors import LossTerm


@runtime_checkable  # so that tests check arguments at run time
class Team(Peers, Protocol):
    """The peers, with what an update needs of them."""

    @property
    def averages(self) -> int:
        """Over how many processes backward averages gradients, which a global count must undo."""
        ...

    def gather_list(self, items: list[Any]) -> list[Any]:
        """Returns the records of all, in the order of their shares; every process gets them."""
        ...

    def forward(self, loss: Callable[[Any], LossTerm], rows: Any) -> LossTerm:
        """Returns the loss of the rows, made where the backward pass will be noticed."""
        ...

    def accumulating(self, *, last: bool) -> AbstractContextManager[Any]:
        """Returns the context of one micro-batch: gradients travel with the last one only."""
        ...

    def clip(self, parameters: list[Parameter], max_norm: float) -> float:
        """Scales the gradients to at most this norm over all parameters; returns the norm before."""
        ...

    def refresh(self, policy: Policy, drawer: Policy) -> None:
        """Gives the policy that draws the weights of the policy that trains, gathered once."""
        ...


@dataclass(frozen=True, slots=True)
class Alone:
    """One process: nothing to share, nobody to wait for."""

    @property
    def count(self) -> int:
        """One."""
        return 1

    @property
    def first(self) -> bool:
        """True: this one writes."""
        return True

    @property
    def averages(self) -> int:
        """One: the gradient is what backward makes."""
        return 1

    def share(self, total: int) -> range:
        """Returns all."""
        return range(total)

    def gather(self, rows: Shaped[Tensor, "N ..."]) -> Shaped[Tensor, "M ..."]:
        """Returns the rows."""
        return rows

    def gather_list(self, items: list[Any]) -> list[Any]:
        """Returns the items."""
        return items

    def add(self, value: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """Returns the value."""
        return value

    def wait(self) -> None:
        """Returns at once."""

    def forward(self, loss: Callable[[Any], LossTerm], rows: Any) -> LossTerm:
        """Returns the loss of the rows."""
        return loss(rows)

    def accumulating(self, *, last: bool) -> AbstractContextManager[Any]:  # noqa: ARG002 - as every team
        """Returns a context that does nothing."""
        return nullcontext()

    def clip(self, parameters: list[Parameter], max_norm: float) -> float:
        """Scales the gradients to at most this norm over all parameters; returns the norm before."""
        return torch.nn.utils.clip_grad_norm_(parameters, max_norm).item()

    def refresh(self, policy: Policy, drawer: Policy) -> None:
        """Does nothing: the policy that trains is the one that draws."""
