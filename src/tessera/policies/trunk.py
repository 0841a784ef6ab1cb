"""A language model of transformers over a static cache: prefix, some more tokens, or all of them at once.

The layers are those of transformers, called as they are: names, adapters and sharding stay theirs. What is
given to them is the input, its positions and its mask, and where keys and values go.

Rows begin at different slots of the text window, and a row gives what it would give alone: its first token
has position 0, and the blank slots before it are never attended. Columns that are blank in all rows are left
out; what becomes of the other blanks differs by task:

    extend, prefill   prompts end at the same slot, so every row writes the same slots; blanks are masked, and
                      rows that all begin at one slot need no mask for their prefix, nor for a single token
    states            rows are rolled to begin at the first column, so that all blanks lie behind the last
                      token, where a causal mask hides them: the fused kernels of a GPU take no other mask

Axes: B rows, L slots of the text window, S columns, P slots of the prefix, N tokens appended, T image tokens,
D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tessera.sampling.cache import NARROWEST, KeyValues, bucket_end
from tessera.tensors import TextBatch


@runtime_checkable  # so that tests check arguments at run time
class Trunk(Protocol):
    """What is used of a language model: LlamaModel, Emu3TextModel and others have it."""

    @property
    def layers(self) -> nn.ModuleList:
        """The decoder layers."""
        ...

    @property
    def norm(self) -> Any:
        """The norm after the last layer."""
        ...

    @property
    def rotary_emb(self) -> Any:
        """What turns queries and keys by their positions."""
        ...


def window(rows: Sequence[Sequence[int]], slots: int, padding: int) -> TextBatch:
    """Returns token ids at the right end of a text window of so many slots."""
    ids_BL = torch.full((len(rows), slots), padding)
    mask_BL = torch.zeros_like(ids_BL, dtype=torch.bool)
    for row, ids in enumerate(rows):
        ids_BL[row, slots - len(ids) :] = torch.tensor(ids)
        mask_BL[row, slots - len(ids) :] = True
    return TextBatch(ids=ids_BL, mask=mask_BL)


def blank_slots(text: TextBatch) -> Int[Tensor, " B"]:
    """Returns how many slots of the window lie before each row's text."""
    return text.mask.logical_not().sum(1)


@dataclass(frozen=True, slots=True)
class PaddedCache:
    """Keys and values of rows that begin at different slots."""

    store: KeyValues
    blank_B: Int[Tensor, " B"]  # slots before each row's first token
    # The fewest and the most of them, on the CPU whatever the rest is on: a step looks without waiting.
    bounds: Int[Tensor, "2"]

    @staticmethod
    def around(store: KeyValues) -> "PaddedCache":
        """Returns an empty cache that keeps its keys and values in this one."""
        keys, *_ = store.tensors
        blank_B = torch.zeros(keys.shape[1], dtype=torch.long, device=keys.device)
        return PaddedCache(store, blank_B, torch.zeros(2, dtype=torch.long))

    @property
    def length(self) -> int:
        """How many slots there are."""
        return self.store.length

    def fan_out(self, source: "PaddedCache", rows_B: Int[Tensor, " B"], length: int) -> None:
        """Copies the first `length` positions of the source's chosen rows, and where these begin."""
        self.store.fan_out(source.store, rows_B, length)
        self.begin(source.blank_B[rows_B])

    def seen(self, slot: int) -> tuple[int, int]:
        """Returns first and stop of what a step of fixed shape sees whose last token is in this slot."""
        low, _ = self.bounds.tolist()
        return low - low % NARROWEST, bucket_end(slot, self.length)

    def begin(self, blank_B: Int[Tensor, " B"]) -> None:
        """Notes how many slots stay blank before each row."""
        self.blank_B.copy_(blank_B)
        self.bounds.copy_(torch.stack(blank_B.aminmax()))


