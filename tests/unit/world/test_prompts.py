"""Prompt sets: splits that share no meaning, axes of shift that show where they should, names that parse."""

import itertools
import random
from collections import Counter

import pytest

from tessera.errors import UserError
from tessera.types import Prompt
from tessera.world.grammar import Description, parse
from tessera.world.prompts import (
    AXES,
    CATEGORIES,
    SPLIT_SHARES,
    UNSEEN_COLORS,
    UNSEEN_COUNTS,
    UNSEEN_RELATIONS,
    UNSEEN_TEXTURES,
    Axis,
    Family,
    PromptSource,
    Split,
    _stream,
    axes_of,
    categories,
    draw,
    draw_scene,
    prompt_at,
    prompt_set,
    split_of,
)
from tessera.world.scene import COLORS, RELATIONS, SHAPES, TEXTURES, holds

FAMILIES: tuple[Family, ...] = ("id", "ood")
SPLITS: tuple[Split, ...] = ("train", "val", "test")
AXIS_SETS: tuple[tuple[Axis, ...], ...] = tuple(
    combination for size in range(4) for combination in itertools.combinations(AXES, size)
)
PER_CATEGORY = 15
Sets = dict[tuple[Family, tuple[Axis, ...], Split], list[Prompt]]


@pytest.fixture(scope="module")
def sets() -> Sets:
    """Every prompt set there is: both families, all eight sets of axes, all splits, two seeds by turns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tessera.world.prompts.PATIENCE", 50)  # the small categories need not be complete
        return {
            (family, axes, split): prompt_set(family, split, PER_CATEGORY, axes=axes, seed=index % 2)
            for family in FAMILIES
            for axes in AXIS_SETS
            for index, split in enumerate(SPLITS)
        }


# --- splits -------------------------------------------------------------------------------------------------


def test_no_meaning_is_in_two_splits_over_all_families_categories_axes_and_seeds(sets: Sets) -> None:
    keys: dict[Split, set[str]] = {split: set() for split in SPLITS}
    for (_, _, split), prompts in sets.items():
        keys[split] |= {parse(prompt.text).key() for prompt in prompts}
    assert all(len(found) > 300 for found in keys.values())
    for one, other in itertools.combinations(SPLITS, 2):
        assert not keys[one] & keys[other]


def test_the_split_of_a_prompt_is_a_function_of_its_meaning_alone(sets: Sets) -> None:
    """Hence disjoint for every size and seed, not only for the sets drawn above."""
    for (family, _, split), prompts in sets.items():
        for prompt in prompts:
            description = parse(prompt.text)
            turned = Description(description.phrases[::-1], description.relation)
            assert split_of(description) == split
            if description.relation is None:
                assert split_of(turned) == split
            assert prompt.metadata["split"] == split
            assert prompt.metadata["family"] == family


def test_splits_have_the_shares_they_are_given() -> None:
    """5,000 meanings: five standard deviations are 0.036 at most, so a correct program fails once in 1e6."""
    assert sum(share for _, share in SPLIT_SHARES) == 100
    rng = random.Random(1)
    meanings = {d.key(): d for _ in range(6_000) for d in [draw("complex", rng, axes=None)]}
    sample = list(meanings.values())[:5000]
    counts = Counter(split_of(description) for description in sample)
    for split, share in SPLIT_SHARES:
        assert abs(counts[split] / len(sample) - share / 100) < 0.036


def test_the_prompts_of_a_category_differ_in_meaning() -> None:
    for family in FAMILIES:
        prompts = prompt_set(family, "test", 100)
        assert len({(p.category, parse(p.text).key()) for p in prompts}) == len(prompts)
        assert len({p.id for p in prompts}) == len(prompts)


# --- axes ---------------------------------------------------------------------------------------------------


def _unseen(description: Description) -> set[str]:
    """Returns the axes whose unseen values appear: an independent `axes_of`."""
    found = set[str]()
    for phrase in description.phrases:
        if (phrase.shape, phrase.color) in UNSEEN_COLORS or (phrase.shape, phrase.texture) in UNSEEN_TEXTURES:
            found.add("combos")
        if phrase.count in UNSEEN_COUNTS:
            found.add("counts")
    if description.relation is not None and description.relation.kind in UNSEEN_RELATIONS:
        found.add("relations")
    return found


def test_without_axes_no_unseen_value_appears(sets: Sets) -> None:
    for (_, axes, _), prompts in sets.items():
        if not axes:
            assert not set().union(*(_unseen(parse(prompt.text)) for prompt in prompts))


def test_with_one_axis_every_prompt_is_on_it_and_on_no_other(sets: Sets) -> None:
    for (_, axes, split), prompts in sets.items():
        if len(axes) == 1:
            assert prompts, (axes, split)
            assert {frozenset(_unseen(parse(prompt.text))) for prompt in prompts} == {frozenset(axes)}


def test_with_several_axes_every_prompt_is_on_at_least_one_and_on_none_besides(sets: Sets) -> None:
    for (_, axes, _), prompts in sets.items():
        for prompt in prompts:
            shown = _unseen(parse(prompt.text))
            assert shown <= set(axes)
            assert bool(shown) == bool(axes)
            assert prompt.metadata["axes"] == sorted(shown) == sorted(axes_of(parse(prompt.text)))


def test_every_shape_colour_texture_and_count_is_seen_without_axes() -> None:
    """The axes withhold combinations, not words: a policy may have learnt each word in domain."""
    phrases = [p for prompt in prompt_set("id", "train", 150) for p in parse(prompt.text).phrases]
    assert {p.shape for p in phrases} == set(SHAPES)
    assert {p.color for p in phrases} - {None} == set(COLORS)
    assert {p.texture for p in phrases} - {None} == set(TEXTURES)
    assert {p.count for p in phrases} == {1, 2, 3}


def test_every_value_an_axis_withholds_is_shown_with_it() -> None:
    phrases = [
        phrase
        for family in FAMILIES
        for prompt in prompt_set(family, "test", 60, axes=("combos",))
        for phrase in parse(prompt.text).phrases
    ]
    assert {(p.shape, p.color) for p in phrases} >= UNSEEN_COLORS
    assert {(p.shape, p.texture) for p in phrases} >= UNSEEN_TEXTURES


def test_every_shape_keeps_most_colours_and_textures() -> None:
    for shape in SHAPES:
        assert sum((shape, color) in UNSEEN_COLORS for color in COLORS) == 2
        assert sum((shape, texture) in UNSEEN_TEXTURES for texture in TEXTURES) == 1
        assert (shape, "solid") not in UNSEEN_TEXTURES
    assert {"left", "below"} == set(RELATIONS) - UNSEEN_RELATIONS


@pytest.mark.parametrize(
    ("family", "axes", "expected"),
    [
        ("id", (), CATEGORIES["id"]),
        ("ood", (), CATEGORIES["ood"]),
        ("id", ("counts",), ("numeracy",)),
        ("ood", ("relations",), ("position",)),
        ("id", ("combos", "relations"), ("color", "texture", "spatial", "complex")),
    ],
)
def test_a_benchmark_leaves_out_the_categories_that_cannot_show_its_axes(
    family: Family, axes: tuple[Axis, ...], expected: tuple[str, ...]
) -> None:
    assert categories(family, axes) == expected
    assert tuple(dict.fromkeys(p.category for p in prompt_set(family, "test", 3, axes=axes))) == expected


# --- determinism --------------------------------------------------------------------------------------------


def test_a_prompt_set_is_a_function_of_its_seed() -> None:
    for family in FAMILIES:
        assert prompt_set(family, "test", 20, seed=3) == prompt_set(family, "test", 20, seed=3)
        one = {p.text for p in prompt_set(family, "test", 20, seed=3)}
        assert one != {p.text for p in prompt_set(family, "test", 20, seed=4)}


@pytest.mark.parametrize("axes", [(), ("combos",), ("counts", "relations")])
def test_the_first_prompts_of_a_category_do_not_depend_on_how_many_are_asked_for(
    axes: tuple[Axis, ...],
) -> None:
    for family in FAMILIES:
        few, many = (prompt_set(family, "test", count, axes=axes) for count in (3, 6))
        for category in categories(family, axes):
            first = [p for p in many if p.category == category][:3]
            assert [p for p in few if p.category == category] == first


def test_an_exhausted_category_gives_what_it_has_and_ends() -> None:
    """The rarest meaning has chance 1/192 per draw, so 3,000 misses in a row have chance 2e-7 for each."""
    found = [
        {parse(prompt.text).key() for prompt in _stream("ood", "single_object", "train", (), seed)}
        for seed in (0, 1)
    ]
    assert found[0] == found[1]
    assert 20 < len(found[0]) < 90  # of 6 shapes x 5 textures or none x 3 sizes or none


# --- scenes of prompts --------------------------------------------------------------------------------------


def test_the_scene_of_a_description_has_what_it_says_and_nothing_else() -> None:
    rng = random.Random(5)
    for names in CATEGORIES.values():
        for category in names:
            for _ in range(40):
                description = draw(category, rng, axes=None)
                scene = draw_scene(description, rng)
                wanted = [phrase for phrase in description.phrases for _ in range(phrase.count)]
                assert len(scene) == len(wanted) == description.total
                for piece, phrase in zip(scene, wanted, strict=True):
                    assert piece.look.shape == phrase.shape
                    assert phrase.color in (None, piece.look.color)
                    assert phrase.texture in (None, piece.look.texture)
                    assert phrase.size in (None, piece.look.size)
                if description.relation is not None:
                    assert holds(description.relation.kind, scene[0], scene[1])


# --- PromptSource -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("mosaic-id", PromptSource("id")),
        ("mosaic-ood", PromptSource("ood")),
        ("mosaic-ood+counts", PromptSource("ood", ("counts",))),
        ("mosaic-id+relations+combos", PromptSource("id", ("combos", "relations"))),
        ("mosaic-id+counts+counts", PromptSource("id", ("counts",))),
        ("mosaic-ood+all", PromptSource("ood", AXES)),
    ],
)
def test_a_name_means_a_source(name: str, source: PromptSource) -> None:
    assert PromptSource.parse(name) == source


def test_every_source_has_a_name_that_is_read_back() -> None:
    for family in FAMILIES:
        for axes in AXIS_SETS:
            source = PromptSource(family, axes)
            assert PromptSource.parse(source.name) == source
    assert PromptSource("id", ("combos", "relations")).name == "mosaic-id+combos+relations"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mosaic-odd", "unknown benchmark 'mosaic-odd'. Did you mean 'mosaic-ood'?"),
        ("geneval", "unknown benchmark 'geneval'"),
        ("mosaic-id+count", "mosaic-id+count: unknown axis 'count'. Did you mean 'counts'?"),
        ("mosaic-id+", "unknown axis ''"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest_right_one(name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        PromptSource.parse(name)
    assert message in str(caught.value)


def test_all_beside_another_axis_is_not_called_unknown_in_favour_of_itself() -> None:
    """Reading it as every axis, or a refusal that explains, would both do."""
    message = ""
    try:
        PromptSource.parse("mosaic-id+all+counts")
    except UserError as error:
        message = str(error)
    assert "unknown axis 'all'" not in message


# --- the stream ---------------------------------------------------------------------------------------------


def test_the_stream_is_a_function_of_seed_and_position() -> None:
    source = PromptSource("id")
    stream = [prompt_at(source, "train", 0, position) for position in range(60)]
    assert [prompt_at(source, "train", 0, position) for position in reversed(range(60))] == stream[::-1]
    assert len({prompt.text for prompt in stream}) > 50
    assert [prompt_at(source, "train", 1, position) for position in range(60)] != stream


@pytest.mark.parametrize("name", ["mosaic-id", "mosaic-ood", "mosaic-ood+counts"])
def test_the_stream_stays_in_its_split_and_its_categories_take_turns(name: str) -> None:
    source = PromptSource.parse(name)
    names = categories(source.family, source.axes)
    for position in range(4 * len(names)):
        prompt = prompt_at(source, "train", 0, position)
        assert prompt.category == names[position % len(names)]
        assert split_of(parse(prompt.text)) == "train"
        assert axes_of(parse(prompt.text)) == set(source.axes)
