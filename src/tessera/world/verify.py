"""The verifier: reads a picture back into pieces, exactly, and holds them against a description.

Reading works on the patch grid: patches that differ from the page, joined where they touch, are one piece;
its crop is compared with every sprite of its size. A crop that is near no sprite, or a blot of another size,
is *junk*: it satisfies no fact and spoils the "nothing else" one.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Int, UInt8
from numpy import ndarray
from numpy.typing import NDArray

from tessera.types import Fact, Grade
from tessera.world.grammar import NUMBERS, RELATION_WORDS, Description
from tessera.world.render import PAGE, PATCH, SIDE, all_looks, sprite
from tessera.world.scene import GRID, SIZES, SPAN, Look, Piece, Scene, holds

# A 2 x 2 block of pixels is ink if its channels differ from the page by more than this in sum. The palest
# tone (yellow's tint) differs by more than twice this; noise of sigma 8 gives a sum of about 10 +- 4 after
# the average over the block.
INK = 45
MIN_INK = 4  # inked blocks (of 64) that make a patch part of a piece
# Largest root mean square difference (levels of 255) of any patch of a piece from the nearest sprite. Noise
# of sigma 8 gives 8 to 9, a good tokenizer 9 to 17, a patch of another piece mostly 60 and more.
MAX_RESIDUAL = 30.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What is on a picture: whole pieces, and how many blots are none."""

    pieces: Scene
    junk: int
    residual: float  # the worst accepted piece's distance to its sprite, levels of 255


@cache
def _sprites(size: str) -> tuple[tuple[Look, ...], NDArray[np.float32], NDArray[np.float32]]:
    """Returns the looks of a size, their sprites (N, D) and the squared norms (N,)."""
    looks = tuple(look for look in all_looks() if look.size == size)
    sprites_ND = np.stack([sprite(look).reshape(-1) for look in looks]).astype(np.float32) - 128
    return looks, sprites_ND, np.square(sprites_ND).sum(axis=1)


