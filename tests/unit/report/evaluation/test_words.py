"""Numbers in the unit of their benchmark, and words that fit what was measured."""

from pathlib import Path

import pytest

from tessera.report.evaluation import evaluation_page
from tessera.report.theme import series_of
from tests.unit.report.evaluation.field import NAN, record, text_of, write_field


def test_verdicts_are_percent_and_scores_are_written_as_they_are(tmp_path: Path) -> None:
    facts = [("1 cow", True)]
    rows = [record(n % 2, n, facts=facts) for n in range(4)]
    rows += [record(0.3125, n, benchmark="compbench", category="color") for n in range(4)]
    write_field(tmp_path, rows)
    text = text_of(evaluation_page(tmp_path))
    assert "On geneval, 50 of 100 pictures" in text
    assert "show everything their prompt asks for. On compbench, pictures score 0.3125 on average" in text
    assert "50.0 % 0.0–100.0 of pictures are right" in text
    assert "0.3125 0.0672–0.7415 is the mean score, on average over 1 category" in text  # Wilson, 4 prompts
    assert "31.2" not in text


def test_scores_of_different_benchmarks_are_not_ranked(tmp_path: Path) -> None:
    rows = [record(0.25 * n, n, benchmark=name) for name in ("compbench", "mine") for n in range(4)]
    write_field(tmp_path, rows)
    text = text_of(evaluation_page(tmp_path))
    assert "hardest" not in text
    assert "pictures are right" not in text
    assert text.count("score 0.3750 on average") == 2


def test_a_scorers_own_scale_has_four_figures_and_may_leave_zero_to_one(tmp_path: Path) -> None:
    write_field(tmp_path, [record(21.0 + n, n, benchmark="mine") for n in range(4)])
    page = evaluation_page(tmp_path)
    assert "pictures score 22.50 on average" in text_of(page)
    assert "2250" not in page


def test_a_score_behind_a_verdict_is_no_share_of_facts(tmp_path: Path) -> None:
    rows = [record(float(n > 1), n, benchmark="mine", soft=20.0 + n) for n in range(4)]
    write_field(tmp_path, rows)
    text = text_of(evaluation_page(tmp_path))
    assert "On mine, 50 of 100 pictures" in text
    assert "are right." in text
    assert "mean score 21.50" in text
    assert "facts" not in text
    assert "Wrong pictures that have the highest score" in text


def test_wrong_pictures_without_any_order_are_not_ranked(tmp_path: Path) -> None:
    write_field(tmp_path, [record(0.0, n, benchmark="mine") for n in range(4)])
    page = evaluation_page(tmp_path)
    assert 'id="closest"' not in page
    assert 'id="worst"' not in page


@pytest.mark.parametrize(
    ("benchmark", "series"),
    [
        ("mosaic-id", "in-domain"),
        ("mosaic-ood", "out-of-domain"),
        ("geneval", "neutral"),
        ("compbench", "neutral"),
        ("my-id", "neutral"),  # a file's name says nothing about training
        ("my-ood", "neutral"),
    ],
)
def test_only_of_mosaic_is_it_known_what_training_has_seen(benchmark: str, series: str) -> None:
    assert series_of(benchmark) == series


def test_missing_pictures_are_counted_per_category(tmp_path: Path) -> None:
    rows = [record(1.0, n, facts=[("1 cow", True)]) for n in range(3)]
    rows += [record(NAN, 3, reason="torn file"), record(NAN, 0, category="position", reason="torn file")]
    rows += [record(1.0, 1, category="position", facts=[("1 cow", True)])]
    write_field(tmp_path, rows)
    text = text_of(evaluation_page(tmp_path))
    assert "counting 3 of these 4 right" in text
    assert "; 1 not graded" in text
    assert "category prompts pictures not graded strict" in text
    table = "".join(text.split())
    assert "counting341100.0%" in table
    assert "position121100.0%" in table
    assert "torn file" in text
