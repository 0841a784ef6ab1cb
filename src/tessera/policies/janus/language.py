"""The language model of Janus over a static cache: prefix, one more code, or all codes at once.

The layers are those of transformers, called as they are: names, adapters and sharding stay theirs. What is
given to them is the input, its positions and its mask, and where keys and values go.

Rows begin at different slots of the text window, and a row gives what it would give alone: its first token
has position 0, and the blank slots before it are never attended. Columns that are blank in all rows are left
out; what becomes of the other blanks differs by task:

    step, prefill   prompts end at the same slot, so every row writes the same slot; blanks are masked, and
                    rows that all begin at one slot need no mask
    features        rows are rolled to begin at the first column, so that all blanks lie behind the last
                    token, where a causal mask hides them: the fused kernels of a GPU take no other mask

Axes: B rows, S columns, P slots of the prefix, T image tokens, D width.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import LlamaModel

from tessera.sampling.cache import StaticCache


@dataclass(frozen=True, slots=True)
class JanusCache(StaticCache):
    """Keys and values of rows that begin at different slots."""

    blank_B: Int[Tensor, " B"]  # slots before each row's first token
    # The fewest and the most of them, on the CPU whatever the rest is on: a step looks without waiting.
    bounds: Int[Tensor, "2"]

    @staticmethod
    def around(store: StaticCache) -> "JanusCache":
        """Returns an empty cache that keeps its keys and values in this one."""
        blank_B = torch.zeros(store.keys.shape[1], dtype=torch.long, device=store.keys.device)
        return JanusCache(store.keys, store.values, blank_B, torch.zeros(2, dtype=torch.long))

    def fan_out(self, source: Any, rows_B: Int[Tensor, " B"], length: int) -> None:
        """Copies the first `length` positions of the source's chosen rows, and where these begin."""
        StaticCache.fan_out(self, source, rows_B, length)
        self.begin(source.blank_B[rows_B])

    def begin(self, blank_B: Int[Tensor, " B"]) -> None:
        """Notes how many slots stay blank before each row."""
        self.blank_B.copy_(blank_B)
        self.bounds.copy_(torch.stack(blank_B.aminmax()))


@dataclass(frozen=True, slots=True)
class _Written:
    """What a layer of transformers takes for its cache: slots to write, and those it then attends."""

    cache: JanusCache
    first: int
    start: int
    stop: int

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Writes; returns keys and values of all slots from the first to the last written, as views."""
        all_keys, all_values = self.cache.keys[layer], self.cache.values[layer]
        all_keys[:, :, self.start : self.stop] = keys
        all_values[:, :, self.start : self.stop] = values
        return all_keys[:, :, self.first : self.stop], all_values[:, :, self.first : self.stop]


def prefill(
    language: LlamaModel, x_BPD: Float[Tensor, "B P D"], blank_B: Int[Tensor, " B"], cache: JanusCache
) -> Float[Tensor, "B D"]:
    """Fills the cache with the prefix; returns the state of its last slot."""
    cache.begin(blank_B)
    low, high = cache.bounds.tolist()
    slots = x_BPD.shape[1]
    column_P = torch.arange(low, slots, device=x_BPD.device)
    place_BP = column_P - blank_B[:, None]
    mask = None
    if low < high:
        # A blank slot sees itself: one that saw nothing would be NaN, and NaN times 0 is NaN.
        shown_BPP = (place_BP >= 0)[:, None] | torch.eye(len(column_P), dtype=torch.bool, device=x_BPD.device)
        mask = (shown_BPP & (column_P[:, None] >= column_P))[:, None]
    written = _Written(cache, low, low, slots)
    x_BPD = x_BPD[:, low:]
    turns = language.rotary_emb(x_BPD, place_BP.clamp(min=0))
    for layer in language.layers:
        x_BPD = layer(x_BPD, attention_mask=mask, position_embeddings=turns, past_key_values=written)
    return language.norm(x_BPD[:, -1])


def step(
    language: LlamaModel, x_BD: Float[Tensor, "B D"], slot: int, cache: JanusCache
) -> Float[Tensor, "B D"]:
    """Writes one more token into a slot; returns its state. Nothing here waits for a GPU."""
    low, high = cache.bounds.tolist()
    mask = None
    if low < high:
        column_S = torch.arange(low, slot + 1, device=x_BD.device)
        mask = (column_S >= cache.blank_B[:, None])[:, None, None]
    written = _Written(cache, low, slot, slot + 1)
    x_B1D = x_BD[:, None]
    turns = language.rotary_emb(x_B1D, (slot - cache.blank_B)[:, None])
    for layer in language.layers:
        x_B1D = layer(x_B1D, attention_mask=mask, position_embeddings=turns, past_key_values=written)
    return language.norm(x_B1D[:, 0])


def states(
    language: LlamaModel,
    x_BSD: Float[Tensor, "B S D"],
    blank_B: Int[Tensor, " B"],
    tokens: int,
    *,
    recompute: bool,
) -> Float[Tensor, "B T D"]:
    """Returns the states of the last `tokens` columns, each a function of those up to it."""
    low, high = torch.stack(blank_B.aminmax()).tolist()
    x_BSD, blank_B = x_BSD[:, low:], blank_B - low
    columns = x_BSD.shape[1]
    column_S = torch.arange(columns, device=x_BSD.device)
    if low < high:
        rolled_BS = (column_S + blank_B[:, None]) % columns
        x_BSD = x_BSD.take_along_dim(rolled_BS[..., None], dim=1)
    turns = language.rotary_emb(x_BSD, column_S[None])
    for layer in language.layers:
        if recompute:
            x_BSD = checkpoint(
                layer, x_BSD, position_embeddings=turns, use_reentrant=False, preserve_rng_state=False
            )
        else:
            x_BSD = layer(x_BSD, position_embeddings=turns)
    if low < high:
        wanted_BT = column_S[columns - tokens :] - blank_B[:, None]
        x_BSD = x_BSD.take_along_dim(wanted_BT[..., None], dim=1)
    return language.norm(x_BSD[:, -tokens:])
