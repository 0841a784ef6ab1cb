"""The numbers: those of the summary where all is shared, and differences by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tessera.benchmarks.layout import SUMMARY
from tessera.report.compare.read import read_evaluations
from tessera.report.compare.scores import OVERALL, ScoreTable, score_table
from tessera.report.compare.shared import share
from tests.unit.report.compare.conftest import shares, two, write_evaluation


def table_of(*folders: Path) -> ScoreTable:
    return score_table(share(read_evaluations(folders))[0][0])


def test_scores_are_those_of_the_summary_where_all_prompts_are_shared(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = ("color", "shape")
    rows = [
        [
            each
            for name in names
            for sample in (0, 1)
            for each in shares(rng.integers(0, 2, 12).astype(float).tolist(), category=name, sample=sample)
        ]
        for _ in range(2)
    ]
    folders = two(tmp_path, *rows)
    table = table_of(*folders)
    assert table.columns == ("color", "shape", OVERALL)
    for folder, line in zip(folders, table.lines, strict=True):
        summary = json.loads((folder / SUMMARY).read_text())["mosaic-id"]
        assert line.scores[OVERALL].to_json() == summary["overall"]
        assert {name: line.scores[name].to_json() for name in names} == summary["categories"]


def test_a_difference_is_the_mean_over_categories_of_paired_differences(tmp_path: Path) -> None:
    # color: 2 of 4 become right; shape: 1 of 2 becomes wrong. Overall (1/2 - 1/2) / 2 = 0.
    old = [*shares([0.0, 0.0, 1.0, 1.0]), *shares([1.0, 1.0], category="shape")]
    new = [*shares([1.0, 1.0, 1.0, 1.0]), *shares([1.0, 0.0], category="shape")]
    table = table_of(*two(tmp_path, old, new))
    changes = table.lines[1].changes
    assert changes["color"].value == pytest.approx(0.5)
    assert changes["shape"].value == pytest.approx(-0.5)
    assert changes[OVERALL].value == pytest.approx(0.0)
    assert table.lines[0].changes == {}
    # Student's t at 3 degrees of freedom: 0.5 +- 3.1824 * sqrt((1/3) / 4)
    reach = 3.182446 * math.sqrt((1 / 3) / 4)
    assert changes["color"].ci_low == pytest.approx(0.5 - reach, abs=1e-4)
    assert changes["color"].ci_high == 1  # 1.42 is no possible difference


def test_pairs_match_by_prompt_whatever_the_order_of_the_files(tmp_path: Path) -> None:
    rows = shares([0.0, 1.0, 0.0, 1.0])
    table = table_of(*two(tmp_path, rows, rows[::-1]))
    assert table.lines[1].changes[OVERALL].error < 0.5
    assert table.lines[1].changes[OVERALL].value == 0
    assert table.best[OVERALL] == ()  # all equal: nobody is best


def test_marks_say_what_leaves_out_zero_and_what_survives_holm(tmp_path: Path) -> None:
    # Of 30 prompts: sure (25 become right), weak (5 do: t = 2.4, p = 0.02), none (0 do).
    old, new = [], []
    for name, gained in (("sure", 25), ("weak", 5), ("none", 0)):
        old += shares([0.0] * 30, category=name)
        new += shares([1.0] * gained + [0.0] * (30 - gained), category=name)
    table = table_of(*two(tmp_path, old, new))
    marks = table.lines[1].marks
    assert (marks["sure"], marks["none"]) == ("**", "")
    p = table.lines[1].changes["weak"].p_value()
    # The family has four members, and this one is the third smallest.
    assert 0.025 > p > 0.02
    assert marks["weak"] == ("**" if 2 * p < 0.05 else "*")
    assert table.best == {"sure": ("new",), "weak": ("new",), "none": (), OVERALL: ("new",)}
    assert table.level == ()


def test_a_difference_that_only_one_comparison_would_show_has_one_star(tmp_path: Path) -> None:
    old, new = [], []
    for name, gained in (("a", 5), ("b", 5), ("c", 5)):
        old += shares([0.0] * 30, category=name)
        new += shares([1.0] * gained + [0.0] * (30 - gained), category=name)
    marks = table_of(*two(tmp_path, old, new)).lines[1].marks
    assert marks == {"a": "*", "b": "*", "c": "*", OVERALL: "**"}  # 3 p > 0.05 for each of the three


def test_who_cannot_be_told_from_the_best_is_named(tmp_path: Path) -> None:
    rows = {"a": [0.0] * 20, "b": [1.0] * 18 + [0.0] * 2, "c": [1.0] * 19 + [0.0]}
    folders = [write_evaluation(tmp_path / name, shares(each)) for name, each in rows.items()]
    table = table_of(*folders)
    assert table.best[OVERALL] == ("c",)
    assert table.level == ("b",)


def test_other_graders_leave_scores_and_take_no_difference(tmp_path: Path) -> None:
    rows = shares([0.0, 1.0], benchmark="geneval")
    folders = [
        write_evaluation(tmp_path / name, rows, {"graders": {"geneval": digest}})
        for name, digest in (("a", "1"), ("b", "2"))
    ]
    table = table_of(*folders)
    assert not table.paired
    assert [line.changes for line in table.lines] == [{}, {}]
    assert table.best[OVERALL] == ()
    assert table.lines[1].scores[OVERALL].mean == 0.5


def test_what_was_not_graded_leaves_its_prompt(tmp_path: Path) -> None:
    table = table_of(*two(tmp_path, shares([0.0, 1.0, 1.0]), shares([math.nan, 1.0, 0.0])))
    assert table.lines[1].scores[OVERALL].mean == 0.5
    assert table.lines[1].scores[OVERALL].n == 2
    change = table.lines[1].changes[OVERALL]
    assert (change.value, change.prompts, change.dropped) == (-0.5, 2, 1)
