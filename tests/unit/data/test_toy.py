"""The shipped prompts for trials: 64 different ones in four kinds, as a source that can be narrowed."""

from collections import Counter

import pytest

from tessera.data.sources import load_source
from tessera.data.toy import toy_prompts
from tessera.errors import UserError


def test_there_are_sixteen_different_prompts_of_each_of_four_kinds() -> None:
    prompts = toy_prompts()
    assert Counter(prompt.category for prompt in prompts) == dict.fromkeys(
        ("color", "shape", "texture", "spatial"), 16
    )
    assert len({prompt.text for prompt in prompts}) == len({prompt.id for prompt in prompts}) == 64


def test_two_things_of_a_prompt_never_share_the_word() -> None:
    for prompt in toy_prompts():
        if prompt.category != "spatial":
            first, second = prompt.text.split(" and ")
            assert first.split()[1] != second.split()[1]


def test_they_are_a_source_by_name() -> None:
    assert len(load_source("toy").prompts() or ()) == 64
    assert load_source("toy:shape").categories == ("shape",)
    with pytest.raises(UserError, match="unknown category"):
        load_source("toy:shade")
