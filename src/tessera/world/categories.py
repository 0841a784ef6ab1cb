"""The categories of both families: one function each, drawing a description with all values free."""

import random
from collections.abc import Callable, Sequence
from typing import Literal

from tessera.world.grammar import Description, Phrase, Relation
from tessera.world.scene import COLORS, RELATIONS, SHAPES, SIZES, TEXTURES

Family = Literal["id", "ood"]

CATEGORIES: dict[Family, tuple[str, ...]] = {
    "id": ("color", "shape", "texture", "spatial", "numeracy", "complex"),
    "ood": ("single_object", "two_object", "counting", "colors", "position", "color_attr"),
}


def _maybe(rng: random.Random, values: Sequence[str]) -> str | None:
    return rng.choice(values) if rng.random() < 0.5 else None


def _two_shapes(rng: random.Random) -> list[str]:
    return rng.sample(SHAPES, 2)


def _color(rng: random.Random) -> Description:
    first, second = (Phrase(rng.choice(SHAPES), color=c) for c in rng.sample(COLORS, 2))
    return Description((first, second))


def _shape(rng: random.Random) -> Description:
    if rng.random() < 0.5:
        return Description(tuple(Phrase(s, size=_maybe(rng, SIZES)) for s in rng.sample(SHAPES, 3)))
    return Description(tuple(Phrase(s, size=rng.choice(SIZES)) for s in _two_shapes(rng)))


def _texture(rng: random.Random) -> Description:
    shapes = _two_shapes(rng)
    return Description(
        tuple(Phrase(s, texture=rng.choice(TEXTURES), size=_maybe(rng, SIZES)) for s in shapes)
    )


def _spatial(rng: random.Random) -> Description:
    colors = rng.sample(COLORS, 2) if rng.random() < 0.5 else (None, None)
    phrases = tuple(Phrase(s, color=c) for s, c in zip(_two_shapes(rng), colors, strict=True))
    return Description(phrases, Relation(rng.choice(RELATIONS)))


def _numeracy(rng: random.Random) -> Description:
    counts = rng.choice(((2,), (3,), (4,), (1, 2), (2, 1), (2, 2), (1, 3), (3, 1)))
    colors = rng.sample(COLORS, 2) if rng.random() < 0.5 else (None, None)
    shapes = _two_shapes(rng)
    phrases = (Phrase(s, n, color=c) for s, n, c in zip(shapes, counts, colors, strict=False))
    return Description(tuple(phrases))


def _complex(rng: random.Random) -> Description:
    if rng.random() < 0.5:
        phrases = tuple(
            Phrase(s, color=c, texture=_maybe(rng, TEXTURES), size=_maybe(rng, SIZES))
            for s, c in zip(_two_shapes(rng), rng.sample(COLORS, 2), strict=True)
        )
        return Description(phrases, Relation(rng.choice(RELATIONS)))
    return Description(
        tuple(
            Phrase(s, color=c) if rng.random() < 0.5 else Phrase(s, texture=rng.choice(TEXTURES))
            for s, c in zip(rng.sample(SHAPES, 3), rng.sample(COLORS, 3), strict=True)
        )
    )


def _single_object(rng: random.Random) -> Description:
    shape, texture, size = rng.choice(SHAPES), _maybe(rng, TEXTURES), _maybe(rng, SIZES)
    return Description((Phrase(shape, texture=texture, size=size),))


def _two_object(rng: random.Random) -> Description:
    return Description(tuple(Phrase(s, size=_maybe(rng, SIZES)) for s in _two_shapes(rng)))


def _counting(rng: random.Random) -> Description:
    shape, texture, size = rng.choice(SHAPES), _maybe(rng, TEXTURES), _maybe(rng, SIZES)
    return Description((Phrase(shape, rng.choice((2, 3, 4)), texture=texture, size=size),))


def _colors(rng: random.Random) -> Description:
    return Description((Phrase(rng.choice(SHAPES), color=rng.choice(COLORS), size=_maybe(rng, SIZES)),))


def _position(rng: random.Random) -> Description:
    phrases = tuple(Phrase(s, size=_maybe(rng, SIZES)) for s in _two_shapes(rng))
    return Description(phrases, Relation(rng.choice(RELATIONS)))


def _color_attr(rng: random.Random) -> Description:
    pairs = zip(_two_shapes(rng), rng.sample(COLORS, 2), strict=True)
    return Description(tuple(Phrase(s, color=c) for s, c in pairs))


DRAWS: dict[str, Callable[[random.Random], Description]] = {
    "color": _color,
    "shape": _shape,
    "texture": _texture,
    "spatial": _spatial,
    "numeracy": _numeracy,
    "complex": _complex,
    "single_object": _single_object,
    "two_object": _two_object,
    "counting": _counting,
    "colors": _colors,
    "position": _position,
    "color_attr": _color_attr,
}
