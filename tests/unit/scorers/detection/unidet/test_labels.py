"""The names of the classes, some of them by hand."""

import json
from collections import Counter

import pytest

from tessera.scorers.detection.unidet.design import DESIGNS
from tessera.scorers.detection.unidet.labels import OTHERWISE, label, labels
from tests.architecture.source_tree import SRC


def test_there_is_a_name_for_each_class() -> None:
    assert len(labels()) == 722
    assert {design.classes for design in DESIGNS.values()} == {722}
    assert labels()[:3] == ("bottle", "cup", "dining table")
    assert labels()[-3:] == ("boat", "caravan", "trailer")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_bottle_bottle", "bottle"),  # Objects365 and COCO agree
        ("Book_book_", "book"),  # so do Open Images and Objects365, but for the case
        ("Table_desk_", "table, desk"),
        ("Cattle_cow_cow", "cattle, cow"),
        ("_avocado_", "avocado"),
        ("_cabinet/shelf_", "cabinet/shelf"),
        ("object--junction-box", "junction box"),
        ("object--vehicle--boat", "boat"),
        ("_wild bird_bird", "wild bird"),  # one of the twenty
        ("object--traffic-sign--back", "traffic sign back"),
    ],
)
def test_a_class_is_called_by_the_names_that_its_data_sets_give_it(name: str, expected: str) -> None:
    assert label(name) == expected


def test_what_is_called_otherwise_is_in_the_list() -> None:
    listed = json.loads((SRC / "tessera/scorers/detection/unidet/labels.json").read_text(encoding="utf-8"))
    assert "Apache-2.0" in listed["licence"]
    assert len(OTHERWISE) == 20
    assert set(OTHERWISE) <= set(listed["names"])
    assert set(OTHERWISE.values()) <= set(labels())


def test_words_of_prompts_are_labels_or_are_not() -> None:
    """Under T2I-CompBench's rules a prompt with one of the second kind scores 0 in the plane."""
    named = set(labels())
    assert named >= {"person", "dog", "car", "chair", "couch", "boat", "tv", "fish", "man", "woman"}
    assert not named & {"mouse", "sofa", "table", "wallet", "bag", "painting", "cow", "phone", "computer"}


def test_some_names_stand_there_twice() -> None:
    """Data sets mean different things by one name; whoever compares names takes both for one thing."""
    twice = [name for name, count in Counter(labels()).items() if count > 1]
    assert {"bottle", "oven", "traffic sign"} <= set(twice)
