"""Counts the bytes of the tensors that live, exactly, on any device, `meta` too, where nothing is computed.

Every operation passes here on its way to a kernel. Whatever storage it returns is counted until nobody holds
it: views and work in place cost nothing, and what autograd keeps counts as long as autograd keeps it. Scratch
space inside a kernel is not seen, nor are holes in the heap.
"""

import gc
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

T = TypeVar("T")


class Accountant(TorchDispatchMode):
    """While it is at work: `live` bytes now, and the most there ever were."""

    def __init__(self, held: Iterable[Tensor] = ()) -> None:
        """`held` are tensors that lived before."""
        super().__init__()
        self.live = self.peak = 0
        self._seen: dict[int, Any] = {}
        for tensor in held:
            self._count(tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Does the operation and counts what is new."""
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self._seen:
            self._seen[key] = weakref.ref(storage, partial(self._gone, key, size))
            self.live += size
            self.peak = max(self.peak, self.live)

    def _gone(self, key: int, size: int, reference: Any) -> None:  # noqa: ARG002 - as weakref calls it
        del self._seen[key]
        self.live -= size


def peak_of(work: Callable[[], T], held: Iterable[Tensor] = ()) -> tuple[int, T]:
    """Returns the most bytes that lived during the work, those held before included, and its result."""
    gc.collect()  # what died in a circle must not be freed in between, and counted as ours
    with Accountant(held) as account:
        result = work()
    return account.peak, result