def read(images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[Reading]:
    """Returns what is on each picture. Pictures must be SIDE x SIDE."""
    batch = images_BHWC.shape[0]
    if images_BHWC.shape[1:] != (SIDE, SIDE, 3):
        raise ValueError(f"expected pictures of {(SIDE, SIDE, 3)}, got {images_BHWC.shape[1:]}")
    inked_BRC = _inked(images_BHWC)
    labels_BRC = _components(inked_BRC)
    # (picture, row, col, size) of every blot with a legal box, and the number of all others per picture.
    boxes: list[tuple[int, int, int, str]] = []
    junk_B = [0] * batch
    for index in range(batch):
        for label in np.unique(labels_BRC[index][inked_BRC[index]]):
            rows, cols = np.nonzero(labels_BRC[index] == label)
            height, width = np.ptp(rows) + 1, np.ptp(cols) + 1
            size = next((s for s in SIZES if SPAN[s] == height == width), None)
            if size is None:
                junk_B[index] += 1
            else:
                boxes.append((index, int(rows.min()), int(cols.min()), size))
    pieces_B: list[list[Piece]] = [[] for _ in range(batch)]
    worst_B = [0.0] * batch
    for size in SIZES:
        chosen = [box for box in boxes if box[3] == size]
        if not chosen:
            continue
        looks, sprites_ND, norms_N = _sprites(size)
        side = SPAN[size] * PATCH
        crops = np.stack(
            [
                images_BHWC[b, r * PATCH : r * PATCH + side, c * PATCH : c * PATCH + side]
                for b, r, c, _ in chosen
            ]
        )
        crops_MD = crops.reshape(len(chosen), -1).astype(np.float32) - 128
        square_MN = np.square(crops_MD).sum(axis=1)[:, None] + norms_N - 2 * crops_MD @ sprites_ND.T
        best_M = square_MN.argmin(axis=1)
        # The worst patch decides: a wrong one is as wrong among eight right ones as among three.
        span = SPAN[size]
        square_MRYCX = np.square(crops_MD - sprites_ND[best_M]).reshape(-1, span, PATCH, span, PATCH, 3)
        residual_M = np.sqrt(square_MRYCX.mean(axis=(2, 4, 5)).max(axis=(1, 2)))
        for (index, row, col, _), best, residual in zip(chosen, best_M, residual_M, strict=True):
            if residual > MAX_RESIDUAL:
                junk_B[index] += 1
            else:
                pieces_B[index].append(Piece(looks[best], row, col))
                worst_B[index] = max(worst_B[index], float(residual))
    return [
        Reading(tuple(sorted(pieces, key=lambda p: (p.row, p.col))), junk, worst)
        for pieces, junk, worst in zip(pieces_B, junk_B, worst_B, strict=True)
    ]


def _inked(images_BHWC: UInt8[ndarray, "B H W 3"]) -> Bool[ndarray, "B R C"]:
    """Returns which patches of the grid hold ink."""
    batch = images_BHWC.shape[0]
    half = SIDE // 2
    blocks = images_BHWC.reshape(batch, half, 2, half, 2, 3).mean(axis=(2, 4), dtype=np.float32)
    ink = np.abs(blocks - np.array(PAGE, dtype=np.float32)).sum(axis=-1) > INK
    per_patch = PATCH // 2
    counts = ink.reshape(batch, GRID, per_patch, GRID, per_patch).sum(axis=(2, 4))
    return counts >= MIN_INK


def _components(inked_BRC: Bool[ndarray, "B R C"]) -> Int[ndarray, "B R C"]:
    """Returns a label per patch, equal where patches touch (corners included), 0 for the page."""
    start = np.arange(1, GRID * GRID + 1).reshape(1, GRID, GRID)
    labels = np.where(inked_BRC, start, 0)
    while True:
        padded = np.pad(labels, ((0, 0), (1, 1), (1, 1)))
        spread = labels
        for dr, dc in itertools.product((0, 1, 2), repeat=2):
            spread = np.maximum(spread, padded[:, dr : dr + GRID, dc : dc + GRID])
        spread = np.where(inked_BRC, spread, 0)
        if (spread == labels).all():
            return labels
        labels = spread


def verify(description: Description, reading: Reading) -> Grade:
    """Returns which facts of the description the picture shows.

    Pieces are assigned to what the prompt names so that as many facts as possible hold; `strict` is 1 if all
    do, `soft` is their share.
    """
    slots = [index for index, phrase in enumerate(description.phrases) for _ in range(phrase.count)]
    best: tuple[Fact, ...] = ()
    best_score = (-1, -1)
    for assigned in _assignments(slots, reading.pieces):
        facts = _facts(description, slots, assigned, reading)
        count = sum(fact.holds for fact in facts)
        # Among equals the one with the right shapes: swapped colours are told as such, at any place.
        score = (count, sum(fact.holds for fact in facts if fact.kind in ("shape", "count")))
        if score > best_score:
            best, best_score = facts, score
        if count == len(facts):
            break
    best_count = best_score[0]
    return Grade(strict=float(best_count == len(best)), soft=best_count / len(best), facts=best)


def _assignments(slots: Sequence[int], pieces: Scene) -> Iterator[list[Piece | None]]:
    """Yields every way to give pieces to slots, as many as go; slots of one phrase are interchangeable."""
    if len(pieces) >= len(slots):
        for chosen in itertools.permutations(range(len(pieces)), len(slots)):
            if _ascending(slots, chosen):
                yield [pieces[index] for index in chosen]
    else:
        for places in itertools.permutations(range(len(slots)), len(pieces)):
            assigned: list[Piece | None] = [None] * len(slots)
            for piece, slot in zip(pieces, places, strict=True):
                assigned[slot] = piece
            yield assigned


def _ascending(slots: Sequence[int], chosen: Sequence[int]) -> bool:
    pairs = zip(zip(slots, chosen, strict=True), zip(slots[1:], chosen[1:], strict=True), strict=False)
    return all(a_slot != b_slot or a < b for (a_slot, a), (b_slot, b) in pairs)


def _facts(
    description: Description, slots: Sequence[int], assigned: Sequence[Piece | None], reading: Reading
) -> tuple[Fact, ...]:
    facts: list[Fact] = []
    for index, phrase in enumerate(description.phrases):
        mine = [piece for slot, piece in zip(slots, assigned, strict=True) if slot == index]
        name = phrase.words()
        shaped = all(piece is not None and piece.look.shape == phrase.shape for piece in mine)
        if phrase.count == 1:
            facts.append(Fact(kind="shape", text=f"{name}: it is a {phrase.shape}", holds=shaped))
        else:
            expected = sum(p.count for p in description.phrases if p.shape == phrase.shape)
            seen = sum(piece.look.shape == phrase.shape for piece in reading.pieces)
            text = f"{name}: {NUMBERS[expected - 1]} {phrase.shape}s in all"
            facts.append(Fact(kind="count", text=text, holds=shaped and seen == expected))
        facts += [
            Fact(
                kind=kind,
                text=f"{name}: {wanted}",
                holds=all(piece is not None and getattr(piece.look, kind) == wanted for piece in mine),
            )
            for kind in ("size", "texture", "color")
            if (wanted := getattr(phrase, kind)) is not None
        ]
    if description.relation is not None:
        a, b = assigned
        kind = description.relation.kind
        names = [phrase.words() for phrase in description.phrases]
        text = f"{names[0]} {RELATION_WORDS[kind][1]} {names[1]}"
        shown = a is not None and b is not None and holds(kind, a, b)
        facts.append(Fact(kind="relation", text=text, holds=shown))
    total = description.total
    exact = len(reading.pieces) == total and reading.junk == 0
    noun = "piece" if total == 1 else "pieces"
    facts.append(Fact(kind="total", text=f"{NUMBERS[total - 1]} {noun}, nothing else", holds=exact))
    return tuple(facts)
