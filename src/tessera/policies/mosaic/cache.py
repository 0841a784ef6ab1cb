"""Keys and values of mosaic while it draws: on a CPU in a window that widens as the picture grows.

Products of a CPU are faster where the keys of all rows lie in one piece, as a part of a cache of the whole
picture does not. So a window has a few slots more than are filled; a mask hides what is not there yet.

A cache that was filled by `prefill`, and one on a GPU, is a static cache like any other.

Axes: N layers, R rows, H heads, S slots, W of them in the window, F features, D = H F.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tessera.sampling.cache import StaticCache

# Slots by which a window widens: it is copied so often, and so many at most are read for nothing.
WIDER_BY = 16


@dataclass(frozen=True, slots=True)
class Window:
    """The first slots of all rows."""

    keys: Float[Tensor, "N R H W F"]
    values: Float[Tensor, "N R H W F"]
    hidden: Float[Tensor, " 2*W"]  # -inf from the middle on: what is added to scores of slots to come

    @property
    def width(self) -> int:
        """How many slots it has."""
        return self.keys.shape[3]


@dataclass(frozen=True, slots=True)
class MosaicCache(StaticCache):
    """A static cache that, on a CPU, is drawn with through a window over its memory."""

    window: list[Window] = field(default_factory=list)  # none, or the one that it has now

    def fan_out(self, source: Any, rows_B: Int[Tensor, " B"], length: int) -> None:
        """Copies the first `length` positions of the source's chosen rows into this cache's rows."""
        if self.keys.is_cuda:  # its fused kernel reads the cache where it lies
            StaticCache.fan_out(self, source, rows_B, length)
            return
        made = self._window(length)
        for layer in range(len(self.keys)):
            made.keys[layer, ..., :length, :] = source.keys[layer, rows_B, :, :length]
            made.values[layer, ..., :length, :] = source.values[layer, rows_B, :, :length]
        self.window[:] = [made]

    def attend(self, layer: int, slot: int, qkv_R3HF: Float[Tensor, "R 3 H F"]) -> Float[Tensor, "R D"]:
        """Writes the key and the value of a slot; returns what its queries find up to there."""
        if self.window:
            return self._attend_window(layer, slot, qkv_R3HF)
        q, k, v = qkv_R3HF[:, :, :, None].unbind(1)
        keys, values = self.keys[layer], self.values[layer]
        keys[:, :, slot : slot + 1], values[:, :, slot : slot + 1] = k, v
        past_keys, past_values = keys[:, :, : slot + 1], values[:, :, : slot + 1]  # views, not copies
        if q.is_cuda:
            found = torch.nn.functional.scaled_dot_product_attention(q, past_keys, past_values)
        else:
            found = (q * q.shape[-1] ** -0.5 @ past_keys.mT).softmax(-1) @ past_values
        return found[:, :, 0].flatten(1)

    def _attend_window(self, layer: int, slot: int, qkv_R3HF: Tensor) -> Tensor:
        if slot >= self.window[0].width:
            self._widen(slot)
        window = self.window[0]
        keys, values = window.keys[layer], window.values[layer]
        q, k, v = qkv_R3HF.unbind(1)
        keys[:, :, slot], values[:, :, slot] = k, v
        q = (q * q.shape[-1] ** -0.5).view(-1, 1, q.shape[-1])
        scores = torch.bmm(q, keys.flatten(0, 1).mT)
        first = window.width - slot - 1
        p = scores.add_(window.hidden[first : first + window.width]).softmax(-1)
        return torch.bmm(p, values.flatten(0, 1)).view(len(qkv_R3HF), -1)

    def _window(self, slots: int) -> Window:
        """Returns a window with room for more than so many slots, over the memory of this cache."""
        layers, rows, heads, length, features = self.keys.shape
        width = min(length, (slots // WIDER_BY + 1) * WIDER_BY)
        shape = (layers, rows, heads, width, features)
        hidden = torch.cat([self.keys.new_zeros(width), self.keys.new_full((width,), -torch.inf)])
        keys, values = (each.view(-1)[: math.prod(shape)].view(shape) for each in (self.keys, self.values))
        return Window(keys, values, hidden)

    def _widen(self, filled: int) -> None:
        """Moves what the first slots hold to where a wider window has it."""
        old, new = self.window[0], self._window(filled)
        # The last layer first: each goes to places that only it and those before it were in.
        for layer in reversed(range(len(self.keys))):
            new.keys[layer, ..., :filled, :] = old.keys[layer].clone()
            new.values[layer, ..., :filled, :] = old.values[layer].clone()
        self.window[:] = [new]
