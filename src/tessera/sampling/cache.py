"""A key-value cache of fixed size: allocated once per batch, written in place, never grown.

    full   keys and values in the dtype of the weights, read in place
    int8   in 8 bits, with a scale for each row, head and slot: about half the memory of bfloat16

What int8 costs: attention takes no such keys, so each layer's keys and values are made in the dtype of the
weights anew at every step, for all slots that it attends. A step is slower for it; what is bought is memory,
that is, pictures in flight. And a picture is drawn with rounded keys and values, while its tokens are
replayed with exact ones: how far the two log-probabilities are apart is `sample_replay_gap`, above whose
bound a run stops. (It is measured where the view that draws is the one that trains; GRPO under
logp_view=conditional takes no log-probabilities as drawn.) `python -m tests.performance.int8_cache` measures
all of it.

A scale is a head's largest feature by 127; 0 stays 0, and an error is half of a scale at most. It depends on
nothing but its slot, so a row is what it would be alone. Scales have the dtype of the weights: what is
rounded was divided by the scale as it is kept, so that one of 16 bits loses nothing.

Axes: N layers, B rows, H heads, S slots, D features of a head, K tokens written at once.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int8
from torch import Tensor

from tessera.types import CacheForm

# Slots of a bucket at least, and how many buckets of one width follow one another: a step that sees its whole
# bucket reads at most a quarter too much, and a picture has few buckets.
NARROWEST = 64
OF_ONE_WIDTH = 4
LEVELS = 127  # of 8 bits on either side of 0


@runtime_checkable  # so that tests check arguments at run time
class KeyValues(Protocol):
    """Keys and values of every layer, in slots. What is read has the dtype of the weights."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that is kept; the first axes of each are layer, row, head and slot."""
        ...

    def of(self, tensors: Sequence[Tensor]) -> "KeyValues":
        """Returns a cache that keeps these instead, in the same order."""
        ...

    @property
    def length(self) -> int:
        """How many slots there are."""
        ...

    def write(
        self,
        layer: int,
        start: int | Int[Tensor, " K"],
        keys: Float[Tensor, "B H K D"],
        values: Float[Tensor, "B H K D"],
    ) -> None:
        """Writes tokens into the slots from `start` on, or into those that a tensor names."""
        ...

    def read(
        self, layer: int, first: int, stop: int
    ) -> tuple[Float[Tensor, "B H K D"], Float[Tensor, "B H K D"]]:
        """Returns keys and values of these slots."""
        ...

    def fill_keys(self, chosen_BK: Bool[Tensor, "B K"], value: float) -> None:
        """Makes the chosen keys of the first K slots this value in all features, as it is, in all layers."""
        ...

    def fan_out(self, source: Any, rows_B: Int[Tensor, " B"], length: int) -> None:
        """Copies the first `length` positions of the source's chosen rows into this cache's rows."""
        ...


