"""How several processes hold the policy that trains: each a replica of it, or each a piece.

Both wrap one small module whose forward pass makes the loss: what torch does for several processes hangs on
forward and backward of a module, and a policy is called by other methods.

*Replicas* (DDP) average gradients after the last micro-batch. *Shards* (FSDP2) keep weights, gradients and
the optimizer's moments in pieces, and gather a unit of the policy only while it computes; gradients are
scattered after every micro-batch, as keeping them would take the memory that was saved. Drawing calls the
policy token by token, so each process also keeps a whole copy to draw with, without gradients or moments.

Pieces are saved by torch.distributed.checkpoint, but as safetensors: its own format is read by pickle.
Every process writes its pieces, and the first joins them into the one file that a single process would have
written, tensor by tensor. So no process ever holds all moments, and any number of processes reads the file.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint import (
    CheckpointException,
    HuggingFaceStorageReader,
    HuggingFaceStorageWriter,
    load,
    save,
)
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from tessera.protocols import Policy
from tessera.tensors import LossTerm
from tessera.training.distributed import read_tensors, write_tensors


@runtime_checkable  # so that tests check arguments at run time
class Weights(Protocol):
    """A policy that several processes train."""

    def forward(self, loss: Callable[[Any], LossTerm], rows: Any) -> LossTerm:
        """Returns the loss of the rows."""
        ...

    def accumulating(self, *, last: bool) -> AbstractContextManager[Any]:
        """Returns the context of one micro-batch."""
        ...

    def refresh(self, policy: Policy, drawer: Policy) -> None:
        """Gives the policy that draws the weights of the policy that trains."""
        ...

    def save(self, tensors: Mapping[str, Tensor], path: Path, *, first: bool) -> None:
        """Writes tensors that lie as the weights do into one safetensors file."""
        ...

    def load(self, path: Path, into: Mapping[str, Tensor]) -> None:
        """Fills tensors that lie as the weights do."""
        ...


class _Loss(nn.Module):
    """A forward pass that makes the loss, over the weights that it makes it with."""

    def __init__(self, weights: nn.Module) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, loss: Callable[[Any], LossTerm], rows: Any) -> LossTerm:
        return loss(rows)


@dataclass(frozen=True, slots=True)
class Replicas:
    """Every process has all weights; backward averages the gradients."""

    module: DistributedDataParallel

    @staticmethod
    def of(units: Sequence[nn.Module]) -> "Replicas":
        """Returns the replicas, begun as those of the first process."""
        # Gradients lie in the messages that carry them, not beside them: once, not twice.
        return Replicas(DistributedDataParallel(_Loss(units[-1]), gradient_as_bucket_view=True))

    def forward(self, loss: Callable[[Any], LossTerm], rows: Any) -> LossTerm:
        """Returns the loss of the rows."""
        return self.module(loss, rows)

    def accumulating(self, *, last: bool) -> AbstractContextManager[Any]:
        """Returns a context in which gradients stay here, but for the last micro-batch."""
        return nullcontext() if last else self.module.no_sync()

    def refresh(self, policy: Policy, drawer: Policy) -> None:
        """Does nothing: the policy that trains is the one that draws."""

    def save(self, tensors: Mapping[str, Tensor], path: Path, *, first: bool) -> None:
        """Writes the first process's tensors, which are those of all."""
        if first:
            write_tensors(tensors, path)

    def load(self, path: Path, into: Mapping[str, Tensor]) -> None:
        """Fills the tensors."""
        read_tensors(path, into)


@dataclass(frozen=True, slots=True)
class Shards:
    """Every process has a piece of each weight."""

    root: nn.Module

    @staticmethod
    def of(units: Sequence[nn.Module], mesh: DeviceMesh) -> "Shards":
        """Returns the shards; parameters are other objects from here on."""
        *layers, whole = units
        root = _Loss(whole)
        for module in (*layers, root):
            fully_shard(module, mesh=mesh)
        return Shards(root)

    def forward(self, loss: Callable[[Any], LossTerm], rows: Any) -> LossTerm:
        """Returns the loss of the rows."""
        return self.root(loss, rows)

    def accumulating(self, *, last: bool) -> AbstractContextManager[Any]:  # noqa: ARG002 - as replicas
        """Returns a context that does nothing: each piece of a gradient adds up where it belongs."""
        return nullcontext()

    @torch.no_grad()
    def refresh(self, policy: Policy, drawer: Policy) -> None:
        """Gathers the weights of the policy that trains, one at a time, into the one that draws."""
        for (_, piece), (_, whole) in zip(policy.trainable(), drawer.trainable(), strict=True):
            whole.copy_(gathered(piece))

    def save(self, tensors: Mapping[str, Tensor], path: Path, *, first: bool) -> None:
        """Writes the pieces of all processes, joined."""
        work = path.with_suffix("")  # a folder beside the file
        writer = HuggingFaceStorageWriter(str(work), save_distributed=True, enable_consolidation=True)
        try:
            save(dict(tensors), storage_writer=writer)
        except CheckpointException as error:  # no Exception, and its message is a traceback of each process
            raise OSError("; ".join(str(each) for each, _ in error.failures.values())) from error
        if first:
            (joined,) = work.glob("*.safetensors")
            joined.rename(path)
            shutil.rmtree(work)

    def load(self, path: Path, into: Mapping[str, Tensor]) -> None:
        """Reads this process's pieces, and no others, from the file."""
        # The reader looks at every safetensors file of the folder; a name stands in one of them only.
        load(dict(into), storage_reader=HuggingFaceStorageReader(str(path.parent)))


def gathered(tensor: Tensor) -> Tensor:
    """Returns the whole of a tensor that may lie in pieces; every process must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
