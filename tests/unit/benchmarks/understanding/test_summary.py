"""Accuracy and its change, against numbers by hand."""

import math
from typing import Any

import pytest

from tessera.benchmarks.understanding.summary import summarise_answers
from tessera.report.understanding import understanding_lines, understanding_section

NAN = math.nan


def rows(values: dict[str, list[float]], digest: str = "d") -> list[dict[str, Any]]:
    """Returns rows of questions by picture; its first letter is its category."""
    return [
        {
            "policy_digest": digest,
            "image": image,
            "category": image[0],
            "correct": value,
            "contained": value,
        }
        for image, given in values.items()
        for value in given
    ]


BASE = rows({"a1": [1, 1], "a2": [1, 0], "b1": [1], "b2": [1], "b3": [0]})
TRAINED = rows({"a1": [1, 0], "a2": [0, 0], "b1": [1], "b2": [1], "b3": [0]})


def test_a_picture_counts_once_and_categories_count_alike() -> None:
    summary = summarise_answers({"base": BASE})
    base = summary["policies"]["base"]
    assert base["categories"]["a"]["mean"] == pytest.approx((1 + 0.5) / 2)
    assert base["categories"]["b"]["mean"] == pytest.approx(2 / 3)
    assert base["overall"]["mean"] == pytest.approx((0.75 + 2 / 3) / 2)
    assert (base["questions"], base["pictures"], base["right"], base["missing"]) == (7, 5, 5, 0)
    assert summary["differences"] == {}


def test_the_difference_is_paired() -> None:
    change = summarise_answers({"base": BASE, "run": TRAINED})["differences"]["run"]
    assert change["from"] == "base"
    assert change["overall"]["value"] == pytest.approx((0.25 - 0.75) / 2)  # b has not changed
    assert change["categories"]["a"]["value"] == pytest.approx(-0.5)
    assert change["categories"]["b"]["value"] == pytest.approx(0.0)
    assert (change["gained"], change["lost"]) == (0, 2)
    assert change["overall"]["ci_low"] < -0.25 < change["overall"]["ci_high"]


def test_a_question_that_one_policy_has_no_answer_to_leaves_the_difference() -> None:
    """By hand: without it, picture a1 has one question, which both have right."""
    base = rows({"a1": [1, 1], "a2": [1, 0]})
    run = rows({"a1": [1, NAN], "a2": [0, 0]})
    summary = summarise_answers({"base": base, "run": run})
    assert summary["policies"]["run"]["missing"] == 1
    assert summary["differences"]["run"]["overall"]["value"] == pytest.approx(((1 - 1) + (0 - 0.5)) / 2)


def test_null_of_a_file_read_back_is_missing() -> None:
    run = [{**row, "correct": None} if row["image"] == "b3" else row for row in TRAINED]
    assert summarise_answers({"run": run})["policies"]["run"]["missing"] == 1


def test_lines_say_accuracy_and_change() -> None:
    summary = summarise_answers({"base": BASE, "run<1>": TRAINED})
    lines = understanding_lines(summary)
    assert any(line.startswith("base ") and "70.8" in line and "5 of 7" in line for line in lines)
    assert lines[-1].startswith("run<1> against base: -25.0 points (")
    assert lines[-1].endswith("0 gained, 2 lost")
    section = understanding_section(summary)
    assert "<th scope=row>run&lt;1&gt;</th>" in section
    assert "-25.0 points" in section


def test_a_change_that_rests_on_one_picture_is_not_known() -> None:
    one = summarise_answers({"base": rows({"a1": [1]}), "run": rows({"a1": [0]})})
    assert "not known" in understanding_lines(one)[-1]
