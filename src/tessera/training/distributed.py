"""Processes that train together: who they are, what each does, how their gradients become one.

Everything else asks a `Team`: for its share of the work, for what the others have, and for a backward pass
whose gradient is that of all rows on all processes. Here is the team of one. Only the modules whose names
begin like this one's know of ranks: `distributed_processes` has the team of several, `distributed_weights`
how they hold a policy.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Shaped
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import Parameter

from tessera.algorithms.base import Peers
from tessera.protocols import Policy
from tessera.tensors import LossTerm

# How processes hold the weights. ddp: each has all, and its own optimizer of all; fsdp: each has a piece.
Strategy = Literal["ddp", "fsdp"]

PolicyT = TypeVar("PolicyT", bound=Policy)


@runtime_checkable  # so that tests check arguments at run time
class Team(Peers, Protocol):
    """The peers, with what an update needs of them."""

    @property
    def averages(self) -> int:
        """Over how many processes backward averages gradients, which a global count must undo."""
        ...

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        ...

    def around(
        self, policy: PolicyT, units: Sequence[nn.Module], strategy: Strategy
    ) -> "tuple[Team, PolicyT]":
        """Returns the team that trains this policy, and the policy to draw with: whole, here, as it is now.

        `units` are its modules whose weights are gathered together: its layers, then what holds them all.
        From then on the parameters of the policy may be pieces, and only the loss may call it.
        """
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

    def save(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        """Writes one safetensors file of tensors that lie as the policy's weights do."""
        ...

    def load(self, path: Path, into: Mapping[str, Tensor]) -> None:
        """Fills tensors that lie as the policy's weights do from such a file, whoever wrote it."""
        ...


CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Alone:
    """One process: nothing to share, nobody to wait for."""

    device: torch.device = CPU  # where it computes

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

    def add(self, value: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """Returns the value."""
        return value

    def wait(self) -> None:
        """Returns at once."""

    def around(
        self,
        policy: PolicyT,
        units: Sequence[nn.Module],  # noqa: ARG002 - as every team
        strategy: Strategy,  # noqa: ARG002
    ) -> tuple[Team, PolicyT]:
        """Returns itself, and the policy that trains: it is whole."""
        return self, policy

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

    def save(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        """Writes the tensors into a safetensors file."""
        write_tensors(tensors, path)

    def load(self, path: Path, into: Mapping[str, Tensor]) -> None:
        """Fills the tensors from a safetensors file."""
        read_tensors(path, into)


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Writes whole tensors into a safetensors file."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)


@torch.no_grad()
def read_tensors(path: Path, into: Mapping[str, Tensor]) -> None:
    """Fills whole tensors from a safetensors file, one at a time."""
    with safe_open(path, framework="pt") as file:
        for name, tensor in into.items():
            tensor.copy_(file.get_tensor(name))


def share_of(total: int, number: int, count: int) -> range:
    """Returns piece `number` of `count` of so many things: pieces differ in length by one at most."""
    return range(total * number // count, total * (number + 1) // count)
