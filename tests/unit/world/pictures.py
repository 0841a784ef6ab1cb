"""What the tests of the verifier share: right pictures by the hundred, read and graded."""

import itertools
import random
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tessera.types import Grade
from tessera.world.categories import CATEGORIES
from tessera.world.grammar import Description
from tessera.world.prompts import draw, draw_scene
from tessera.world.render import render
from tessera.world.scene import (
    COLORS,
    SHAPES,
    SIZES,
    TEXTURES,
    Scene,
)
from tessera.world.verify import Reading, read, verify

Images = NDArray[np.uint8]
Images = NDArray[np.uint8]
EVERY = tuple(category for names in CATEGORIES.values() for category in names)
VALUES = {"shape": SHAPES, "color": COLORS, "texture": TEXTURES, "size": SIZES}


def right_pictures(categories: Sequence[str], count: int, seed: int) -> Iterator[tuple[Description, Scene]]:
    """Yields descriptions of the categories in turn, each with a scene that shows it."""
    rng = random.Random(seed)
    for _, category in zip(range(count), itertools.cycle(categories), strict=False):
        description = draw(category, rng, axes=None)
        yield description, draw_scene(description, rng)


def read_all(images: Sequence[Images]) -> list[Reading]:
    """Returns the readings of any number of pictures, some hundreds at a time."""
    return [
        reading
        for start in range(0, len(images), 400)
        for reading in read(np.stack(images[start : start + 400]))
    ]


def grade_all(pairs: Sequence[tuple[Description, Scene]]) -> list[Grade]:
    """Returns the verdict on the picture of each scene."""
    readings = read_all([render(scene) for _, scene in pairs])
    return [verify(description, reading) for (description, _), reading in zip(pairs, readings, strict=True)]


def false_facts(grade: Grade) -> set[tuple[str, str]]:
    """Returns (kind, text) of the facts that do not hold."""
    return {(fact.kind, fact.text) for fact in grade.facts if not fact.holds}


def slots_of(description: Description) -> list[int]:
    """Returns the phrase of each piece of a scene that `draw_scene` made."""
    return [index for index, phrase in enumerate(description.phrases) for _ in range(phrase.count)]
