"""Scenes: one to four pieces on an 8 x 8 grid of patches, and how they are laid out.

Each piece snaps to the grid, so a picture is a mosaic of few distinct patches (a tokenizer can learn them),
and keeps a free patch to its neighbours, so that connected patches are one piece (a verifier can read them).
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

GRID = 8
MAX_PIECES = 4

SHAPES = ("circle", "square", "triangle", "star", "heart", "ring")
COLORS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "black")
TEXTURES = ("solid", "striped", "checkered", "dotted")
SIZES = ("small", "large")
RELATIONS = ("left", "right", "above", "below")

SPAN = {"small": 2, "large": 3}  # patches a piece covers in each direction
SOLID_SHARE = 0.6  # of pieces whose texture the prompt leaves open; a page of patterns is tiring to look at


@dataclass(frozen=True, slots=True)
class Look:
    """What a piece looks like, wherever it is."""

    shape: str
    color: str
    texture: str
    size: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A look at a place: `row`, `col` is the upper left patch of its box."""

    look: Look
    row: int
    col: int

    @property
    def span(self) -> int:
        """Patches in each direction."""
        return SPAN[self.look.size]


Scene = tuple[Piece, ...]


def holds(relation: str, a: Piece, b: Piece) -> bool:
    """Returns whether `a` is left of (right of, above, below) `b`: wholly past its edge on that axis."""
    if relation == "left":
        return a.col + a.span <= b.col
    if relation == "right":
        return holds("left", b, a)
    if relation == "above":
        return a.row + a.span <= b.row
    if relation == "below":
        return holds("above", b, a)
    raise ValueError(f"relation {relation!r} is none of {RELATIONS}")


@cache
def _places(span: int) -> tuple[tuple[int, int, int, int], ...]:
    """Returns (row, col, covered, blocked) for each place of a box; the last two are bit sets of patches."""
    places = []
    for row in range(GRID - span + 1):
        for col in range(GRID - span + 1):
            covered = _bits(row, col, row + span, col + span)
            blocked = _bits(row - 1, col - 1, row + span + 1, col + span + 1)
            places.append((row, col, covered, blocked))
    return tuple(places)


def _bits(top: int, left: int, bottom: int, right: int) -> int:
    bits = 0
    for row in range(max(top, 0), min(bottom, GRID)):
        for col in range(max(left, 0), min(right, GRID)):
            bits |= 1 << (row * GRID + col)
    return bits


def place(
    looks: Sequence[Look], rng: random.Random, accept: Callable[[Scene], bool] = lambda _: True
) -> Scene:
    """Returns the looks laid out at random with a free patch between them, such that `accept` is true.

    Drawn again from the start until accepted: every accepted layout of the sequential draw stays possible.
    """
    for _ in range(10_000):
        pieces: list[Piece] = []
        taken = 0
        for look in looks:
            free = [p for p in _places(SPAN[look.size]) if not p[2] & taken]
            if not free:
                break
            row, col, _, blocked = rng.choice(free)
            pieces.append(Piece(look, row, col))
            taken |= blocked
        if len(pieces) == len(looks) and accept(tuple(pieces)):
            return tuple(pieces)
    raise ValueError(f"no layout of {len(looks)} pieces was accepted in 10,000 draws: {looks}")


def random_look(
    rng: random.Random,
    shape: str | None = None,
    color: str | None = None,
    texture: str | None = None,
    size: str | None = None,
) -> Look:
    """Returns a look; whatever is left open is drawn."""
    if texture is None:
        texture = "solid" if rng.random() < SOLID_SHARE else rng.choice(TEXTURES[1:])
    return Look(
        shape=shape or rng.choice(SHAPES),
        color=color or rng.choice(COLORS),
        texture=texture,
        size=size or rng.choice(SIZES),
    )
