"""The frozen records: a senseless view is refused, and a graded picture survives its line of JSON."""

import json
import math
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessera.errors import UserError
from tessera.types import EvalRecord, Fact, Grade, View


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"guidance": -0.5}, "guidance must be 0 or more, got -0.5; 1 turns guidance off"),
        ({"guidance": math.nan}, "guidance must be 0 or more, got nan"),
        (
            {"temperature": 0.0},
            "temperature must be above 0, got 0.0; for the likeliest tokens use --top-k 1",
        ),
        ({"temperature": math.nan}, "temperature must be above 0, got nan"),
        ({"top_k": -1}, "top-k must be 0 .off. or a count of tokens, got -1"),
        ({"top_p": 0.0}, r"top-p must lie in \(0, 1\], got 0.0; 1 turns it off"),
        ({"top_p": 1.5}, r"top-p must lie in \(0, 1\], got 1.5"),
        ({"top_p": math.nan}, r"top-p must lie in \(0, 1\], got nan"),
    ],
)
def test_a_view_without_meaning_is_refused_with_the_way_out(fields: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        replace(View(), **fields)


@given(
    st.floats(0, 20),
    st.floats(0, 10, exclude_min=True),
    st.integers(0, 10**6),
    st.floats(0, 1, exclude_min=True),
)
def test_every_other_view_is_accepted(guidance: float, temperature: float, top_k: int, top_p: float) -> None:
    view = View(guidance=guidance, temperature=temperature, top_k=top_k, top_p=top_p)
    assert view.guided == (guidance != 1)


def test_the_conditional_view_differs_in_guidance_alone() -> None:
    view = View(guidance=3.0, temperature=0.7, top_k=5, top_p=0.9)
    assert view.guided
    assert view.conditional() == View(guidance=1.0, temperature=0.7, top_k=5, top_p=0.9)
    assert not view.conditional().guided


def test_a_view_is_the_plain_distribution_unless_told_otherwise() -> None:
    assert View() == View(guidance=1.0, temperature=1.0, top_k=0, top_p=1.0)


def test_a_view_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        View().guidance = 2.0  # pyright: ignore[reportAttributeAccessIssue]


# Plain fields, built into records inside the test: the shape checker draws from `random` when it looks into a
# tuple, and hypothesis refuses that inside a strategy.
FACTS = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=9), st.booleans()), max_size=3)


@given(
    FACTS, st.floats(0, 1), st.floats(0, 1), st.text(), st.integers(0, 2**63 - 1), st.lists(st.integers(0))
)
def test_a_record_survives_a_line_of_json(
    facts: list[tuple[str, str, bool]], strict: float, soft: float, text: str, seed: int, tokens: list[int]
) -> None:
    record = EvalRecord(
        benchmark="mosaic-id",
        category=text,
        prompt_id=text,
        prompt=text,
        sample=3,
        seed=seed,
        grade=Grade(
            strict=strict,
            soft=soft,
            facts=tuple(Fact(kind=kind, text=words, holds=holds) for kind, words, holds in facts),
            reason=text,
        ),
        tokens=tuple(tokens),
    )
    line = json.dumps(record.to_json())
    assert "\n" not in line
    assert EvalRecord.from_json(json.loads(line)) == record


@pytest.mark.parametrize("written", [None, math.nan])
def test_a_missing_grade_is_read_as_nan(written: float | None) -> None:
    """NaN is 'could not be graded', null in a line of JSON; read as 0 it would be a measurement."""
    row = {
        "benchmark": "mosaic-id",
        "category": "color",
        "prompt_id": "color/1",
        "prompt": "a red circle",
        "sample": 0,
        "seed": 1,
        "grade": {"strict": written, "soft": written, "facts": [], "reason": "the grader did not answer"},
        "tokens": [1, 2],
    }
    grade = EvalRecord.from_json(json.loads(json.dumps(row))).grade
    assert math.isnan(grade.strict)
    assert math.isnan(grade.soft)
    assert grade.reason == "the grader did not answer"


def test_a_row_with_fields_of_another_release_is_refused() -> None:
    with pytest.raises(TypeError):
        EvalRecord.from_json({"colour": "red", "grade": {"strict": 1, "soft": 1, "facts": []}, "tokens": []})
