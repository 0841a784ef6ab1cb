"""What a person reads while training runs: alarms once, when they arise, with what to do."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tessera.cli import train_lines
from tessera.cli.common import overlap_of
from tessera.cli.train_lines import StepLines, closing_lines
from tessera.statistics.alarms import ADVICE, WINDOW
from tessera.storage import append_jsonl
from tessera.training.metrics import HELD_OUT, write_line

ALARM = "! missing: "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"steps": 40}))
    return tmp_path


def step(lines: StepLines, folder: Path, number: int, **values: object) -> None:
    """Takes a step as the loop does: the line is written, then printed."""
    row = {"step": number, "images": 64, "seconds": 1.0, "missing": 0, **values}
    lines(write_line(folder, row))


def test_an_alarm_is_told_when_it_arises_and_again_only_after_it_has_gone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = StepLines(folder, 40, quiet=False)
    told = []
    # A twentieth of the last WINDOW steps' pictures: sixteen are 0.05 x 5 x 64.
    missing = [0] * WINDOW + [17, 0, 17] + [0] * WINDOW + [17, 0]
    for number, count in enumerate(missing, start=1):
        step(lines, folder, number, missing=count)
        if ALARM in (text := capsys.readouterr().err):
            assert ADVICE["missing"] in text
            assert "\x1b" not in text  # colours are for terminals
            told.append(number)
    assert told == [WINDOW + 1, 2 * WINDOW + 4]


def test_after_a_resume_the_steps_on_disk_count(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1, 2 * WINDOW):
        entropy = 0.3 if number <= WINDOW else 0.05
        write_line(folder, {"step": number, "reward": number / 20, "entropy": entropy})
    append_jsonl(folder / HELD_OUT, [{"step": 0, "mosaic-id": held_out(0.6)}])
    lines = StepLines(folder, 40, quiet=False)
    step(lines, folder, 2 * WINDOW, entropy=0.05, reward=0.5)
    assert "! entropy: The entropy fell from 0.3 to 0.05" in capsys.readouterr().err
    step(lines, folder, 2 * WINDOW + 1, entropy=0.05, reward=0.9, held_out={"mosaic-id": held_out(0.5)})
    text = capsys.readouterr().err
    assert "validation mosaic-id: strict 0.500" in text
    assert "! held_out: On mosaic-id (strict) the held-out score fell from 60 % at step 0" in text
    assert "! entropy" not in text


def test_on_a_terminal_an_alarm_has_a_colour(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, color_system="standard", highlight=False)
    monkeypatch.setattr(train_lines, "console", terminal)
    step(StepLines(folder, 40, quiet=False), folder, 1, missing=64)
    assert f"\x1b[1;31m  {ALARM}" in screen.getvalue()


def test_quiet_lines_say_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step(StepLines(folder, 40, quiet=True), folder, 1, missing=64)
    assert capsys.readouterr() == ("", "")


def test_a_line_shows_the_numbers_there_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step(StepLines(folder, 40, quiet=False), folder, 1, diversity=0.25, reward=0.5)
    text = capsys.readouterr().err
    assert text.startswith("step  1/40  reward 0.500  diversity 0.250  ")
    assert "entropy" not in text


def held_out(mean: float) -> dict[str, dict[str, float]]:
    estimate = {"mean": mean, "ci_low": mean - 0.02, "ci_high": mean + 0.02}
    return {"strict": estimate, "soft": estimate}


def test_where_the_reward_is_the_examiner_the_last_lines_say_so_and_so_does_whoever_evaluates(
    tmp_path: Path,
) -> None:
    result = {"step": 1, "images": 8, "seconds": 1.0, "held_out": [], "alarms": [], "overlap": "Overlap: so."}
    assert "Overlap: so." in closing_lines(result, "page", "next")
    assert "Overlap: so." not in closing_lines({**result, "overlap": ""}, "page", "next")
    run = tmp_path / "run"
    checkpoint = run / "checkpoints" / "step_000001"
    checkpoint.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"overlap": "Overlap: so."}))
    assert overlap_of(str(run)) == overlap_of(str(checkpoint)) == "Overlap: so."
    assert overlap_of("mosaic") == ""
