"""Which prompts of two sets are the same: degrees, ids, time, and the known ones of the published files."""

import time
from collections import Counter

import pytest

from tessera.data.compbench_files import CATEGORIES, read_compbench
from tessera.data.geneval_files import read_geneval
from tessera.data.overlap import normalised, overlaps, without_articles
from tessera.data.t2i_r1_files import read_t2i_r1
from tessera.types import Prompt
from tests.outside import outside

# The four of shape have no full stop in the training file; the two of spatial are equal.
KNOWN = {
    "a circular clock and a triangular wall shelf.": "spelling",
    "a round doughnut and a square napkin.": "spelling",
    "an oblong watermelon and a teardrop pear.": "spelling",
    "a cubic block and a cylindrical flashlight.": "spelling",
    "a boy on the top of a wallet": "exact",
    "a giraffe on the right of a wallet": "exact",
}
# Theirs is "The child is blowing ...", one word away.
NEAR = {"A child is blowing bubbles in the park.": "articles"}


@pytest.mark.parametrize(
    ("one", "other", "degree"),
    [
        ("a red cup", "a red cup", "exact"),
        ("A Red CUP", "a red cup", "spelling"),
        ("a red cup.", "a red cup", "spelling"),
        ("  a red\tcup ", "a red cup", "spelling"),
        ("a red cup, a cat", "a red cup a cat", "spelling"),
        ("a T-shirt", "a t shirt", "spelling"),
        ("a Rubik\u2019s cube", "a Rubik's cube", "spelling"),
        ("a Rubiks cube", "a Rubik's cube", "spelling"),
        ("\uff41 red cup", "a red cup", "spelling"),  # a full-width a
        ("a cafe\u0301", "a caf\u00e9", "spelling"),  # an accent by itself
        ("stra\u00dfe", "STRASSE", "spelling"),
        ("the red cup", "a red cup", "articles"),
        ("an red cup and cat", "The red cup and the cat!", "articles"),
    ],
)
def test_prompts_are_the_same_in_a_degree(one: str, other: str, degree: str) -> None:
    for train, test in ((one, other), (other, one)):
        assert [each.degree for each in overlaps([train], [test]).shared] == [degree]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a red cup", "a red cups"),
        ("two cups", "2 cups"),
        ("a cup and a cat", "a cat and a cup"),
        ("a photo of a cup", "a cup"),
        ("a cafe", "a caf\u00e9"),
        ("!", "?"),
        ("a", "the"),
        ("\u4e00\u53ea\u732b", "\u4e00\u53ea\u72d7"),  # a cat, a dog
    ],
)
def test_other_prompts_are_not_the_same(one: str, other: str) -> None:
    assert overlaps([one], [other]).shared == ()
    assert overlaps([one], [other]).sentence("these", "those") == ""


def test_every_pair_is_listed_by_both_ids_and_a_test_prompt_is_counted_once() -> None:
    train = [
        Prompt(id="t0", text="a red cup"),
        Prompt(id="t1", text="The red cup"),
        Prompt(id="t2", text="a cat"),
        Prompt(id="t3", text="A red cup."),
    ]
    test = [Prompt(id="s0", text="a dog"), Prompt(id="s1", text="a red cup"), Prompt(id="s2", text="the cat")]
    found = overlaps(train, test)
    assert list(found.pairs) == [
        ("t0", "s1", "exact"),
        ("t1", "s1", "articles"),
        ("t3", "s1", "spelling"),
        ("t2", "s2", "articles"),
    ]
    assert [(each.test.id, each.degree) for each in found.shared] == [("s1", "exact"), ("s2", "articles")]
    assert [each.test.id for each in found.same] == ["s1"]
    assert found.sentence("mine", "theirs") == (
        "Overlap: 1 of the 3 prompts of theirs is a training prompt of mine, and 1 more but for an article."
    )


def test_strings_are_named_by_their_place() -> None:
    assert list(overlaps(["a dog", "a cat"], ["a cat"]).pairs) == [("0001", "0000", "exact")]


def test_normalising_is_done_once_and_for_all() -> None:
    for text in ("A Red-Cup.", "caf\u00e9 'n' bar", "the a an", "!?", "x_y"):
        assert normalised(normalised(text)) == normalised(text)
        assert without_articles(without_articles(normalised(text))) == without_articles(normalised(text))


def test_the_time_is_that_of_reading_the_prompts_not_of_comparing_pairs() -> None:
    """All equal is the worst case of whoever compares pairs: here 200 million, which would take minutes.

    One free core takes about a second, with every call's types checked; so the bound may be generous.
    """
    start = time.perf_counter()
    train = [f"A photo of {number} red cups, and the cat." for number in range(10_000)]
    test = [f"a photo of {number} red cups and a cat" for number in range(0, 20_000, 20)]
    assert len(overlaps(train, test).shared) == 500
    assert len(overlaps(["a cat"] * 20_000, ["A cat."] * 10_000).same) == 10_000
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize("trained", ["compbench", "t2i-r1"])
def test_six_validation_prompts_of_compbench_are_trained_on_and_a_seventh_but_for_an_article(
    trained: str,
) -> None:
    folder = outside("t2i_compbench")
    train = [prompt for name in CATEGORIES for prompt in read_compbench(folder, name, "train")]
    if trained == "t2i-r1":
        train = read_t2i_r1(outside("t2i_r1"))
    test = [prompt for name in CATEGORIES for prompt in read_compbench(folder, name, "val")]
    found = overlaps(train, test)
    assert {each.test.text: each.degree for each in found.shared} == KNOWN | NEAR
    assert len(found.same) == 6
    assert Counter(each.test.category for each in found.same) == {"shape": 4, "spatial": 2}
    assert len(list(found.pairs)) == 7


@pytest.mark.parametrize("trained", ["compbench", "t2i-r1"])
def test_no_prompt_of_geneval_is_trained_on(trained: str) -> None:
    folder = outside("t2i_compbench")
    train = [prompt for name in CATEGORIES for prompt in read_compbench(folder, name, "train")]
    if trained == "t2i-r1":
        train = read_t2i_r1(outside("t2i_r1"))
    assert overlaps(train, read_geneval(outside("geneval"))).shared == ()
