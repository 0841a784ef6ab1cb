"""Streams of training prompts: functions of (seed, position), each prompt once per epoch, well mixed."""

from collections import Counter

import pytest

from tessera.data.streams import ListedStream, MosaicStream, PromptStream, listed_stream, take
from tessera.types import Prompt
from tessera.world.prompts import PromptSource, prompt_at

SIZES = {"color": 30, "shape": 20, "spatial": 1, "complex": 9}
COUNT = sum(SIZES.values())


def stream() -> ListedStream:
    listed = [
        Prompt(id=f"{category}/{number}", text=f"a {category}, number {number}", category=category)
        for category, size in SIZES.items()
        for number in range(size)
    ]
    return listed_stream("some", listed)


@pytest.mark.parametrize("name", ["mosaic-id", "mosaic-ood:colors,color_attr+combos"])
def test_mosaics_prompts_are_those_of_the_world_s_training_split(name: str) -> None:
    source = PromptSource.parse(name)
    mosaic = MosaicStream(source)
    assert take(mosaic, 3, 5, 20) == [prompt_at(source, "train", 3, place) for place in range(5, 25)]
    assert (mosaic.name, mosaic.categories, mosaic.prompts()) == (name, source.categories, None)


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_every_prompt_comes_once_per_epoch(epoch: int) -> None:
    found = take(stream(), 0, epoch * COUNT, COUNT)
    assert sorted(prompt.id for prompt in found) == sorted(prompt.id for prompt in stream().listed)


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    """Two random orders of 60 are equal with a chance below 1e-40, even with categories in fixed places."""
    orders = [
        tuple(prompt.id for prompt in take(stream(), seed, epoch * COUNT, COUNT))
        for seed, epoch in ((0, 0), (0, 1), (1, 0))
    ]
    assert len(set(orders)) == 3


def test_a_prompt_depends_on_seed_and_position_and_on_nothing_that_was_asked_before() -> None:
    forwards = [stream().at(4, position) for position in range(3 * COUNT)]
    again = stream()
    assert [again.at(4, position) for position in reversed(range(3 * COUNT))] == forwards[::-1]


def test_the_order_is_the_same_on_every_machine_and_in_every_version() -> None:
    """What was trained on must be found again: these are written down, not computed."""
    assert [prompt.id for prompt in take(stream(), 0, 0, 6)] == [
        "shape/4",
        "color/24",
        "complex/1",
        "color/16",
        "shape/9",
        "color/8",
    ]


@pytest.mark.parametrize("first", [1, 5, 12, 30, 59])
def test_the_first_prompts_are_a_balanced_sample(first: int) -> None:
    """A category is off its share by no more than the number of categories, whatever the seed."""
    for seed in range(20):
        counts = Counter(prompt.category for prompt in take(stream(), seed, 0, first))
        for category, size in SIZES.items():
            assert abs(counts[category] - size * first / COUNT) <= len(SIZES)


def test_within_a_category_every_prompt_may_come_first() -> None:
    """All 30 are met in 400 draws but with a chance of 30·(29/30)^400 < 4e-5, whatever the seeds are."""
    met = {
        next(prompt.id for prompt in take(stream(), seed, 0, COUNT) if prompt.category == "color")
        for seed in range(400)
    }
    assert len(met) == 30


def test_prompts_without_a_category_are_one_block() -> None:
    alone = listed_stream("some", [Prompt(id=str(n), text=str(n)) for n in range(10)], ["", "a note"])
    assert (alone.categories, alone.notes) == (("",), ("a note",))
    assert sorted(prompt.id for prompt in take(alone, 1, 10, 10)) == [str(n) for n in range(10)]


def test_the_digest_covers_words_metadata_and_order() -> None:
    one, two = Prompt(id="1", text="a cup"), Prompt(id="2", text="a cat", metadata={"nouns": ["cat"]})
    base = listed_stream("some", [one, two]).digest()
    assert listed_stream("other name", [one, two]).digest() == base
    bare = Prompt(id="2", text="a cat")
    for changed in ([two, one], [one], [one, bare]):
        assert listed_stream("some", changed).digest() != base


def test_both_are_streams() -> None:
    for each in (stream(), MosaicStream(PromptSource("id"))):
        assert isinstance(each, PromptStream)
        assert each.digest() == each.digest()