@dataclass(frozen=True, slots=True)
class _Written:
    """What a layer of transformers takes for its cache: slots to write, and those it then attends."""

    cache: PaddedCache
    start: int | Int[Tensor, " N"]
    first: int
    stop: int

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Writes; returns keys and values of the slots to attend."""
        store = self.cache.store
        store.write(layer, self.start, keys, values)
        if isinstance(self.start, int) and self.start == self.first:
            return keys, values  # nothing is older: exact ones, whatever the cache rounds
        return store.read(layer, self.first, self.stop)


def prefill(
    trunk: Trunk, x_BPD: Float[Tensor, "B P D"], blank_B: Int[Tensor, " B"], cache: PaddedCache
) -> Float[Tensor, "B D"]:
    """Fills the cache with the prefix; returns the state of its last slot."""
    cache.begin(blank_B)
    low, _ = cache.bounds.tolist()
    return _append(trunk, x_BPD[:, low:], low, cache)


def extend(
    trunk: Trunk, x_BND: Float[Tensor, "B N D"], slot: int, cache: PaddedCache
) -> Float[Tensor, "B D"]:
    """Writes more tokens, from this slot on; returns the state of the last. Nothing waits for a GPU."""
    return _append(trunk, x_BND, slot, cache)


def extend_fixed(
    trunk: Trunk,
    x_BND: Float[Tensor, "B N D"],
    slot: Int[Tensor, ""],
    cache: PaddedCache,
    seen: tuple[int, int],
) -> Float[Tensor, "B D"]:
    """Does what `extend` does, whatever the slot is within those seen; no shape depends on it.

    A mask hides what lies behind the slot.
    """
    width = x_BND.shape[1]
    column_N = torch.arange(width, device=x_BND.device) + slot
    mask = _shown(column_N, torch.arange(*seen, device=x_BND.device), cache)
    return _layers(trunk, x_BND, column_N, mask, _Written(cache, column_N, *seen))


def _append(trunk: Trunk, x_BND: Tensor, slot: int, cache: PaddedCache) -> Tensor:
    low, high = cache.bounds.tolist()
    stop = slot + x_BND.shape[1]
    column_N = torch.arange(slot, stop, device=x_BND.device)
    mask = None
    if low < high or low < slot < stop - 1:  # without a mask, several tokens are causal among themselves
        mask = _shown(column_N, torch.arange(low, stop, device=x_BND.device), cache)
    return _layers(trunk, x_BND, column_N, mask, _Written(cache, slot, low, stop))


def _shown(column_N: Tensor, column_S: Tensor, cache: PaddedCache) -> Tensor:
    """Returns which of the columns S each token attends."""
    shown_BNS = (column_S <= column_N[:, None]) & (column_S >= cache.blank_B[:, None, None])
    # A blank slot sees itself: one that saw nothing would be NaN, and NaN times 0 is NaN.
    return (shown_BNS | (column_S == column_N[:, None]))[:, None]


def _layers(trunk: Trunk, x_BND: Tensor, column_N: Tensor, mask: Tensor | None, written: _Written) -> Tensor:
    """Returns the state of the last token, which stands in the last of these columns."""
    turns = trunk.rotary_emb(x_BND, (column_N - written.cache.blank_B[:, None]).clamp(min=0))
    for layer in trunk.layers:
        x_BND = layer(x_BND, attention_mask=mask, position_embeddings=turns, past_key_values=written)
    return trunk.norm(x_BND[:, -1])


def states(
    trunk: Trunk,
    x_BSD: Float[Tensor, "B S D"],
    blank_B: Int[Tensor, " B"],
    wanted_T: Int[Tensor, " T"],
    *,
    recompute: bool,
) -> Float[Tensor, "B T D"]:
    """Returns the states of the wanted columns, each a function of those up to it."""
    low, high = torch.stack(blank_B.aminmax()).tolist()
    x_BSD, blank_B, wanted_T = x_BSD[:, low:], blank_B - low, wanted_T - low
    columns = x_BSD.shape[1]
    column_S = torch.arange(columns, device=x_BSD.device)
    if low < high:
        rolled_BS = (column_S + blank_B[:, None]) % columns
        x_BSD = x_BSD.take_along_dim(rolled_BS[..., None], dim=1)
    turns = trunk.rotary_emb(x_BSD, column_S[None])
    for layer in trunk.layers:
        if recompute:
            x_BSD = checkpoint(
                layer, x_BSD, position_embeddings=turns, use_reentrant=False, preserve_rng_state=False
            )
        else:
            x_BSD = layer(x_BSD, position_embeddings=turns)
    return trunk.norm(x_BSD.take_along_dim((wanted_T - blank_B[:, None])[..., None], dim=1))
