"""Prompts of mosaic: two families of categories, designed shifts between them, and disjoint splits.

`id` mirrors T2I-CompBench's categories in long sentences, `ood` GenEval's in short templates. Beyond the
template, three *axes* of shift can be switched on, alone or together: attribute-shape pairs, counts and
relations that prompts without the axis never use. Reinforcement learning trains on `id` without axes, so each
result says which shift it survives: `mosaic-ood`, `mosaic-ood+counts`, `mosaic-id+combos+relations`, ... A
source can be narrowed to some of its categories: `mosaic-id:color,texture`.

A description belongs to one split (a hash of its meaning, in whatever words), so no prompt of a validation or
test set was ever trained on, in any family.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tessera.errors import UserError, unknown
from tessera.rng import derive_seed
from tessera.types import Prompt
from tessera.world.categories import CATEGORIES, DRAWS, Family
from tessera.world.grammar import Description, in_domain_sentence, out_of_domain_sentence
from tessera.world.scene import COLORS, SHAPES, TEXTURES, Scene, holds, place, random_look

Split = Literal["train", "val", "test"]
Axis = Literal["combos", "counts", "relations"]

AXES: tuple[Axis, ...] = ("combos", "counts", "relations")

# What prompts without an axis never use. Every colour loses one or two shapes, every shape one texture; of
# the relations one of each direction is kept, and not the two that name the pieces in reading order.
UNSEEN_COLORS = frozenset(
    (shape, COLORS[(2 * i + k) % len(COLORS)]) for i, shape in enumerate(SHAPES) for k in (0, 3)
)
UNSEEN_TEXTURES = frozenset((shape, TEXTURES[1 + i % 3]) for i, shape in enumerate(SHAPES))
UNSEEN_COUNTS = frozenset({4})
UNSEEN_RELATIONS = frozenset({"right", "above"})

SPLIT_SHARES: tuple[tuple[Split, int], ...] = (("train", 50), ("val", 10), ("test", 40))  # percent

# Which categories can show an axis; a benchmark with axes leaves the others out.
_SHOWS: dict[Axis, frozenset[str]] = {
    "combos": frozenset({"color", "texture", "complex", "colors", "color_attr", "single_object"}),
    "counts": frozenset({"numeracy", "counting"}),
    "relations": frozenset({"spatial", "complex", "position"}),
}


def split_of(description: Description) -> Split:
    """Returns the split a description belongs to, whatever words express it."""
    point = derive_seed("split", description.key()) % 100
    for name, share in SPLIT_SHARES:
        if point < share:
            return name
        point -= share
    raise AssertionError("the shares add up to 100")


def axes_of(description: Description) -> frozenset[Axis]:
    """Returns the axes of shift that a description is on: those whose unseen values it uses."""
    on: set[Axis] = set()
    for phrase in description.phrases:
        pairs = (
            (phrase.shape, phrase.color) in UNSEEN_COLORS,
            (phrase.shape, phrase.texture) in UNSEEN_TEXTURES,
        )
        if any(pairs):
            on.add("combos")
        if phrase.count in UNSEEN_COUNTS:
            on.add("counts")
    if description.relation and description.relation.kind in UNSEEN_RELATIONS:
        on.add("relations")
    return frozenset(on)


def categories(family: Family, axes: Sequence[Axis] = ()) -> tuple[str, ...]:
    """Returns the categories of a family that can show at least one of the axes (all, without axes)."""
    every = CATEGORIES[family]
    return tuple(c for c in every if not axes or any(c in _SHOWS[axis] for axis in axes))


def draw(category: str, rng: random.Random, axes: Sequence[Axis] | None = ()) -> Description:
    """Returns a description of the category.

    With axes, it is on each of them that the category can show, and on no other; `None` leaves all free
    (pre-training has seen everything).
    """
    while True:
        description = DRAWS[category](rng)
        if axes is None:
            return description
        if axes_of(description) == {axis for axis in axes if category in _SHOWS[axis]}:
            return description


def sentence(family: Family, description: Description, rng: random.Random) -> str:
    """Returns words for the description in the manner of the family."""
    return in_domain_sentence(description, rng) if family == "id" else out_of_domain_sentence(description)


def draw_scene(description: Description, rng: random.Random) -> Scene:
    """Returns a scene that shows the description; whatever it leaves open is drawn."""
    looks = [
        random_look(rng, phrase.shape, phrase.color, phrase.texture, phrase.size)
        for phrase in description.phrases
        for _ in range(phrase.count)
    ]
    if description.relation is None:
        return place(looks, rng)
    kind = description.relation.kind
    return place(looks, rng, lambda scene: holds(kind, scene[0], scene[1]))


def prompt_set(
    family: Family,
    split: Split,
    per_category: int,
    *,
    axes: Sequence[Axis] = (),
    only: Sequence[str] = (),
    seed: int = 0,
) -> list[Prompt]:
    """Returns up to `per_category` prompts of distinct meaning for each category, or for each in `only`.

    Small categories have fewer meanings than asked for: then all that were found are returned.
    """
    prompts = []
    for category in only or categories(family, axes):
        stream = _stream(family, category, split, axes, seed)
        prompts += [prompt for prompt, _ in zip(stream, range(per_category), strict=False)]
    return prompts


PATIENCE = 3_000  # draws without a new meaning after which a category counts as exhausted


def _stream(family: Family, category: str, split: Split, axes: Sequence[Axis], seed: int) -> Iterator[Prompt]:
    rng = random.Random(derive_seed("prompts", family, category, split, "+".join(sorted(axes)), seed))
    seen: set[str] = set()
    misses = 0
    while misses < PATIENCE:
        description = draw(category, rng, axes)
        if split_of(description) != split or description.key() in seen:
            misses += 1
            continue
        misses = 0
        seen.add(description.key())
        yield _prompt(family, category, split, description, rng)


def _prompt(
    family: Family, category: str, split: Split, description: Description, rng: random.Random
) -> Prompt:
    """Returns the description in words, with what is known of it."""
    text = sentence(family, description, rng)
    return Prompt(
        id=f"{category}/{derive_seed('prompt', text):016x}",
        text=text,
        category=category,
        metadata={"family": family, "split": split, "axes": sorted(axes_of(description))},
    )


def prompt_at(source: "PromptSource", split: Split, seed: int, position: int) -> Prompt:
    """Returns the prompt at a position of the endless stream that training draws from.

    It is a function of its arguments, so a run that goes on needs to know nothing but its position. The
    categories take turns; within one, meanings are drawn afresh each time and come again in the long run.
    """
    category = source.categories[position % len(source.categories)]
    rng = random.Random(derive_seed("stream", source.name, split, seed, position))
    while True:
        description = draw(category, rng, source.axes)
        if split_of(description) == split:
            return _prompt(source.family, category, split, description, rng)


@dataclass(frozen=True, slots=True)
class PromptSource:
    """A family with its axes, or some of its categories, named as `mosaic-ood+counts`."""

    family: Family
    axes: tuple[Axis, ...] = ()
    only: tuple[str, ...] = ()  # categories; none are named: all

    @staticmethod
    def parse(name: str) -> "PromptSource":
        """Returns the source that a name such as `mosaic-id:color,shape+combos` means; `+all`: every axis."""
        head, *tail = name.split("+")
        head, _, listed = head.partition(":")
        family: Family = "id" if head == "mosaic-id" else "ood"
        if head != f"mosaic-{family}":
            raise UserError(unknown("benchmark", head, (f"mosaic-{f}" for f in CATEGORIES)))
        wanted = AXES if "all" in tail else tuple(tail)
        for axis in wanted:
            if axis not in AXES:
                raise UserError(f"{name}: {unknown('axis', axis, (*AXES, 'all'))}")
        axes: tuple[Axis, ...] = tuple(a for a in AXES if a in wanted)
        shown, only = categories(family, axes), listed.split(",") if listed else []
        for category in only:
            if category not in shown:
                raise UserError(f"{name}: {unknown('category', category, shown)}")
        return PromptSource(family, axes, tuple(c for c in shown if c in only))

    @property
    def categories(self) -> tuple[str, ...]:
        """Those that its prompts are of."""
        return self.only or categories(self.family, self.axes)

    @property
    def name(self) -> str:
        """The name that `parse` reads."""
        head = f"mosaic-{self.family}" + (f":{','.join(self.only)}" if self.only else "")
        return "+".join((head, *self.axes))
