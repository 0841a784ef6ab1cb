"""What counts as right: words after smoothing, and the likeliest choice."""

import math

import pytest

from tessera.benchmarks.understanding.verdict import judge_choices, judge_words, smoothed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Cup.", "cup"),
        ("  two   RED circles!", "2 red circles"),
        ("3.5 m, not 4.", "3.5 m not 4"),
        ("A", "a"),
        ("don’t", "don t"),
        ("ﬁve", "5"),
        ("", ""),
    ],
)
def test_smoothing_takes_case_punctuation_and_articles(text: str, words: str) -> None:
    assert smoothed(text) == words


@pytest.mark.parametrize(
    ("said", "correct", "contained"),
    [
        ("A cup.", 1.0, 1.0),
        ("It is a cup, I think.", 0.0, 1.0),
        ("cupboard", 0.0, 0.0),
        ("", 0.0, 0.0),
        ("mug", 1.0, 1.0),
    ],
)
def test_one_accepted_answer_is_enough_and_words_around_it_are_not(
    said: str, correct: float, contained: float
) -> None:
    verdict = judge_words(said, ["the cup", "mug"])
    assert (verdict.correct, verdict.contained, verdict.answer) == (correct, contained, said)


def test_the_likeliest_choice_counts() -> None:
    assert judge_choices([-2.0, -1.0], ["yes", "no"], ["no"]).correct == 1.0
    wrong = judge_choices([-0.5, -1.0], ["yes", "no"], ["no"])
    assert (wrong.correct, wrong.answer) == (0.0, "yes")


def test_a_tie_with_a_wrong_choice_is_no_knowledge() -> None:
    assert judge_choices([-1.0, -1.0], ["no", "yes"], ["no"]).correct == 0.0
    assert judge_choices([-1.0, -1.0, -3.0], ["no", "none", "yes"], ["no", "none"]).correct == 1.0


def test_a_likelihood_that_is_no_number_is_missing_with_a_reason() -> None:
    verdict = judge_choices([-1.0, math.nan], ["yes", "no"], ["yes"])
    assert math.isnan(verdict.correct)
    assert "no finite likelihood" in verdict.reason
