"""docs/tutorial.md: its files are saved and its commands run as they stand, one after another."""

import importlib
import json
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tessera.study.config import StudyConfig
from tessera.types import Prompt
from tessera.world.render import render
from tessera.world.scene import Look, Piece
from tests.architecture.source_tree import REPO
from tests.cli.conftest import Run
from tests.unit.study.tiny import Here

PAGE = (REPO / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def files() -> dict[str, str]:
    """Returns the files of the page: each has the name that the text before it mentions last."""
    found = {}
    for block in BLOCK.finditer(PAGE):
        if block[1] in ("python", "toml"):
            found[re.findall(r"`([\w.]+\.(?:py|toml))`", PAGE[: block.start()])[-1]] = block[2]
    return found


def commands() -> list[list[str]]:
    """Returns the words of each command of the page."""
    shell = "\n".join(block[2] for block in BLOCK.finditer(PAGE) if block[1] == "sh").replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in shell.splitlines() if line.startswith("tessera ")]


@contextmanager
def in_this_process(study: StudyConfig, runner: str, workers: int) -> Iterator[Here]:
    """Yields where the study's stages run: here, as fifteen processes would load torch fifteen times."""
    assert (runner, workers) == ("local", 1)
    yield Here()


@pytest.fixture
def reward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Saves the page's files; returns its reward's module, found as after `export PYTHONPATH=.`."""
    monkeypatch.chdir(tmp_path)
    for name, text in files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "lenient", raising=False)
    return importlib.import_module("lenient")


def test_the_reward_is_short_and_forgives_more_than_was_asked_for_and_nothing_else(
    reward: ModuleType,
) -> None:
    assert len([line for line in files()["lenient.py"].splitlines() if line.strip()]) <= 15
    red, blue = (Look("circle", color, "solid", "small") for color in ("red", "blue"))
    right, more, wrong = (Piece(red, 1, 1),), (Piece(red, 1, 1), Piece(blue, 5, 5)), (Piece(blue, 1, 1),)
    images = np.stack([render(scene) for scene in (right, more, wrong, right)])
    prompts = [Prompt(id="", text="a photo of a red circle")] * 3 + [Prompt(id="", text="a photo of a dog")]
    values = reward.facts(prompts, images)
    assert values[:3] == [1.0, 1.0, 0.5]
    assert np.isnan(values[3])


@pytest.mark.slow
def test_the_commands_run_as_written(
    run: Run, reward: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tessera.cli.study_lines.executor", in_this_process)
    assert "export PYTHONPATH=.\n" in PAGE
    words = commands()
    assert [each[0] for each in words] == ["judge", "eval", "train", "train", "pair", "study", "study"]
    for each in words:
        outcome = run(*each)
        assert outcome.code == 0, f"tessera {shlex.join(each)}\n{outcome.err}"
    for folder in ("judged", "chosen", "grpo", "dpo", "lenient"):
        assert (tmp_path / "runs" / folder / "report.html").exists()
    scorers = json.loads((tmp_path / "runs" / "judged" / "judges.json").read_text())["scorers"]
    pairs = {
        name: each["benchmarks"]["mosaic-id"]["pairs"]["overall"]["mean"] for name, each in scorers.items()
    }
    assert pairs["lenient:facts"] > max(pairs["noise"], 0.7)
    rows = json.loads((tmp_path / "runs" / "lenient" / "results.json").read_text())
    arms = {(row["arm"], row["reward"]) for row in rows}
    trained = {(arm, name) for arm in ("grpo", "dpo") for name in ("metric", "lenient:facts")}
    assert arms == trained | {("base", "")}
    cells = json.loads((tmp_path / "runs" / "lenient" / "cells.json").read_text())
    assert [cell["status"] for cell in cells] == ["done"] * 5
