"""WISE's rules: ranges, how answers are read, what they are worth, and the published sums."""

import math

import pytest

from tessera.benchmarks.wise.rules import CATEGORIES, LAST, MARKS, WEIGHTS, category_of, judged, overall
from tessera.benchmarks.wise.settings import Edition
from tests.unit.benchmarks.wise.made import NUMBERS

EDITIONS: tuple[Edition, ...] = ("verified", "legacy")


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_number_of_a_prompt_tells_its_category(edition: Edition) -> None:
    found = [category_of(edition, number) for number in NUMBERS[edition]]
    assert found == [name for name in CATEGORIES for _ in range(2)]


@pytest.mark.parametrize(
    ("edition", "counts"),
    [("verified", [400, 120, 120, 120, 120, 120]), ("legacy", [400, 167, 133, 100, 100, 100])],
)
def test_categories_have_the_published_sizes_and_weights_in_proportion(
    edition: Edition, counts: list[int]
) -> None:
    found = [category_of(edition, number) for number in range(1, 1001)]
    assert [found.count(name) for name in CATEGORIES] == counts
    assert [weight * 1000 for weight in WEIGHTS[edition]] == pytest.approx(counts)
    assert sum(WEIGHTS[edition]) == pytest.approx(1)
    assert sum(MARKS[edition].values()) == pytest.approx(1)
    assert len(LAST[edition]) == len(CATEGORIES)


@pytest.mark.parametrize(
    ("edition", "means", "published"),
    [  # tables of the READMEs: NanoBanana-Pro, GPT-Image-1.5, QwenImage; FLUX.1-dev, Janus-Pro-7B
        ("verified", (0.8975, 0.8167, 0.9333, 0.8167, 0.8667, 0.8750), 0.8760),
        ("verified", (0.8900, 0.6917, 0.8833, 0.8000, 0.7583, 0.7750), 0.8250),
        ("verified", (0.6275, 0.5250, 0.5583, 0.3417, 0.4833, 0.2500), 0.5100),
        ("legacy", (0.48, 0.58, 0.62, 0.42, 0.51, 0.35), 0.50),
        ("legacy", (0.30, 0.37, 0.49, 0.36, 0.42, 0.26), 0.35),
    ],
)
def test_the_overall_score_is_that_of_the_published_tables(
    edition: Edition, means: tuple[float, ...], published: float
) -> None:
    places = 4 if edition == "verified" else 2
    assert round(overall(edition, dict(zip(CATEGORIES, means, strict=True))), places) == published


def test_a_category_without_a_mean_leaves_no_overall_score() -> None:
    means: dict[str, float] = dict.fromkeys(CATEGORIES, 0.5)
    assert overall("verified", means) == pytest.approx(0.5)
    assert math.isnan(overall("verified", {**means, "space": math.nan}))


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("Score: 1", 1.0),
        ("Score: 0", 0.0),
        ("**Score:** 1", 1.0),
        ("**Score**: 1.", 1.0),
        ("score：[1]", 1.0),
        ("The bridge is there.\n\nScore: 1/1", 1.0),
        ("At first I would say Score: 1, but the date is wrong. Score: 0", 0.0),
    ],
)
def test_a_verified_answer_is_read(answer: str, score: float) -> None:
    grade = judged("verified", answer)
    assert (grade.strict, grade.soft, grade.reason) == (score, score, "")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Yes.",
        "Score: 2",
        "Score: 10",
        "Score: 0.5",
        "Score: -1",
        "Score: 1/2",
        "Score: one",
        "WiScore: 1",
    ],
)
def test_a_verified_answer_without_a_mark_is_missing_and_is_the_reason(answer: str) -> None:
    grade = judged("verified", answer)
    assert math.isnan(grade.strict)
    assert math.isnan(grade.soft)
    assert grade.reason == f"no 'Score: 0 or 1' in the answer {answer!r}"


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("Consistency: 2\nRealism: 1\nAesthetic Quality: 0", (0.7 * 2 + 0.2 * 1 + 0.1 * 0) / 2),
        ("**Consistency:** 0\n**Realism:** 2\n**Aesthetic Quality:** 1", (0.2 * 2 + 0.1 * 1) / 2),
        ("aesthetic quality: 2/2, realism 2/2, consistency 2 out of 2", 1.0),
        ("Consistency: 2 Realism: 0 Aesthetic Quality: 0 ... Consistency: 1", 0.35),
    ],
)
def test_a_legacy_answer_is_worth_its_weighted_marks(answer: str, score: float) -> None:
    assert judged("legacy", answer).strict == pytest.approx(score)


@pytest.mark.parametrize(
    ("answer", "lacking"),
    [
        ("Consistency: 2\nRealism: 1", "Aesthetic Quality"),
        ("Consistency: 3\nRealism: 1\nAesthetic Quality: 0", "Consistency"),
        ("Consistency: 2\nRealism: 1.5\nAesthetic Quality: 0", "Realism"),
        ("Consistency (0-2): 2\nRealism: 1\nAesthetic Quality: 0", "Consistency"),
    ],
)
def test_a_legacy_answer_needs_all_three_marks(answer: str, lacking: str) -> None:
    grade = judged("legacy", answer)
    assert math.isnan(grade.strict)
    assert grade.reason.startswith(f"no '{lacking}: 0 or 1 or 2' in the answer 'Consistency")