@dataclass(frozen=True, slots=True)
class StaticCache:
    """Keys and values as they are: axes layer, row, head, slot, feature."""

    keys: Float[Tensor, "N B H S D"]
    values: Float[Tensor, "N B H S D"]

    @staticmethod
    def empty(
        *,
        layers: int,
        rows: int,
        heads: int,
        length: int,
        features: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> "StaticCache":
        """Returns a cache with room for `length` positions.

        Nothing attends to a position before it is written. It is 0 all the same: a mask makes its weight 0,
        and 0 times what memory happens to hold may be NaN.
        """
        shape = (layers, rows, heads, length, features)
        return StaticCache(_zeros(shape, dtype, device), _zeros(shape, dtype, device))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Keys, values."""
        return self.keys, self.values

    def of(self, tensors: Sequence[Tensor]) -> "StaticCache":
        """Returns a cache that keeps these instead."""
        keys, values = tensors
        return replace(self, keys=keys, values=values)

    @property
    def length(self) -> int:
        """How many slots there are."""
        return self.keys.shape[3]

    def write(
        self,
        layer: int,
        start: int | Int[Tensor, " K"],
        keys: Float[Tensor, "B H K D"],
        values: Float[Tensor, "B H K D"],
    ) -> None:
        """Writes tokens into the slots from `start` on, or into those that a tensor names."""
        _put(self.keys[layer], start, keys)
        _put(self.values[layer], start, values)

    def read(
        self, layer: int, first: int, stop: int
    ) -> tuple[Float[Tensor, "B H K D"], Float[Tensor, "B H K D"]]:
        """Returns keys and values of these slots, as views."""
        return self.keys[layer, :, :, first:stop], self.values[layer, :, :, first:stop]

    def fill_keys(self, chosen_BK: Bool[Tensor, "B K"], value: float) -> None:
        """Makes the chosen keys of the first K slots this value in all features."""
        _fill(self.keys, chosen_BK, value)

    def fan_out(self, source: "StaticCache", rows_B: Int[Tensor, " B"], length: int) -> None:
        """Copies the first `length` positions of the source's chosen rows into this cache's rows."""
        _copy_rows(self, source, rows_B, length)


@dataclass(frozen=True, slots=True)
class Int8Cache:
    """Keys and values in 8 bits, and what they are multiplied by; axes as of a static cache."""

    keys: Int8[Tensor, "N B H S D"]
    values: Int8[Tensor, "N B H S D"]
    key_scales: Float[Tensor, "N B H S 1"]
    value_scales: Float[Tensor, "N B H S 1"]

    @staticmethod
    def empty(
        *,
        layers: int,
        rows: int,
        heads: int,
        length: int,
        features: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> "Int8Cache":
        """Returns a cache with room for `length` positions, of which 0 is read until they are written.

        `dtype`: of what is written and read.
        """

        def zeros(kind: torch.dtype, width: int) -> Tensor:
            return torch.zeros((layers, rows, heads, length, width), dtype=kind, device=device)

        return Int8Cache(
            keys=zeros(torch.int8, features),
            values=zeros(torch.int8, features),
            key_scales=zeros(dtype, 1),
            value_scales=zeros(dtype, 1),
        )

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Keys, values, then the scales of either."""
        return self.keys, self.values, self.key_scales, self.value_scales

    def of(self, tensors: Sequence[Tensor]) -> "Int8Cache":
        """Returns a cache that keeps these instead."""
        keys, values, key_scales, value_scales = tensors
        return Int8Cache(keys, values, key_scales, value_scales)

    @property
    def length(self) -> int:
        """How many slots there are."""
        return self.keys.shape[3]

    def write(
        self,
        layer: int,
        start: int | Int[Tensor, " K"],
        keys: Float[Tensor, "B H K D"],
        values: Float[Tensor, "B H K D"],
    ) -> None:
        """Writes tokens, rounded, into the slots from `start` on, or into those that a tensor names."""
        for store, scales, new in (
            (self.keys[layer], self.key_scales[layer], keys),
            (self.values[layer], self.value_scales[layer], values),
        ):
            rounded, scale = quantised(new, scales.dtype)
            _put(store, start, rounded)
            _put(scales, start, scale)

    def read(
        self, layer: int, first: int, stop: int
    ) -> tuple[Float[Tensor, "B H K D"], Float[Tensor, "B H K D"]]:
        """Returns keys and values of these slots, made anew."""
        slots = (layer, slice(None), slice(None), slice(first, stop))
        keys = _times(self.keys[slots], self.key_scales[slots])
        return keys, _times(self.values[slots], self.value_scales[slots])

    def fill_keys(self, chosen_BK: Bool[Tensor, "B K"], value: float) -> None:
        """Makes the chosen keys of the first K slots this value in all features: 1 times a scale of it."""
        _fill(self.keys, chosen_BK, 1.0)
        _fill(self.key_scales, chosen_BK, value)

    def fan_out(self, source: "Int8Cache", rows_B: Int[Tensor, " B"], length: int) -> None:
        """Copies the first `length` positions of the source's chosen rows into this cache's rows."""
        _copy_rows(self, source, rows_B, length)


CACHES: Mapping[CacheForm, type[StaticCache] | type[Int8Cache]] = {"full": StaticCache, "int8": Int8Cache}


def quantised(
    x: Float[Tensor, "*N D"], dtype: torch.dtype
) -> tuple[Int8[Tensor, "*N D"], Float[Tensor, "*N 1"]]:
    """Returns whole numbers up to 127, and the scales of this dtype that they are to be multiplied by.

    Nothing has to be cut off: a scale that is rounded down makes the largest number 127.25 in bfloat16.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    # Not 0, by which nothing can be divided: the smallest number is too small to matter.
    scale = (wide.abs().amax(-1, keepdim=True) / LEVELS).to(dtype).clamp(min=torch.finfo(dtype).tiny)
    return (wide / scale).round().to(torch.int8), scale


def _zeros(shape: Sequence[int], dtype: torch.dtype, device: torch.device | None) -> Tensor:
    """Returns a tensor of zeros."""
    if 0 in shape or (device is not None and device.type != "cpu"):
        return torch.zeros(shape, dtype=dtype, device=device)
    # Numpy asks for pages that are zero already, and for large ones; torch writes zeros over small ones, for
    # 7 % of the time that 64 pictures of mosaic take.
    store = np.zeros(math.prod(shape) * dtype.itemsize, dtype=np.uint8)
    return torch.from_numpy(store).view(dtype).view(shape)


def _times(whole: Tensor, scales: Tensor) -> Tensor:
    """Returns the product, in the dtype of the scales."""
    # A CPU makes the product of two dtypes by way of another tensor: a step of 8 pictures of a small Janus
    # took 21 ms so, and 12 as it stands here.
    return whole.to(scales.dtype).mul_(scales)


def _put(store: Tensor, start: int | Tensor, new: Tensor) -> None:
    if isinstance(start, int):
        store[:, :, start : start + new.shape[2]] = new
    else:
        store.index_copy_(2, start, new.to(store.dtype))


def _fill(store: Tensor, chosen_BK: Tensor, value: float) -> None:
    store[:, :, :, : chosen_BK.shape[1]].masked_fill_(chosen_BK[None, :, None, :, None], value)


def _copy_rows(cache: KeyValues, source: KeyValues, rows_B: Tensor, length: int) -> None:
    for store, other in zip(cache.tensors, source.tensors, strict=True):
        store[:, :, :, :length] = other[:, rows_B, :, :length]


def bucket_end(slot: int, length: int) -> int:
    """Returns where the bucket of a slot ends, in a cache of this length: buckets widen as slots go on."""
    width = NARROWEST
    while width * 2 * OF_ONE_WIDTH <= slot:
        width *= 2
    return min(length, (slot // width + 1) * width)
