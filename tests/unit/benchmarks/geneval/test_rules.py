"""GenEval's rules: by hand, and against the published tool's own verdicts where they are at hand."""

import json
from typing import Any

import pytest

from tessera.benchmarks.geneval.official import summarised
from tessera.benchmarks.geneval.regrade import regraded
from tessera.benchmarks.geneval.rules import geneval
from tessera.errors import UserError
from tessera.scorers.detection.geneval import Seen
from tests.outside import outside


def seen(left: float, *, colour: str = "", score: float = 0.8) -> Seen:
    """Returns an object ten pixels wide that begins there."""
    return Seen(score=score, box=(left, 0.0, left + 10.0, 10.0), colour=colour)


def dogs(count: int, **more: Any) -> dict[str, Any]:
    return {"class": "dog", "count": count, **more}


@pytest.mark.parametrize(
    ("include", "exclude", "objects", "why"),
    [
        ([dogs(2)], [], {"dog": 2}, ""),
        ([dogs(2)], [], {"dog": 3}, ""),  # more is not wrong
        ([dogs(2)], [dogs(3)], {"dog": 3}, "expected dog<3, found 3"),
        ([dogs(2)], [], {"dog": 1}, "expected dog>=2, found 1"),
        ([dogs(1), {"class": "cat", "count": 1}], [], {"dog": 1}, "expected cat>=1, found 0"),
        ([dogs(2)], [dogs(1)], {"dog": 1}, "expected dog>=2, found 1\nexpected dog<1, found 1"),
        ([dogs(1)], [], {}, "expected dog>=1, found 0"),
    ],
)
def test_counts_are_reached_and_not_passed(
    include: list[Any], exclude: list[Any], objects: dict[str, int], why: str
) -> None:
    there = {name: [seen(20.0 * place) for place in range(count)] for name, count in objects.items()}
    grade = geneval({"include": include, "exclude": exclude}, there)
    assert (grade.strict, grade.reason) == (float(not why), why)


def test_the_most_confident_object_must_have_the_colour() -> None:
    asked = {"include": [dogs(1, color="red")]}
    red, blue = seen(0.0, colour="red"), seen(20.0, colour="blue")
    assert geneval(asked, {"dog": [red, blue]}).strict == 1
    wrong = geneval(asked, {"dog": [blue, red]})
    assert (wrong.strict, wrong.reason) == (0, "expected red dog>=1, found 0 red; and 1 blue")


def test_every_object_stands_so_to_every_target() -> None:
    asked = {"include": [{"class": "cat", "count": 1}, dogs(1, position=["left of", 0])]}
    assert geneval(asked, {"cat": [seen(100.0)], "dog": [seen(0.0)]}).strict == 1
    turned = geneval(asked, {"cat": [seen(0.0)], "dog": [seen(100.0)]})
    assert (turned.strict, turned.reason) == (0, "expected dog left of target, found right of target")
    assert geneval(asked, {"dog": [seen(0.0)]}).reason.endswith("no target for dog to be left of")
    assert geneval(asked, {"dog": [seen(0.0)]}).soft == 0


def test_all_verdicts_and_reasons_are_those_of_the_published_tool() -> None:
    vectors = json.loads(outside("fixtures/geneval_evaluate.json").read_text())
    rows = regraded([{"metadata": v["metadata"], "detected": v["detected"]} for v in vectors], "vectors")
    assert [(r["correct"], r["reason"]) for r in rows] == [(v["correct"], v["reason"]) for v in vectors]
    assert len(rows) == 200


def test_the_official_prompts_have_the_official_counts() -> None:
    listed = outside("geneval/evaluation_metadata.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in listed]
    rows = [{"metadata": line, "detected": {}} for line in lines for _ in range(4)]
    summary = summarised(regraded(rows, "official"))
    assert (summary["images"], summary["prompts"], summary["overall"]) == (2212, 553, 0)
    assert {tag: each["images"] // 4 for tag, each in summary["tags"].items()} == {
        "single_object": 80,
        "two_object": 99,
        "counting": 80,
        "colors": 94,
        "position": 100,
        "color_attr": 100,
    }


def test_the_overall_score_is_the_mean_of_the_tags_and_a_prompt_is_right_by_any_picture() -> None:
    def row(tag: str, prompt: str, correct: bool) -> dict[str, Any]:
        return {"tag": tag, "prompt": prompt, "correct": correct}

    summary = summarised(
        [
            row("counting", "a", True),
            row("counting", "a", False),
            row("counting", "b", False),
            row("colors", "c", True),
        ]
    )
    assert summary["tags"]["counting"]["mean"] == pytest.approx(1 / 3)
    assert summary["overall"] == pytest.approx((1 / 3 + 1) / 2)
    assert (summary["correct_images"], summary["correct_prompts"]) == (0.5, pytest.approx(2 / 3))
    assert list(summary["tags"]) == ["counting", "colors"]


def test_a_threshold_leaves_out_what_is_not_above_it() -> None:
    row = {
        "metadata": {"tag": "counting", "prompt": "two dogs", "include": [dogs(2)]},
        "detected": {"dog": [{"box": [0, 0, 9, 9, 0.5]}, {"box": [20, 0, 29, 9, 0.95]}]},
        "seed": 7,
    }
    (kept,), (cut,) = (
        regraded([row], "x", counting_threshold=0.4),
        regraded([row], "x", counting_threshold=0.5),
    )
    assert (kept["correct"], cut["correct"], cut["seed"]) == (True, False, 7)
    assert regraded([row], "x", threshold=0.99)[0]["correct"]  # that of the other tags


@pytest.mark.parametrize(
    "row", [{}, {"metadata": {"tag": "x"}, "detected": {"dog": [{"box": [1, 2]}]}}, {"metadata": 3}]
)
def test_a_row_of_another_form_is_told_by_its_number(row: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="x, row 1: expected"):
        regraded([row], "x")
