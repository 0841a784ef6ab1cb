"""How many there are: the list of objects, the words of prompts, the rule by hand."""

import math
from collections.abc import Sequence

import pytest

from tessera.scorers.compbench.counts import PLURALS, mended, published
from tessera.scorers.compbench.verdict import verdict
from tessera.types import Grade
from tests.outside import outside
from tests.unit.scorers.compbench.seen import Box, detected, prompt, reading
from tests.unit.scorers.detection.golden import fixture, lines


def boxes(count: int) -> list[Box]:
    """Returns boxes that lie apart."""
    return [(50.0 * place, 0.0, 50.0 * place + 40, 40.0) for place in range(count)]


def things(**counts: int) -> list[tuple[str, float, Box]]:
    """Returns so many objects of each label, all apart."""
    names = [name for name, count in counts.items() for _ in range(count)]
    return [(name, 0.9, box) for name, box in zip(names, boxes(len(names)), strict=True)]


def judged(text: str, objects: Sequence[tuple[str, float, Box]], *, bugs: bool = False) -> Grade:
    return verdict(prompt(text, "numeracy"), detected(text, *objects), official_bugs=bugs)


def test_the_list_of_objects_is_the_published_one() -> None:
    text = outside("t2i_compbench/dataset/new_objects.txt").read_text(encoding="utf-8")
    told = dict(line.split(" - ") for line in text.splitlines())
    assert told == PLURALS
    assert len(PLURALS) == 88


def test_numbers_and_nouns_are_read() -> None:
    assert mended("Two big dogs, one mouse and ten sheep swam") == [("dog", 2), ("mouse", 1), ("sheep", 10)]
    assert mended("dogs, three unicorns and a") == []


def test_published_and_mended_read_the_same_of_every_val_prompt() -> None:
    for text in lines("numeracy_val"):
        told = published(reading(text))
        assert not isinstance(told, str), text
        nouns, numbers = told
        assert list(zip(nouns, numbers, strict=True)) == mended(text), text


@pytest.mark.parametrize("bugs", [True, False])
def test_half_for_being_there_and_half_for_the_number(bugs: bool) -> None:
    text = "two dogs and one cat"
    assert judged(text, things(dog=2, cat=1), bugs=bugs).soft == 1
    assert judged(text, things(dog=3, cat=1), bugs=bugs).soft == 0.75
    assert judged(text, things(dog=1), bugs=bugs).soft == 0.25
    assert judged(text, things(bird=2), bugs=bugs).soft == 0


@pytest.mark.parametrize("bugs", [True, False])
def test_golden_duplicates_are_counted_as_one_thing(bugs: bool) -> None:
    """Two boxes of one label: one dog where the published rule takes them for duplicates, else two."""
    rows = fixture("t2i_compbench_numeracy_duplicate")
    assert {row["duplicate"] for row in rows} == {0, 1}
    for row in rows:
        objects = [("dog", 0.9, tuple(row["box1"])), ("dog", 0.8, tuple(row["box2"]))]
        assert judged("one dog", objects, bugs=bugs).soft == (1.0 if row["duplicate"] else 0.5), row


def test_what_was_seen_is_told_as_facts() -> None:
    facts = judged("two dogs and one cat", things(dog=2)).facts
    assert [(fact.text, fact.holds) for fact in facts] == [("2 dog", True), ("1 cat", False)]


def test_a_prompt_that_counts_nothing_is_nan() -> None:
    assert math.isnan(judged("dogs in a park", things(dog=2)).soft)


def test_an_open_vocabulary_counts_girls_as_girls() -> None:
    text = "two girls and one boy"
    seen = detected(text, *things(girl=2, boy=1), vocabulary="open")
    assert verdict(prompt(text, "numeracy"), seen, official_bugs=False).soft == 1
    seen = detected(text, *things(girl=1, boy=2), vocabulary="open")
    assert verdict(prompt(text, "numeracy"), seen, official_bugs=False).soft == 0.5
