"""Output folders get their name when they are complete, and are never overwritten."""

import json
import os
from pathlib import Path

import pytest

from tessera.errors import OutputError
from tessera.storage import OutputFolder, append_jsonl, drop_torn_line, read_jsonl, write_atomic, write_json


def test_a_folder_gets_its_name_only_when_finished(tmp_path: Path) -> None:
    folder = OutputFolder.open(tmp_path / "run", {"seed": 1}, resume=False)
    (folder.work / "result.txt").write_text("done")
    assert not (tmp_path / "run").exists()
    folder.note({"seconds": 2.5})
    folder.finish()
    assert (tmp_path / "run" / "result.txt").read_text() == "done"
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == {"seed": 1, "seconds": 2.5}
    assert not (tmp_path / "run.partial").exists()


def test_an_existing_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("precious")
    with pytest.raises(OutputError, match=r"not empty.*--resume"):
        OutputFolder.open(tmp_path / "run", {}, resume=False)
    with pytest.raises(OutputError, match="was not made by this command"):
        OutputFolder.open(tmp_path / "run", {}, resume=True)
    assert (tmp_path / "run" / "mine.txt").read_text() == "precious"


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    OutputFolder.open(tmp_path / "run", {}, resume=False).finish()
    assert (tmp_path / "run" / "config.json").exists()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(OutputError, match="is a file"):
        OutputFolder.open(tmp_path / "run", {}, resume=False)


def test_an_unfinished_run_needs_resume_and_the_same_settings(tmp_path: Path) -> None:
    OutputFolder.open(tmp_path / "run", {"seed": 1}, resume=False)
    with pytest.raises(OutputError, match="unfinished run"):
        OutputFolder.open(tmp_path / "run", {"seed": 1}, resume=False)
    with pytest.raises(OutputError, match="seed=1, now it is 2"):
        OutputFolder.open(tmp_path / "run", {"seed": 2}, resume=True)
    assert not OutputFolder.open(tmp_path / "run", {"seed": 1}, resume=True).done


def test_a_finished_run_resumes_to_nothing_left_to_do(tmp_path: Path) -> None:
    folder = OutputFolder.open(tmp_path / "run", {"seed": 1, "view": (1, 2)}, resume=False)
    folder.note({"seconds": 3})
    folder.finish()
    assert OutputFolder.open(tmp_path / "run", {"seed": 1, "view": (1, 2)}, resume=True).done


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_place_is_a_users_mistake(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot write"):
        OutputFolder.open(tmp_path / "run", {}, resume=False)


def test_a_place_below_a_file_is_a_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        OutputFolder.open(tmp_path / "file" / "run", {}, resume=False)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"a": float("nan"), "b": [1.5]})
    assert json.loads(path.read_text()) == {"a": None, "b": [1.5]}
    with pytest.raises(TypeError):
        write_atomic(path, "text where bytes belong")  # pyright: ignore[reportArgumentType]
    assert json.loads(path.read_text())["b"] == [1.5]
    assert list(tmp_path.iterdir()) == [path]


def test_a_torn_last_line_is_cut_off_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_jsonl(path, [{"row": 1}, {"row": 2}])
    with path.open("a") as file:
        file.write('{"row": 3, "tok')
    drop_torn_line(path)
    append_jsonl(path, [{"row": 3}])
    assert [row["row"] for row in read_jsonl(path)] == [1, 2, 3]
