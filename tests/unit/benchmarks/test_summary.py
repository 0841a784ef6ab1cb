"""Verdicts add up as said: prompts count once, categories count alike, missing is not zero."""

import math

from tessera.benchmarks.summary import summarise
from tessera.types import EvalRecord, Fact, Grade


def record(category: str, prompt: str, sample: int, strict: float, soft: float = 0.5) -> EvalRecord:
    """Returns a record with one fact that holds if strict is 1."""
    facts = () if math.isnan(strict) else (Fact(kind="color", text="red", holds=strict == 1),)
    return EvalRecord(
        benchmark="b",
        category=category,
        prompt_id=f"{category}/{prompt}",
        prompt=prompt,
        sample=sample,
        seed=0,
        grade=Grade(strict=float(strict), soft=soft, facts=facts),
        tokens=(),
    )


def test_prompts_count_once_and_categories_count_alike() -> None:
    records = [
        # Category x: prompt p is right in 1 of 3 pictures, prompt q in its only one: mean (1/3 + 1)/2 = 2/3.
        record("x", "p", 0, 1),
        record("x", "p", 1, 0),
        record("x", "p", 2, 0),
        record("x", "q", 0, 1),
        # Category y: one prompt, wrong.
        record("y", "p", 0, 0),
    ]
    summary = summarise(records, {"b": ("x", "y")})["b"]
    assert math.isclose(summary["categories"]["x"]["mean"], 2 / 3)
    assert summary["categories"]["y"]["mean"] == 0
    assert math.isclose(summary["overall"]["mean"], 1 / 3)
    assert summary["overall"]["n"] == 3
    assert summary["soft"]["overall"]["mean"] == 0.5
    assert summary["facts"] == {"color": {"mean": 0.4, "n": 5}}
    assert (summary["images"], summary["missing"]) == (5, 0)


def test_a_picture_that_could_not_be_graded_is_counted_and_is_not_a_zero() -> None:
    records = [record("x", "p", 0, 1), record("x", "p", 1, math.nan, math.nan), record("x", "q", 0, math.nan)]
    summary = summarise(records, {"b": ("x",)})["b"]
    assert summary["categories"]["x"]["mean"] == 1
    assert summary["categories"]["x"]["n"] == 1
    assert summary["missing"] == 2


def test_a_category_without_pictures_is_unknown_not_zero() -> None:
    summary = summarise([record("x", "p", 0, 1)], {"b": ("x", "y")})["b"]
    assert summary["categories"]["y"] == {"mean": None, "ci_low": None, "ci_high": None, "n": 0}
    assert summary["overall"]["mean"] is None
