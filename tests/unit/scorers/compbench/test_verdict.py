"""Verdicts by category; attributes and the mean of a complex prompt by hand."""

import math
from typing import Any

import pytest

from tessera.scorers.compbench.settings import CATEGORIES
from tessera.scorers.compbench.verdict import verdict
from tests.unit.scorers.compbench.seen import answered, detected, prompt

PAIR = "a red car and a blue cat"


@pytest.mark.parametrize("category", ["color", "shape", "texture"])
@pytest.mark.parametrize("bugs", [True, False])
def test_attributes_are_the_rounded_product_of_the_answers(category: str, bugs: bool) -> None:
    seen = answered(PAIR, a_red_car=0.51236, a_blue_cat=0.31256)
    grade = verdict(prompt(PAIR, category), seen, official_bugs=bugs)
    assert grade.soft == grade.strict == round(0.5124 * 0.3126, 4)  # each to four decimals, then the product
    assert [(fact.text, fact.holds) for fact in grade.facts] == [("a red car", True), ("a blue cat", False)]


def test_at_most_eight_phrases_count() -> None:
    seen = answered(PAIR, **{f"thing_{n}": 0.5 for n in range(9)})
    assert verdict(prompt(PAIR, "color"), seen, official_bugs=False).soft == round(0.5**8, 4)


def test_an_answer_that_is_no_number_is_nan() -> None:
    grade = verdict(prompt(PAIR, "color"), answered(PAIR, a_red_car=None), official_bugs=False)
    assert math.isnan(grade.soft)
    assert "BLIP" in grade.reason


def test_non_spatial_is_the_cosine() -> None:
    seen = {**answered(PAIR), "similarity": 0.3125}
    assert verdict(prompt(PAIR, "non_spatial"), seen, official_bugs=True).soft == 0.3125


TEXT = "The red hat was on top of the old table."
PARTS = {
    **detected(TEXT, ("hat", 1.0, (200, 0, 240, 40)), ("table", 1.0, (200, 400, 240, 440))),
    "answers": [{"chunk": "The red hat", "yes": 0.5}],
    "similarity": 0.25,
}


@pytest.mark.parametrize(
    ("kind", "score"), [("spatial", (0.5 + 1) / 2), ("action", (0.5 + 0.25) / 2), ("spatialaction", 1.75 / 3)]
)
def test_a_complex_prompt_is_the_mean_of_what_its_kind_asks_for(kind: str, score: float) -> None:
    assert verdict(prompt(TEXT, "complex", kind=kind), PARTS, official_bugs=False).soft == pytest.approx(
        score
    )


def test_a_complex_prompt_without_a_kind_or_a_part_is_nan() -> None:
    assert "must say its kind" in verdict(prompt(TEXT, "complex"), PARTS, official_bugs=False).reason
    blind = {**PARTS, "answers": []}
    grade = verdict(prompt(TEXT, "complex", kind="spatial"), blind, official_bugs=False)
    assert math.isnan(grade.soft)
    assert grade.reason.startswith("attributes: the prompt has no noun phrase")


@pytest.mark.parametrize(
    ("seen", "bugs", "told"),
    [
        ({"problem": "too narrow"}, False, "too narrow"),
        ({"vocabulary": "open"}, True, "open vocabulary"),
    ],
)
def test_what_cannot_be_judged_is_nan_with_its_reason(seen: dict[str, Any], bugs: bool, told: str) -> None:
    for category in CATEGORIES:
        grade = verdict(prompt(PAIR, category), {**PARTS, **seen}, official_bugs=bugs)
        assert math.isnan(grade.soft)
        assert math.isnan(grade.strict)
        assert told in grade.reason


def test_another_category_is_none_of_its() -> None:
    assert "no category" in verdict(prompt(PAIR, "counting"), {}, official_bugs=False).reason
