"""Scores as text: percent, and four decimals where the field prints them."""

import math

import pytest

from tessera.report.units import PERCENT, PLAIN, own_unit, unit_of


def test_the_unit_is_a_property_of_the_benchmarks_name() -> None:
    assert unit_of("mosaic-ood+counts") is unit_of("geneval") is PERCENT
    assert unit_of("compbench") is unit_of("compbench-color") is unit_of("t2i-compbench") is PLAIN


def test_numbers_are_printed_with_their_digits_and_signs() -> None:
    assert (PERCENT.value(0.625), PLAIN.value(0.63594)) == ("62.5", "0.6359")
    assert (PERCENT.signed(0.125), PERCENT.signed(-0.125), PLAIN.signed(-0.01)) == (
        "+12.5",
        "−12.5",
        "−0.0100",
    )
    assert PERCENT.interval(0.45, 0.792) == "45.0–79.2"
    assert PERCENT.signed_interval(-0.042, 0.292) == "−4.2 to +29.2"


def test_what_rounds_to_zero_has_no_sign() -> None:
    assert PERCENT.signed(-0.0001) == PERCENT.signed(0.0) == "0.0"


def test_what_is_not_known_is_no_number() -> None:
    assert PERCENT.value(math.nan) == PERCENT.signed(math.nan) == "–"
    assert PERCENT.interval(math.nan, 0.5) == PERCENT.signed_interval(0.5, math.nan) == ""


@pytest.mark.parametrize(("text", "shown"), [("0.98", "98"), ("0.435", "43.5"), ("1.00", "100")])
def test_published_numbers_keep_the_digits_they_were_printed_with(text: str, shown: str) -> None:
    assert PERCENT.published(text) == shown
    assert PLAIN.published(text) == text


def test_grades_tell_whether_numbers_are_verdicts() -> None:
    assert unit_of("mine", [0.0, 1.0, math.nan]) is PERCENT
    assert unit_of("mine", [0.0, 0.5]) == PLAIN
    assert unit_of("compbench", [0.0, 1.0]) is PLAIN


@pytest.mark.parametrize(
    ("largest", "text"),
    [(0.27, "0.2500"), (-1.9, "0.250"), (21.5, "0.25"), (54321.0, "0"), (math.nan, "0.2500")],
)
def test_a_scorers_own_unit_has_four_figures_of_the_largest_score(largest: float, text: str) -> None:
    assert own_unit([0.25, largest, math.nan]).value(0.25) == text


def test_a_number_that_stands_alone_has_its_sign() -> None:
    assert PERCENT.alone(0.625) == "62.5\N{NARROW NO-BREAK SPACE}%"
    assert PLAIN.alone(0.625) == "0.6250"
