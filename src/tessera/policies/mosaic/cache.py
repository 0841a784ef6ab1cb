"""Keys and values of mosaic while it draws: a text's once for all rows of a group, a row's own codes by row.

A cache that was filled by `prefill` holds all of its rows' positions, as any static cache does. One that was
fanned out to many rows notes which of them share which text instead of copying it for each.

Axes: N layers, B rows in G groups of W, H heads, S positions, P of them the text's, F features, D = H F.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tessera.policies.mosaic.groups import group_width
from tessera.sampling.cache import StaticCache

# Rows, of both branches, from which sharing pays: keys and values of fewer are read fast from the processor's
# caches. All steps of a drawing took 64 rows 65 ms for attention instead of 95, 32 rows 32 instead of 31, and
# 16 rows 23 instead of 20 (8 rows of a text, one core, torch 2.13).
SHARED_FROM = 48


@dataclass(frozen=True, slots=True)
class SharedText:
    """What the groups of a cache have in common."""

    keys: Float[Tensor, "N G H P F"]
    values: Float[Tensor, "N G H P F"]


@dataclass(frozen=True, slots=True)
class GroupedCache(StaticCache):
    """A static cache whose rows may share texts: then slots of its own rows lie by group, head, row of it."""

    shared: list[SharedText] = field(default_factory=list)  # none, or the one that was fanned out

    def fan_out(self, source: Any, rows_B: Int[Tensor, " B"], length: int) -> None:
        """Notes the first `length` positions of the source's rows, once for each group."""
        # The fused kernel of a GPU wants all keys of a row in one place; few rows are read in no time.
        if self.keys.is_cuda or len(rows_B) < SHARED_FROM:
            self.shared.clear()
            StaticCache.fan_out(self, source, rows_B, length)
            return
        rows_G = rows_B[:: group_width(rows_B)]
        keys, values = (part[:, rows_G, :, :length] for part in (source.keys, source.values))
        self.shared[:] = [SharedText(keys, values)]

    def attend(self, layer: int, slot: int, qkv_B3HF: Float[Tensor, "B 3 H F"]) -> Float[Tensor, "B D"]:
        """Writes the key and the value of a slot; returns what its queries find up to there."""
        if self.shared:
            return self._attend_groups(layer, slot, qkv_B3HF)
        q, k, v = qkv_B3HF[:, :, :, None].unbind(1)
        keys, values = self.keys[layer], self.values[layer]
        keys[:, :, slot : slot + 1], values[:, :, slot : slot + 1] = k, v
        past_keys, past_values = keys[:, :, : slot + 1], values[:, :, : slot + 1]  # views, not copies
        if q.is_cuda:
            found = torch.nn.functional.scaled_dot_product_attention(q, past_keys, past_values)
        else:
            found = (q * q.shape[-1] ** -0.5 @ past_keys.mT).softmax(-1) @ past_values
        return found[:, :, 0].flatten(1)

    def _attend_groups(self, layer: int, slot: int, qkv_B3HF: Tensor) -> Tensor:
        text = self.shared[0]
        keys, values = text.keys[layer].flatten(0, 1), text.values[layer].flatten(0, 1)  # (G H) P F
        _, groups, heads, prefix, features = text.keys.shape
        by_group = (groups, heads, -1)
        own_keys = self.keys[layer].view(*by_group, *self.keys.shape[3:])
        own_values = self.values[layer].view_as(own_keys)
        q, k, v = qkv_B3HF.unflatten(0, (groups, -1)).permute(2, 0, 3, 1, 4)  # each G H W F
        own_keys[:, :, :, slot], own_values[:, :, :, slot] = k, v
        q = q.reshape(-1, 1, features) * features**-0.5
        own = slice(prefix, slot + 1)
        scores = [
            torch.bmm(q.view(groups * heads, -1, features), keys.mT).view(-1, 1, prefix),
            torch.bmm(q, own_keys.flatten(0, 2)[:, own].mT),
        ]
        p = torch.cat(scores, dim=-1).softmax(-1)
        found = torch.bmm(p.view(groups * heads, -1, slot + 1)[:, :, :prefix], values)
        found = found.view(-1, 1, features).baddbmm_(p[:, :, prefix:], own_values.flatten(0, 2)[:, own])
        return found.view(*by_group, features).transpose(1, 2).reshape(-1, heads * features)
