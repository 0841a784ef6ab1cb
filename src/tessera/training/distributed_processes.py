"""Several processes, as torchrun starts them: one team over a process group.

    torchrun --nproc-per-node 2 -m tessera train mosaic-grpo --out runs/two

A process that fails ends with its own error and leaves the group as it is: torchrun sees the exit code and
ends the others, which may be waiting for it. Should nobody do that, they give up after `TIMEOUT`.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.nn import Parameter

from tessera.devices import device_of
from tessera.errors import UserError
from tessera.policies.reference import frozen_copy
from tessera.protocols import Policy
from tessera.tensors import LossTerm
from tessera.training.distributed import Alone, PolicyT, Strategy, Team, share_of
from tessera.training.distributed_weights import Replicas, Shards, Weights, gathered

# The longest wait for another process: the first measures, films and writes while the others wait for it.
TIMEOUT = timedelta(minutes=30)

_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@contextmanager
def open_team() -> Iterator[Team]:
    """Yields the team that this process belongs to: one of several under torchrun, else alone."""
    told = [name for name in _TORCHRUN if name in os.environ]
    if not told:
        yield Alone(device_of(None))
        return
    if missing := [name for name in _TORCHRUN if name not in os.environ]:
        raise UserError(
            f"the environment has {told[0]} but not {missing[0]}: start several processes with torchrun, "
            f"which sets all of them, or one without {', '.join(told)}"
        )
    device = _device(int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"]))
    if device.type == "cuda":
        torch.cuda.set_device(device)
        distributed.init_process_group("nccl", timeout=TIMEOUT, device_id=device)
    else:
        distributed.init_process_group("gloo", timeout=TIMEOUT)
    yield Together(distributed.get_rank(), distributed.get_world_size(), device)
    # Not where something was raised: the others may be waiting in the group, and so would this.
    distributed.destroy_process_group()


def _device(local: int, here: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if here > torch.cuda.device_count():
        raise UserError(
            f"{here} processes on a machine with {torch.cuda.device_count()} GPUs: start one a GPU "
            "(--nproc-per-node), or train on the CPU with CUDA_VISIBLE_DEVICES="
        )
    return torch.device("cuda", local)


@dataclass(frozen=True, slots=True)
class Together:
    """One of several processes; `weights` is what they train, once that is known."""

    rank: int
    count: int
    device: torch.device
    weights: Weights | None = None

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    @property
    def averages(self) -> int:
        """All: both strategies divide the gradients by the number of processes."""
        return self.count

    def share(self, total: int) -> range:
        """Returns this process's piece."""
        return share_of(total, self.rank, self.count)

    def gather(self, rows: Shaped[Tensor, "N ..."]) -> Shaped[Tensor, "M ..."]:
        """Returns the rows of all; each has as many."""
        mine = rows.detach().to(self.device).contiguous()
        parts = [torch.empty_like(mine) for _ in range(self.count)]
        distributed.all_gather(parts, mine)
        return torch.cat(parts).to(rows.device)

    def add(self, value: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """Returns the sum over all processes."""
        total = value.detach().to(self.device, copy=True)
        distributed.all_reduce(total)
        return total.to(value.device)

    def wait(self) -> None:
        """Returns when all have come here."""
        distributed.barrier()

    def around(self, policy: PolicyT, units: Sequence[nn.Module], strategy: Strategy) -> tuple[Team, PolicyT]:
        """Returns the team that trains this policy, and the policy to draw with."""
        if strategy == "ddp":
            return replace(self, weights=Replicas.of(units)), policy
        drawer = frozen_copy(policy)  # before its weights are cut
        mesh = init_device_mesh(self.device.type, (self.count,))
        return replace(self, weights=Shards.of(units, mesh)), drawer

    def forward(self, loss: Callable[[Any], LossTerm], rows: Any) -> LossTerm:
        """Returns the loss of the rows."""
        return self._weights.forward(loss, rows)

    def accumulating(self, *, last: bool) -> AbstractContextManager[Any]:
        """Returns the context of one micro-batch."""
        return self._weights.accumulating(last=last)

    def clip(self, parameters: list[Parameter], max_norm: float) -> float:
        """Scales the gradients to at most this norm over all parameters; returns the norm before."""
        return gathered(torch.nn.utils.clip_grad_norm_(parameters, max_norm)).item()

    def refresh(self, policy: Policy, drawer: Policy) -> None:
        """Gives the policy that draws the weights of the policy that trains."""
        self._weights.refresh(policy, drawer)

    def save(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        """Writes the tensors into one safetensors file; every process must take part."""
        self._weights.save(tensors, path, first=self.first)

    def load(self, path: Path, into: Mapping[str, Tensor]) -> None:
        """Fills the tensors from a safetensors file; every process must take part."""
        self._weights.load(path, into)

    @property
    def _weights(self) -> Weights:
        if self.weights is None:
            raise ValueError("this team trains nothing yet: take the one that `around` returns")
        return self.weights
