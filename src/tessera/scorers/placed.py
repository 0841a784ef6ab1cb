"""Models of scorers on their device: loaded when first used, shared by all who ask for the same, let go.

A study's judges may be larger than what is left of a GPU. `rest` says where weights wait between two calls:
on their device, in the memory of the host, or nowhere, to be read again.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Literal, TypeVar
from weakref import WeakValueDictionary

import torch
from torch.nn import Module

from tessera.config import config
from tessera.devices import device_of
from tessera.errors import UserError

Rest = Literal["device", "host", "disk"]
DTypeName = Literal["float32", "bfloat16", "float16"]
ModelT = TypeVar("ModelT", bound=Module)

HELD: "WeakValueDictionary[Hashable, Held[Any]]" = WeakValueDictionary()


@config
class Placement:
    """Where and how a scorer computes. Scores of another dtype are those of another instrument."""

    device: str | None = None  # unset: the GPU if there is one
    dtype: DTypeName = "float32"  # of the trunk; heads are float32
    batch_size: int = 16  # pictures at once; changes speed and memory
    rest: Rest = "device"

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UserError(f"batch_size must be 1 or more, got {self.batch_size}")

    def torch_device(self) -> torch.device:
        """Returns the device; raises a `UserError` if this machine has no such one."""
        return device_of(self.device)

    def torch_dtype(self) -> torch.dtype:
        """Returns the dtype of the trunk."""
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[self.dtype]


class Held(Generic[ModelT]):
    """One model: loaded once, however many scorers use it."""

    def __init__(self, load: Callable[[], ModelT], place: Placement) -> None:
        self._load, self._place = load, place
        self._model: ModelT | None = None

    @property
    def loaded(self) -> bool:
        """Whether its weights are in memory."""
        return self._model is not None

    @contextmanager
    def at_work(self) -> Iterator[ModelT]:
        """Gives the model on its device, without gradients; afterwards it goes where it rests."""
        device = self._place.torch_device()
        if self._model is None:
            # Building a model draws from torch's generator; a run must not depend on when a judge is read.
            with torch.random.fork_rng(devices=[]):
                self._model = self._load().eval().requires_grad_(False)
        self._model.to(device)
        try:
            with torch.inference_mode():
                yield self._model
        finally:
            match self._place.rest:
                case "host":
                    self._model.to("cpu")
                case "disk":
                    self.release()
                case "device":
                    pass

    def release(self) -> None:
        """Lets the weights go; the next use reads them again."""
        self._model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def held(key: Hashable, load: Callable[[], ModelT], place: Placement) -> "Held[ModelT]":
    """Returns the holder of the model that `key` names (class, folder, settings), at this placement.

    Scorers that name the same model at the same place share it: one tower serves several heads.
    """
    whole = (key, place.device, place.dtype, place.rest)
    there: Held[ModelT] | None = HELD.get(whole)
    if there is None:
        there = Held(load, place)
        HELD[whole] = there
    return there
