"""Benchmarks of the field: drawn and graded apart, resumable, by several processes, always the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tessera.benchmarks.drawing import DRAWN
from tessera.benchmarks.observed import Workers
from tessera.benchmarks.runner import EvalConfig, evaluate
from tessera.errors import UserError
from tessera.policies.base import PolicyModule
from tessera.policies.load import load_policy
from tessera.protocols import Observed
from tessera.storage import read_jsonl
from tessera.types import EvalRecord, View
from tests.architecture.source_tree import REPO
from tests.unit.benchmarks.brightness import Brightness, open_blind, open_brightness

SETTINGS = EvalConfig(view=View(), seed=3)


@pytest.fixture(scope="module")
def policy() -> PolicyModule:
    return load_policy("mosaic-blind")


@pytest.fixture(scope="module")
def alone(policy: PolicyModule, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    evaluate(policy, [Brightness()], SETTINGS, folder, batch_size=4)
    return folder


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_stand_in_keeps_the_contract() -> None:
    assert isinstance(Brightness(), Observed)


def test_pictures_and_files_lie_where_the_official_tool_looks(alone: Path) -> None:
    home = alone / "brightness"
    assert (home / "dim-00" / "prompt.txt").read_text() == "a dim picture, 0"
    assert len(list(home.glob("*/*.png"))) == 2 * 5 * 2
    assert json.loads((home / "official.json").read_text())[:2] == ["dim-00/0.png", "dim-00/1.png"]


def test_records_name_their_pictures_and_the_summary_has_the_official_numbers(alone: Path) -> None:
    records = [EvalRecord.from_json(row) for row in read_jsonl(alone / "eval.jsonl")]
    assert [record.prompt_id for record in records[:3]] == ["dim/00", "dim/00", "dim/01"]
    assert all((alone / record.picture).is_file() for record in records)
    summary = json.loads((alone / "summary.json").read_text())["brightness"]
    right = np.mean([record.grade.strict for record in records])
    assert summary["official"] == {"images": 20, "mean": pytest.approx(right)}
    assert summary["overall"]["mean"] == pytest.approx(right)  # as many pictures of every prompt


def test_tokens_are_decided_by_their_names_and_not_by_the_batch(
    alone: Path, policy: PolicyModule, tmp_path: Path
) -> None:
    evaluate(policy, [Brightness()], SETTINGS, tmp_path, batch_size=7)
    tokens = [[row["tokens"] for row in read_jsonl(each / "eval.jsonl")] for each in (tmp_path, alone)]
    assert tokens[0] == tokens[1]


def test_two_processes_leave_the_same_bytes_as_one(alone: Path, policy: PolicyModule, tmp_path: Path) -> None:
    workers = Workers(processes=2, policy=open_blind, benchmark=open_brightness)
    evaluate(policy, [Brightness()], SETTINGS, tmp_path, batch_size=4, workers=workers)
    assert bytes_of(tmp_path) == bytes_of(alone)


def test_a_changed_or_missing_picture_is_drawn_and_graded_again(
    alone: Path, policy: PolicyModule, tmp_path: Path
) -> None:
    benchmark = Brightness()
    evaluate(policy, [benchmark], SETTINGS, tmp_path, batch_size=4)
    home = tmp_path / "brightness"
    whole = (home / "dim-01" / "1.png").read_bytes()
    (home / "dim-01" / "1.png").write_bytes(whole[: len(whole) // 2])  # as a full disk leaves it
    (home / "glaring-03" / "0.png").unlink()
    benchmark.looked = 0
    evaluate(policy, [benchmark], SETTINGS, tmp_path, batch_size=4)
    assert bytes_of(tmp_path) == bytes_of(alone)
    assert benchmark.looked == 0  # drawn again they are what they were, and that was graded


def test_what_one_instrument_saw_is_not_taken_for_what_another_sees(
    policy: PolicyModule, tmp_path: Path
) -> None:
    evaluate(policy, [Brightness()], SETTINGS, tmp_path, batch_size=4)
    other = Brightness(instrument="another mean")
    evaluate(policy, [other], SETTINGS, tmp_path, batch_size=4)
    assert other.looked == 20
    assert {row["by"] for row in read_jsonl(tmp_path / "brightness" / "means.jsonl")} == {"another mean"}


def test_pieces_are_looked_at_whole_again_after_a_kill(
    alone: Path, policy: PolicyModule, tmp_path: Path
) -> None:
    benchmark = Brightness()
    evaluate(policy, [benchmark], SETTINGS, tmp_path, batch_size=4)
    path = tmp_path / "brightness" / "means.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:11]) + "\n" + lines[11][:20])  # killed within a line of the second piece
    benchmark.looked = 0
    evaluate(policy, [benchmark], SETTINGS, tmp_path, batch_size=4)
    assert benchmark.looked == 12  # pieces of 8, 8 and 4: the first was there
    assert bytes_of(tmp_path) == bytes_of(alone)


def test_a_picture_that_changes_between_drawing_and_grading_is_not_graded(
    policy: PolicyModule, tmp_path: Path
) -> None:
    class Meddling(Brightness):
        def digest(self) -> str:  # asked for after drawing, before looking
            path = tmp_path / "brightness" / "dim-00" / "0.png"
            if path.exists():
                Image.new("RGB", (128, 128)).save(path)
            return "meddling"

    with pytest.raises(UserError, match="changed while it was to be graded"):
        evaluate(policy, [Meddling()], SETTINGS, tmp_path, batch_size=4)


def test_killed_three_times_it_ends_with_the_same_bytes(alone: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from tessera.benchmarks.observed import Workers\n"
        "from tessera.benchmarks.runner import EvalConfig, evaluate\n"
        "from tessera.types import View\n"
        "from tests.unit.benchmarks.brightness import Brightness, open_blind\n"
        "evaluate(open_blind(0), [Brightness()], EvalConfig(view=View(), seed=3), Path(sys.argv[1]), "
        "batch_size=4)\n"
    )
    drawn = tmp_path / "brightness" / DRAWN
    for pictures in (4, 8, 16):  # killed when so many are there
        killed = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=REPO)
        end = time.monotonic() + 120
        while killed.poll() is None and time.monotonic() < end:
            if drawn.exists() and drawn.read_bytes().count(b"\n") >= pictures:
                os.kill(killed.pid, signal.SIGKILL)
            time.sleep(0.01)
        assert killed.wait() == -signal.SIGKILL
        assert not (tmp_path / "summary.json").exists()
    evaluate(load_policy("mosaic-blind"), [Brightness()], SETTINGS, tmp_path, batch_size=4)
    assert bytes_of(tmp_path) == bytes_of(alone)
