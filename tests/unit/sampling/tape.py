"""A CUDA graph's rules on a CPU: operations are noted once, with the memory they work on, and done again.

On replay no line of Python runs but a loop over the notes, so that whatever was a Python number when they
were made stays that number, and whatever lay in a tensor is read from its memory anew. What would make a GPU
wait for the host, or copy from its memory, is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
# Sizes or values that the host must know, and tensors made of its numbers.
WAITS = (
    aten._local_scalar_dense,
    aten.nonzero,
    aten.masked_select,
    aten.repeat_interleave,
    aten._unique2,
    aten.unique_dim,
    aten.unique_consecutive,
    aten.equal,
    aten.lift_fresh,
)


class WaitedError(AssertionError):
    """An operation that a GPU cannot do without the host."""


def refuse_waiting(func: Any, args: Sequence[Any]) -> None:
    """Raises `WaitedError` if this operation would make a GPU wait."""
    chosen = tree_leaves(args[1:]) if func.overloadpacket in (aten.index, aten.index_put_) else []
    by_mask = any(isinstance(each, Tensor) and each.dtype == torch.bool for each in chosen)
    if func.overloadpacket in WAITS or by_mask:
        raise WaitedError(f"{func} makes a GPU wait for the host")


class NoWaiting(TorchDispatchMode):
    """While it is on, nothing may make a GPU wait."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        refuse_waiting(func, args)
        return func(*args, **(kwargs or {}))


class _Notes(TorchDispatchMode):
    """Does every operation and notes it."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[Any, Sequence[Any], Mapping[str, Any], Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        refuse_waiting(func, args)
        made = func(*args, **(kwargs or {}))
        self.notes.append((func, args, kwargs or {}, made))
        return made

    @torch.no_grad()
    def replay(self) -> None:
        """Does all of it again, into the same memory."""
        for func, args, kwargs, before in self.notes:
            again = tree_leaves(func(*args, **kwargs))
            for old, new in zip(tree_leaves(before), again, strict=True):
                # A view, or what was written in place, is already where it belongs.
                if isinstance(old, Tensor) and old.untyped_storage() is not new.untyped_storage():
                    old.copy_(new)


class Tape:
    """A `Recorder` of such notes."""

    def __init__(self) -> None:
        self.recorded = 0
        self.replayed = 0

    def record(self, work: Callable[[], object]) -> Callable[[], None]:
        """Does the work once; returns what does the same again."""
        self.recorded += 1
        notes = _Notes()
        with notes:
            work()

        def replay() -> None:
            self.replayed += 1
            notes.replay()

        return replay
