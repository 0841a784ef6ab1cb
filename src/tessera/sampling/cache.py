"""A key-value cache of fixed size: allocated once per batch, written in place, never grown."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True)
class StaticCache:
    """Keys and values of every layer: axes layer, row, head, position, feature."""

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
        """Returns a cache with room for `length` positions. Nothing reads a position before it is written."""
        shape = (layers, rows, heads, length, features)
        return StaticCache(
            torch.empty(shape, dtype=dtype, device=device), torch.empty(shape, dtype=dtype, device=device)
        )

    def fan_out(self, source: "StaticCache", rows_B: Int[Tensor, " B"], length: int) -> None:
        """Copies the first `length` positions of the source's chosen rows into this cache's rows."""
        self.keys[:, :, :, :length] = source.keys[:, rows_B, :, :length]
        self.values[:, :, :, :length] = source.values[:, rows_B, :, :length]
