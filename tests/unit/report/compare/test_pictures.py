"""Which pictures are shown, in which order, and what is said of them."""

import math
from pathlib import Path

from tessera.report.compare.pictures import Change, changed
from tessera.report.compare.read import read_evaluations
from tessera.report.compare.shared import share
from tests.unit.report.compare.conftest import record, shares, two, write_evaluation


def changes_of(*folders: Path, most: int = 12) -> tuple[list[Change], list[Change]]:
    evaluations = read_evaluations(folders)
    return changed(share(evaluations)[0], evaluations[0], evaluations[-1], most)


def test_the_largest_change_comes_first_and_what_broke_is_apart(tmp_path: Path) -> None:
    old = [record(n, s, soft=f) for n, s, f in (("a", 0, 0.8), ("b", 0, 0.1), ("c", 1, 1), ("d", 0, 0.2))]
    new = [record(n, s, soft=f) for n, s, f in (("a", 1, 1), ("b", 1, 1), ("c", 0, 0.4), ("d", 0, 0.5))]
    improved, broken = changes_of(*two(tmp_path, old, new))
    assert [each.prompt_id for each in improved] == ["color/b", "color/a", "color/d"]
    assert [each.prompt_id for each in broken] == ["color/c"]


def test_a_prompt_is_shown_once_and_no_more_than_asked_for(tmp_path: Path) -> None:
    old = [each for sample in (0, 1) for each in shares([0.0] * 5, sample=sample)]
    new = [each for sample in (0, 1) for each in shares([1.0] * 5, sample=sample)]
    folders = two(tmp_path, old, new)
    assert len(changes_of(*folders)[0]) == 5
    assert len(changes_of(*folders, most=2)[0]) == 2
    assert changes_of(*folders, most=0) == ([], [])


def test_of_equal_changes_the_categories_take_turns(tmp_path: Path) -> None:
    names = ("color", "shape", "count")
    old = [each for name in names for each in shares([0.0] * 4, category=name)]
    new = [each for name in names for each in shares([1.0] * 4, category=name)]
    improved, _ = changes_of(*two(tmp_path, old, new), most=6)
    assert [each.category for each in improved] == ["color", "shape", "count"] * 2


def test_facts_that_changed_are_told_apart_from_those_that_stayed(tmp_path: Path) -> None:
    old = [record("a", 0, soft=0.5, facts=(True, False)), record("b", 0, soft=0.0, facts=(False, False))]
    new = [record("a", 0, soft=0.5, facts=(False, True)), record("b", 0, soft=0.5, facts=(True, False))]
    improved, broken = changes_of(*two(tmp_path, old, new))
    assert [(each.prompt_id, each.gained, each.lost, each.neither) for each in improved] == [
        ("color/b", ("it is a ring",), (), ("it is red",))
    ]
    assert broken == []  # a swap of facts at the same score is neither
    assert improved[0].shots[1].score == "wrong, 1 of 2 facts"


def test_each_evaluation_has_its_column_and_what_it_lacks_is_said(tmp_path: Path) -> None:
    middle = [record("a", 0, sample=1), record("b", 0)]
    folders = [
        write_evaluation(tmp_path / "first", [record("a", 0), record("b", 0)]),
        write_evaluation(tmp_path / "middle", middle),
        write_evaluation(tmp_path / "last", [record("a", 1), record("b", 0)], pictures=False),
    ]
    shots = changes_of(*folders)[0][0].shots
    assert [(shot.name, shot.mark, shot.score, bool(shot.uri)) for shot in shots] == [
        ("first", "wrong", "wrong", True),
        ("middle", "open", "not drawn", False),
        ("last", "right", "right", False),
    ]


def test_a_score_that_is_no_verdict_is_shown_as_a_number(tmp_path: Path) -> None:
    old = shares([0.25, 0.5], benchmark="compbench")
    new = shares([0.75, 1.0], benchmark="compbench")
    improved, _ = changes_of(*two(tmp_path, old, new))
    assert [shot.score for shot in improved[0].shots] == ["0.2500", "0.7500"]
    assert {shot.mark for each in improved for shot in each.shots} == {"open"}


def test_what_was_not_graded_neither_gained_nor_lost(tmp_path: Path) -> None:
    old, new = shares([0.0, math.nan, 1.0]), shares([math.nan, 1.0, 1.0])
    assert changes_of(*two(tmp_path, old, new)) == ([], [])


def test_other_graders_show_no_changes(tmp_path: Path) -> None:
    folders = [
        write_evaluation(tmp_path / name, shares([right, right]), {"graders": {"mosaic-id": name}})
        for name, right in (("a", 0.0), ("b", 1.0))
    ]
    assert changes_of(*folders) == ([], [])


def test_a_record_that_points_out_of_its_folder_shows_nothing(tmp_path: Path) -> None:
    """An evaluation may come from somebody else: its page must not carry off other files."""
    old = write_evaluation(tmp_path / "old", [record("a", 0), record("b", 0)])
    new = write_evaluation(
        tmp_path / "new", [record("a", 1, picture="../old/pictures/mosaic-id/color/a-0.png"), record("b", 0)]
    )
    shots = changes_of(old, new)[0][0].shots
    assert [bool(shot.uri) for shot in shots] == [True, False]


def test_a_picture_is_found_where_its_record_says(tmp_path: Path) -> None:
    folders = two(
        tmp_path, shares([0.0, 0.0]), [record("thing 0", 1, picture="geneval/0.png"), *shares([0.0])[1:]]
    )
    assert (folders[1] / "geneval" / "0.png").is_file()
    assert changes_of(*folders)[0][0].shots[1].uri.startswith("data:image/")
