"""The lines a run writes: always the same keys, cut back on resume; seconds by phase."""

import json
import time
from pathlib import Path

from tessera.storage import read_jsonl
from tessera.training.metrics import ALWAYS, METRICS, Stopwatch, forget_after, write_line


def test_a_line_has_every_key_with_null_for_what_is_missing(tmp_path: Path) -> None:
    write_line(tmp_path, {"step": 1, "reward": 0.5, "kl": float("nan"), "extra": 2})
    (line,) = read_jsonl(tmp_path / METRICS)
    assert list(line) == [*ALWAYS, "extra"]
    assert (line["step"], line["reward"], line["kl"], line["entropy"], line["extra"]) == (
        1,
        0.5,
        None,
        None,
        2,
    )


def test_later_lines_and_a_torn_one_are_forgotten(tmp_path: Path) -> None:
    for step in range(1, 6):
        write_line(tmp_path, {"step": step})
    with (tmp_path / METRICS).open("a") as file:
        file.write('{"step": 6, "rew')
    forget_after(tmp_path, 3)
    assert [row["step"] for row in read_jsonl(tmp_path / METRICS)] == [1, 2, 3]
    forget_after(tmp_path, -1)
    assert (tmp_path / METRICS).read_text() == ""
    forget_after(tmp_path / "nothing-here", 3)


def test_seconds_are_counted_by_phase_and_start_anew_with_each_lap() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with watch.phase("sample"):
            time.sleep(0.01)
    lap = watch.lap()
    assert set(lap) == {"seconds", "seconds_sample"}
    assert lap["seconds"] >= lap["seconds_sample"] >= 0.02
    assert set(watch.lap()) == {"seconds"}
    assert json.dumps(lap)
