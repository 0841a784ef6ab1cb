"""A run's numbers in TensorBoard, Weights & Biases and trackio: one curve per number, as the run goes.

    OUT/tensorboard/                   events
    OUT/wandb/                         what wandb keeps beside its server, or instead of it
    OUT/wandb.json, OUT/trackio.json   under which id the run goes on there

metrics.jsonl is the record and these are views of it: nothing here changes a number of the run. A kill can
take with it what a tracker has not yet written, and a resumed run takes some steps again. So whoever opens a
tracker sends it what it lacks of the steps on disk: to TensorBoard, which can forget, all of them; to wandb
and trackio those after the last one they have.
"""

import io
import json
import math
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from tessera.errors import UserError, unknown
from tessera.storage import CONFIG, full_disk_told, read_jsonl, write_json
from tessera.training.metrics import HELD_OUT, METRICS, OnStep

TRACKERS = ("tensorboard", "trackio", "wandb")
NONE = "none"
EXTRAS = ("trackio", "wandb")  # packages, and extras of ours, of the same names
TENSORBOARD = "tensorboard"  # folder of the run
PROJECT = "tessera"
FLUSH_SECONDS = 5  # how far a browser lags behind; SummaryWriter's own 120 are longer than a run of mosaic

Points = Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tracker:
    """A tracker that is open."""

    first: int  # the first step that it lacks
    log: Callable[[int, Points], None]  # takes the points of a step


def check_trackers(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the trackers named, each once; one that is unknown or not installed is the user's mistake."""
    for name in names:
        if name not in (*TRACKERS, NONE):
            raise UserError(f"--track: {unknown('tracker', name, (*TRACKERS, NONE))}")
        if name in EXTRAS and find_spec(name) is None:
            raise UserError(
                f"--track {name} needs a package that is not installed: pip install 'tessera-rl[{name}]'"
            )
    if NONE in names and len(set(names)) > 1:
        raise UserError(f"--track {NONE} goes with no other tracker; leave one of them out")
    return tuple(name for name in dict.fromkeys(names) if name != NONE)


@contextmanager
def tracked(names: Sequence[str], run: Path, *, quiet: bool = False) -> Iterator[OnStep]:
    """Yields what sends each written line of an open run to the trackers; they are closed at the end.

    With `quiet`, a tracker's own words are not shown.
    """
    opening: Mapping[str, Callable[[], AbstractContextManager[Tracker]]] = {
        "tensorboard": lambda: _tensorboard(run),
        "trackio": lambda: _trackio(run, quiet),
        "wandb": lambda: _wandb(run, quiet),
    }
    with ExitStack() as stack:
        trackers = [stack.enter_context(opening[name]()) for name in check_trackers(names)]

        def send(rows: Iterable[Mapping[str, Any]]) -> None:
            for row in rows:
                for tracker in trackers:
                    if row["step"] >= tracker.first:
                        tracker.log(row["step"], curves(row))

        start = _measured_at_start(run)
        send([*start, *read_jsonl(run / METRICS)])

        def on_step(row: Mapping[str, Any]) -> None:
            nonlocal start
            if not start:  # a new run is measured before its first step; no step's line has that
                start = _measured_at_start(run)
                send(start)
            send([row])

        yield on_step


def curves(row: Mapping[str, Any]) -> dict[str, float]:
    """Returns the points that a line of metrics.jsonl adds to the curves: none for null and NaN."""
    points: dict[str, Any] = {}
    for key, value in row.items():
        if key == "held_out":
            for benchmark, scores in value.items():
                points |= {f"validation/{benchmark}/{name}": scores[name]["mean"] for name in scores}
        elif key.startswith("seconds_"):
            points[f"seconds/{key.removeprefix('seconds_')}"] = value
        elif key != "step":
            points[f"train/{key}"] = value
    return {
        name: float(value)
        for name, value in points.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _measured_at_start(run: Path) -> list[dict[str, Any]]:
    return [
        {"step": 0, "held_out": {name: scores for name, scores in row.items() if name != "step"}}
        for row in read_jsonl(run / HELD_OUT)
        if row["step"] == 0
    ]


@contextmanager
def _tensorboard(run: Path) -> Iterator[Tracker]:
    with full_disk_told(run):
        # Step 0 as the step to purge from: whatever older files hold is void, and all is sent again.
        writer = SummaryWriter(str(run / TENSORBOARD), purge_step=0, flush_secs=FLUSH_SECONDS)

    def log(step: int, points: Points) -> None:
        with full_disk_told(run):
            for name, value in points.items():
                writer.add_scalar(name, value, step)

    try:
        yield Tracker(first=0, log=log)
    finally:
        with full_disk_told(run):
            writer.close()


@contextmanager
def _wandb(run: Path, quiet: bool) -> Iterator[Tracker]:
    wandb = import_module("wandb")
    record = _record(run / "wandb.json")
    try:
        opened = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run.resolve().name,
            id=record["id"],
            resume="allow",
            dir=str(run),
            config=_config(run),
            settings=wandb.Settings(console="off", silent=quiet),  # our lines stay on the terminal
        )
    except wandb.Error as error:
        raise UserError(
            f"--track wandb: {str(error).rstrip('.')}. Log in with `wandb login`, record without a server "
            "(WANDB_MODE=offline), or leave it out; the run itself goes on with --resume"
        ) from error
    try:
        with opened:  # tells W&B whether the run ended well
            # Its server knows what it has. Offline, each sitting is a file of its own, and the last is whole.
            yield Tracker(first=opened.step, log=lambda step, points: opened.log(dict(points), step=step))
    finally:
        wandb.teardown()  # ends its process, which would live as long as ours


@contextmanager
def _trackio(run: Path, quiet: bool) -> Iterator[Tracker]:
    trackio = import_module("trackio")
    path = run / "trackio.json"
    record = _record(path)
    with _standard_output(quiet):  # it prints where its data lie
        opened = trackio.init(
            project=PROJECT,
            name=f"{run.resolve().name}-{record['id']}",  # a run is found again by its name
            resume="allow",
            config=_config(run),
            auto_log_cpu=False,  # it would poll from a thread of its own, beside the training
        )

    def log(step: int, points: Points) -> None:
        opened.log(dict(points), step=step)
        # It does not say what it has, so this does. A kill may cost it its last half second.
        with full_disk_told(run):
            write_json(path, {**record, "next": step + 1})

    try:
        yield Tracker(first=record.get("next", 0), log=log)
    finally:
        with _standard_output(quiet):
            trackio.finish()


def _record(path: Path) -> dict[str, Any]:
    """Returns what is remembered of the run in a tracker; a new id if it is not known there yet."""
    if not path.exists():
        with full_disk_told(path.parent):
            write_json(path, {"id": secrets.token_hex(4)})
    return json.loads(path.read_text(encoding="utf-8"))


def _standard_output(quiet: bool) -> AbstractContextManager[Any]:
    """Returns what sends printed remarks to standard error, or nowhere: standard output is for results."""
    return redirect_stdout(io.StringIO() if quiet else sys.stderr)


def _config(run: Path) -> dict[str, Any]:
    return json.loads((run / CONFIG).read_text(encoding="utf-8"))
