"""Where a run's prompts come from: an endless world, or prompts that are there, gone through epoch by epoch.

A run asks for the prompt at a position of its stream. That is a function of (seed, position) alone, so a run
that goes on needs to know nothing but its step.

A finite stream gives each of its prompts once per epoch, in an order drawn anew for each. Categories are
spread evenly: of the first n of N prompts, a category of M has n·M/N, give or take the number of categories.
So the first n are a balanced sample, whatever n.
"""

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

from tessera.rng import derive_seed
from tessera.types import Prompt
from tessera.world.prompts import PromptSource, prompt_at


@runtime_checkable  # so that tests check arguments at run time
class PromptStream(Protocol):
    """The training prompts of a run."""

    @property
    def name(self) -> str:
        """As `sources.load_source` reads it."""
        ...

    @property
    def categories(self) -> tuple[str, ...]:
        """Those that its prompts are of."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What to print beside every result: files that were changed, prompts that were left out."""
        ...

    def prompts(self) -> list[Prompt] | None:
        """Returns all of them, in the order of their source; None where they have no end."""
        ...

    def at(self, seed: int, position: int) -> Prompt:
        """Returns the prompt at a position of the stream."""
        ...

    def digest(self) -> str:
        """Returns a hash of what it gives: with equal digests, equal positions hold equal prompts."""
        ...


def take(stream: PromptStream, seed: int, first: int, count: int) -> list[Prompt]:
    """Returns a piece of a stream."""
    return [stream.at(seed, first + index) for index in range(count)]


@dataclass(frozen=True, slots=True)
class MosaicStream:
    """Prompts of the embedded world's training split, without end."""

    source: PromptSource
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As `mosaic-id:color+combos`."""
        return self.source.name

    @property
    def categories(self) -> tuple[str, ...]:
        """Those that its prompts are of."""
        return self.source.categories

    def prompts(self) -> list[Prompt] | None:
        """Returns None: they have no end."""
        return None

    def at(self, seed: int, position: int) -> Prompt:
        """Returns the prompt at a position of the stream."""
        return prompt_at(self.source, "train", seed, position)

    def digest(self) -> str:
        """Returns a hash of the name, which says all."""
        return _digest([self.name])


@dataclass(frozen=True, eq=False, slots=True)
class Sizes:
    """How many prompts each category has; equal to none but itself, so that finding its order is quick."""

    each: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedStream:
    """Prompts that are there; `listed_stream` makes one."""

    name: str
    listed: tuple[Prompt, ...]  # in the order of their source
    blocks: tuple[tuple[Prompt, ...], ...]  # the same by category
    sizes: Sizes  # of the blocks
    notes: tuple[str, ...]

    @property
    def categories(self) -> tuple[str, ...]:
        """In the order in which they first appear."""
        return tuple(block[0].category for block in self.blocks)

    def prompts(self) -> list[Prompt] | None:
        """Returns all of them, in the order of their source."""
        return list(self.listed)

    def at(self, seed: int, position: int) -> Prompt:
        """Returns the prompt at a position of the stream."""
        epoch, place = divmod(position, len(self.listed))
        block, number = _order(self.sizes, seed, epoch)[place]
        return self.blocks[block][number]

    def digest(self) -> str:
        """Returns a hash of the prompts and all that is known of them."""
        return _digest(
            json.dumps([each.id, each.text, each.category, dict(each.metadata)], sort_keys=True)
            for each in self.listed
        )


def listed_stream(name: str, listed: Sequence[Prompt], notes: Iterable[str] = ()) -> ListedStream:
    """Returns the stream of these prompts, of which there must be one at least."""
    blocks: dict[str, list[Prompt]] = {}
    for prompt in listed:
        blocks.setdefault(prompt.category, []).append(prompt)
    return ListedStream(
        name=name,
        listed=tuple(listed),
        blocks=tuple(map(tuple, blocks.values())),
        sizes=Sizes(tuple(map(len, blocks.values()))),
        notes=tuple(note for note in notes if note),
    )


@lru_cache(maxsize=8)  # of an epoch, asked for prompt by prompt
def _order(sizes: Sizes, seed: int, epoch: int) -> tuple[tuple[int, int], ...]:
    """Returns (block, number in the block) at each place of an epoch.

    The shuffled members of a block of M stand at (k + u) / M, k from 0, with one random u of the block.
    """
    rng = random.Random(derive_seed("epoch", seed, epoch, *sizes.each))
    places: list[tuple[float, int, int]] = []
    for block, size in enumerate(sizes.each):
        members = list(range(size))
        rng.shuffle(members)
        offset = rng.random()
        places += [((k + offset) / size, block, number) for k, number in enumerate(members)]
    return tuple((block, number) for _, block, number in sorted(places))


def _digest(rows: Iterable[str]) -> str:
    total = hashlib.blake2b(digest_size=8)
    for row in rows:
        total.update(f"{row}\n".encode())
    return total.hexdigest()
