"""Evaluation folders: their names in tables, and what is refused in one sentence."""

from pathlib import Path

import pytest

from tessera.benchmarks.layout import RECORDS, SUMMARY
from tessera.errors import UserError
from tessera.report.compare.read import read_evaluations
from tests.unit.report.compare.conftest import record, shares, two, write_evaluation


def refused(folders: list[Path], names: tuple[str, ...] = ()) -> str:
    with pytest.raises(UserError) as caught:
        read_evaluations(folders, names)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_records_come_back_by_what_they_were_drawn_for(tmp_path: Path) -> None:
    old, new = two(tmp_path, shares([0.0, 1.0]), shares([1.0, 1.0]))
    first, last = read_evaluations([old, new])
    assert (first.name, last.name) == ("old", "new")
    assert last.records["mosaic-id", "color/thing 0", 0].grade.strict == 1
    assert first.categories == {"mosaic-id": ["color"]}


def test_folders_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    folders = [write_evaluation(tmp_path / run / "eval", shares([1.0, 0.0])) for run in ("a", "b")]
    assert [each.name for each in read_evaluations(folders)] == ["a/eval", "b/eval"]
    assert [each.name for each in read_evaluations(folders, ("x", "y"))] == ["x", "y"]


def test_one_folder_or_the_same_one_twice_is_no_comparison(tmp_path: Path) -> None:
    old = write_evaluation(tmp_path / "old", shares([1.0, 0.0]))
    assert "two evaluation folders or more, got 1" in refused([old])
    assert "named twice" in refused([old, tmp_path / "." / "old"])


def test_names_must_be_as_many_as_folders_and_differ(tmp_path: Path) -> None:
    folders = list(two(tmp_path, shares([1.0, 0.0]), shares([1.0, 0.0])))
    assert "1 names for 2 folders" in refused(folders, ("x",))
    assert "the same name" in refused(folders, ("x", "x"))


def test_a_folder_that_is_no_evaluation_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    old = write_evaluation(tmp_path / "old", shares([1.0, 0.0]))
    (tmp_path / "run").mkdir()
    assert "it has no config.json; `tessera eval" in refused([old, tmp_path / "run"])
    (tmp_path / "late.partial").mkdir()
    assert "late.partial is unfinished" in refused([old, tmp_path / "late"])


def test_a_torn_line_is_named(tmp_path: Path) -> None:
    old, new = two(tmp_path, shares([0.0, 1.0]), shares([1.0, 1.0]))
    whole = (new / RECORDS).read_text()
    (new / RECORDS).write_text(whole[:-20])
    assert f"{new / RECORDS}: line 2 is torn" in refused([old, new])
    (new / RECORDS).write_text(whole + '{"step": 3}\n')
    assert "line 3 is torn or no record" in refused([old, new])


def test_a_summary_that_is_none_is_refused(tmp_path: Path) -> None:
    old, new = two(tmp_path, shares([0.0, 1.0]), shares([1.0, 1.0]))
    (new / SUMMARY).write_text('{"mosaic-id": ')
    assert "is not whole" in refused([old, new])
    (new / SUMMARY).write_text('{"mosaic-id": 3}')
    assert "is no summary" in refused([old, new])


def test_of_two_lines_of_one_picture_the_later_one_counts(tmp_path: Path) -> None:
    rows = [record("ring", 0.0), record("ring", 1.0), record("heart", 0.0)]
    old, new = two(tmp_path, shares([0.0, 1.0]), rows)
    last = read_evaluations([old, new])[1]
    assert len(last.records) == 2
    assert last.records["mosaic-id", "color/ring", 0].grade.strict == 1
