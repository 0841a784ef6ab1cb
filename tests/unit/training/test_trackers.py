"""Trackers show what a run wrote, once, over all its sittings; a missing one is named with its remedy."""

import json
import sqlite3
import struct
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import psutil
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tessera.errors import UserError
from tessera.storage import append_jsonl
from tessera.training.metrics import forget_after, write_line
from tessera.training.trackers import check_trackers, curves, tracked

SCORES = {"mosaic-id": {"strict": {"mean": 0.25, "ci_low": 0.2}, "soft": {"mean": 0.5}}}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Returns a run folder that has been opened, and nothing else."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"steps": 6, "seed": 3}))
    return folder


def sit(run: Path, tracker: str, first: int, last: int, *, add: float = 0.0) -> None:
    """Takes steps in one sitting, as the loop does; rewards are a tenth of the step, plus `add`."""
    forget_after(run, first - 1 or -1)
    with tracked([tracker], run, quiet=True) as on_step:
        if first == 1:
            append_jsonl(run / "held_out.jsonl", [{"step": 0, **SCORES}])
        for step in range(first, last + 1):
            on_step(write_line(run, {"step": step, "reward": step / 10 + add}))


def test_every_number_of_a_line_is_a_point_and_nothing_else_is() -> None:
    row = {
        "step": 3,
        "reward": 0.5,
        "missing": 0,
        "kl": None,
        "loss": float("nan"),
        "logp_view": "guided",
        "seconds": 2.0,
        "seconds_update": 1.5,
        "held_out": SCORES,
    }
    assert curves(row) == {
        "train/reward": 0.5,
        "train/missing": 0.0,
        "train/seconds": 2.0,
        "seconds/update": 1.5,
        "validation/mosaic-id/strict": 0.25,
        "validation/mosaic-id/soft": 0.5,
    }


def test_tensorboard_forgets_the_steps_that_a_resumed_run_takes_again(run: Path) -> None:
    sit(run, "tensorboard", 1, 5)
    sit(run, "tensorboard", 4, 6, add=1.0)  # killed after step 5, its last checkpoint was of step 3
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    points = [(point.step, round(point.value, 3)) for point in events.Scalars("train/reward")]
    assert points == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 1.4), (5, 1.5), (6, 1.6)]
    assert [point.step for point in events.Scalars("validation/mosaic-id/strict")] == [0]


def test_what_a_kill_took_from_tensorboard_is_sent_again(run: Path) -> None:
    """Events wait in memory for seconds, so steps before the last checkpoint may have lost their points."""
    sit(run, "tensorboard", 1, 3)
    for path in (run / "tensorboard").iterdir():
        path.write_bytes(path.read_bytes()[:400])
    sit(run, "tensorboard", 4, 4)
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    assert [point.step for point in events.Scalars("train/reward")] == [1, 2, 3, 4]


def test_going_on_with_a_finished_run_keeps_its_curves(run: Path) -> None:
    sit(run, "tensorboard", 1, 3)
    sit(run, "tensorboard", 4, 3)
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    assert [point.step for point in events.Scalars("train/reward")] == [1, 2, 3]


def test_a_run_killed_before_its_first_checkpoint_starts_its_curves_again(run: Path) -> None:
    sit(run, "tensorboard", 1, 2)
    sit(run, "tensorboard", 1, 3)
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    assert [point.step for point in events.Scalars("train/reward")] == [1, 2, 3]
    assert [point.step for point in events.Scalars("validation/mosaic-id/soft")] == [0]


def test_wandb_gets_all_steps_under_one_id_and_leaves_no_process(
    run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    sit(run, "wandb", 1, 5)
    # Its folders are named by the second; two sittings within one would share theirs.
    (run / "wandb").rename(run / "first")
    sit(run, "wandb", 4, 6, add=1.0)
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
    assert capfd.readouterr() == ("", "")
    identity = json.loads((run / "wandb.json").read_text())["id"]
    for sitting, steps in (("first", [0, 1, 2, 3, 4, 5]), ("wandb", [0, 1, 2, 3, 4, 5, 6])):
        (file,) = run.glob(f"{sitting}/offline-run-*-{identity}/run-{identity}.wandb")
        assert list(wandb_steps(file)) == steps


def test_trackio_gets_each_step_once_in_one_run(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when it is imported
    pytest.importorskip("trackio")
    sit(run, "trackio", 1, 5)
    sit(run, "trackio", 4, 6, add=1.0)
    assert capfd.readouterr() == ("", "")
    name = f"run-{json.loads((run / 'trackio.json').read_text())['id']}"
    with sqlite3.connect(tmp_path / "trackio" / "tessera.db") as database:
        rows = database.execute("select step from metrics where run_name = ? order by id", [name])
        assert [step for (step,) in rows] == [0, 1, 2, 3, 4, 5, 6]
    database.close()


def test_each_tracker_is_opened_once_and_none_means_none() -> None:
    assert check_trackers(["tensorboard", "tensorboard"]) == ("tensorboard",)
    assert check_trackers(["none"]) == check_trackers([]) == ()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["tensorbord"], "unknown tracker 'tensorbord'. Did you mean 'tensorboard'"),
        (["none", "tensorboard"], "--track none goes with no other tracker"),
        (["trackio"], r"not installed: pip install 'tessera-rl\[trackio\]'"),
        (["tensorboard", "wandb"], r"not installed: pip install 'tessera-rl\[wandb\]'"),
    ],
)
def test_a_tracker_that_cannot_be_had_is_named_with_the_remedy(
    names: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("trackio", "wandb"):
        monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(UserError, match=message):
        check_trackers(names)


def test_wandb_without_a_login_says_what_to_do(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "nobody"))
    with (
        pytest.raises(UserError, match="WANDB_MODE=offline"),
        tracked(["wandb"], run, quiet=True),
    ):
        pass


def wandb_steps(path: Path) -> Iterator[int]:
    """Yields the steps of a file of wandb: 7 bytes of head, then records in LevelDB's log format.

    Each has a checksum of 4 bytes, its length in 2, its kind in 1 (1: whole); a few steps fill no block.
    """
    messages = import_module("wandb.proto.wandb_internal_pb2")
    data, place = path.read_bytes(), 7
    while place < len(data):
        _, length, kind = struct.unpack_from("<IHB", data, place)
        assert kind == 1, "a record in parts: too much was written for this reader"
        record = messages.Record()
        record.ParseFromString(data[place + 7 : place + 7 + length])
        if record.WhichOneof("record_type") == "history":
            yield record.history.step.num
        place += 7 + length
