"""What evaluations share, and that every other difference between them is said."""

import math
from pathlib import Path

import pytest

from tessera.errors import UserError
from tessera.report.compare.read import read_evaluations
from tessera.report.compare.shared import Shared, share
from tests.unit.report.compare.conftest import record, shares, two, write_evaluation


def shared_of(*folders: Path) -> tuple[list[Shared], str]:
    found, remarks = share(read_evaluations(folders))
    return found, " ".join(remarks)


def test_equal_settings_and_prompts_leave_one_remark(tmp_path: Path) -> None:
    (shared,), remarks = shared_of(*two(tmp_path, shares([0.0, 1.0]), shares([1.0, 1.0])))
    assert remarks == "Weights, view, seed and version of tessera are the same."
    assert list(shared.prompts) == ["color/thing 0", "color/thing 1"]
    assert shared.same_grader


def test_settings_that_differ_are_said_with_their_values(tmp_path: Path) -> None:
    view = {"guidance": 1.0, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
    folders = two(tmp_path, shares([0.0, 1.0]), shares([1.0, 1.0]), view=view, seed=3)
    assert "They differ in guidance (old: 3, new: 1) and seed (old: 0, new: 3)." in shared_of(*folders)[1]


def test_other_weights_under_another_view_are_said_to_be_confounded(tmp_path: Path) -> None:
    more = {"policy_digest": "ffff", "view": {"guidance": 1.0, "temperature": 1.0, "top_k": 0, "top_p": 1.0}}
    folders = two(tmp_path, shares([0.0, 1.0]), shares([1.0, 1.0]), **more)
    assert "a difference between them is of weights and view together" in shared_of(*folders)[1]


def test_prompts_of_one_alone_and_texts_that_changed_leave(tmp_path: Path) -> None:
    old = shares([0.0, 1.0, 1.0, 0.0])
    new = [*shares([0.0, 1.0]), record("thing 2", 1.0, prompt="something else")]
    (shared,), remarks = shared_of(*two(tmp_path, old, new))
    assert list(shared.prompts) == ["color/thing 0", "color/thing 1"]
    assert "1 prompt has the same id and another text" in remarks
    assert "2 prompts are compared: old has 2 more and new has 1 more." in remarks


def test_a_category_that_one_lacks_is_said_to_leave_the_overall_score(tmp_path: Path) -> None:
    old = [*shares([0.0, 1.0]), *shares([1.0, 1.0], category="shape")]
    (shared,), remarks = shared_of(*two(tmp_path, old, shares([1.0, 1.0])))
    assert shared.categories == ("color",)
    assert "overall score of mosaic-id is without shape" in remarks


def test_a_benchmark_of_one_alone_is_left_out_and_of_two_in_three_is_kept(tmp_path: Path) -> None:
    other = shares([0.0, 1.0], benchmark="geneval")
    first = write_evaluation(tmp_path / "a", [*shares([0.0, 1.0]), *other])
    second = write_evaluation(tmp_path / "b", [*shares([0.0, 1.0]), *other])
    third = write_evaluation(tmp_path / "c", [*shares([0.0, 1.0]), *shares([1.0, 0.0], benchmark="x")])
    found, remarks = shared_of(first, second, third)
    assert [(each.benchmark, len(each.members)) for each in found] == [("mosaic-id", 3), ("geneval", 2)]
    assert "c has no geneval." in remarks
    assert "Only c has x, so it is left out." in remarks


def test_nothing_shared_is_an_error_that_says_who_has_what(tmp_path: Path) -> None:
    folders = two(tmp_path, shares([0.0, 1.0]), shares([0.0, 1.0], benchmark="geneval"))
    with pytest.raises(UserError, match=r"old has mosaic-id; new has geneval.*--benchmark"):
        shared_of(*folders)


def test_other_seeds_and_counts_and_missing_grades_are_said(tmp_path: Path) -> None:
    new = [*shares([0.0, math.nan], seed=8), *shares([1.0, 1.0], sample=1)]
    remarks = shared_of(*two(tmp_path, shares([0.0, 1.0]), new))[1]
    assert "pictures per prompt differ (old: 1, new: 2)" in remarks
    assert "new was drawn from other seeds than old: differences are paired by prompt, not by draw" in remarks
    assert "1 of 4 pictures of new could not be graded" in remarks


def test_other_graders_are_told_by_digest_and_by_title(tmp_path: Path) -> None:
    rows = shares([0.0, 1.0], benchmark="geneval")
    plain = write_evaluation(tmp_path / "a", rows, {"graders": {"geneval": "11"}})
    other = write_evaluation(tmp_path / "b", rows, {"graders": {"geneval": "22"}})
    (shared,), remarks = shared_of(plain, other)
    assert not shared.same_grader
    assert "different graders (a: 11, b: 22): scores are shown, and no difference is taken" in remarks
    titled = [
        write_evaluation(tmp_path / name, rows, titles={"geneval": title})
        for name, title in (("c", "GenEval"), ("d", "GenEval (HF detector)"))
    ]
    (shared,), _ = shared_of(*titled)
    assert not shared.same_grader
    assert shared.title == "geneval: GenEval, GenEval (HF detector)"
