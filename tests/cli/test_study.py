"""`tessera study`: what it would do, what it does with a study of one's own, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tessera.cli.study_lines import _table
from tessera.config import to_plain
from tests.cli.conftest import Run
from tests.unit.study.tiny import VERSUS, saved, tiny_study


def file_of(folder: Path, reward: str = "noise") -> Path:
    """Writes a study of one arm as a file; returns it."""
    experiment = replace(VERSUS, arms=("base", "grpo"), rewards=(reward,), best_of=1, choosers=())
    path = folder / "mine.json"
    path.write_text(json.dumps(to_plain(tiny_study(saved(folder), experiments=(experiment,)))))
    return path


def test_a_dry_run_tells_cells_images_and_time_of_every_study_and_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run("study", "--dry-run", "--workers", 2, "--seeds", 0)
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["study", "quick", "standard", "full", "janus"]
    assert lines[1].split()[1:5] == ["5", "9", "1", "6,400"]
    assert sum(line.startswith("  ") for line in lines) == 5  # the cells of quick
    data = json.loads(run("study", "--dry-run", "--json", "--seeds", 0).out)
    assert data["studies"][0]["cells"] == 5
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_a_study_for_gpus_tells_gpu_hours_and_lines_for_one_node_and_for_several(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESSERA_DATA", str(tmp_path / "nothing"))
    outcome = run("study", "janus", "--dry-run", "--workers", 8)
    assert outcome.code == 0, outcome.err
    (row,) = (line for line in outcome.out.splitlines() if line.startswith("janus  "))
    assert row.split()[1:5] == ["37", "113", "3", "806,400"]
    assert "on 8 GPUs" in row
    assert "GPU-hours" in row
    assert "pictures a GPU-second" in outcome.out
    assert "tessera study janus --out runs/janus --workers 8" in outcome.out
    assert "--runner ray --workers 32" in outcome.out
    assert "torchrun --nnodes 2 --nproc-per-node 8" in outcome.out
    told = json.loads(run("study", "janus", "--dry-run", "--json").out)
    assert len(told["commands"]) == 37


@pytest.mark.slow
def test_a_study_of_ones_own_becomes_results_and_a_report(run: Run, tmp_path: Path) -> None:
    command = ("study", file_of(tmp_path), "--workers", 1, "--out", tmp_path / "out")
    outcome = run(*command)
    assert outcome.code == 0, outcome.err
    assert "2 cells done, 0 failed, 0 skipped" in outcome.out
    assert "[3/3] measure grpo-noise-s0" in outcome.err
    rows = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {row["arm"] for row in rows} == {"base", "grpo"}
    assert run(*command).code == 2  # not without being told to
    again = run(*command, "--resume", "--json")
    assert json.loads(again.out)["done"] == 2
    assert again.err == ""


@pytest.mark.slow
def test_a_failed_cell_is_exit_code_1_and_a_sentence(run: Run, tmp_path: Path) -> None:
    path = file_of(tmp_path, "tests.unit.rewards.functions:fails")
    outcome = run("study", path, "--workers", 1, "--out", tmp_path / "out")
    assert outcome.code == 1
    assert "1 cells done, 1 failed" in outcome.out
    assert "ZeroDivisionError: the judge is out" in outcome.out
    (failed,) = [
        c for c in json.loads((tmp_path / "out" / "cells.json").read_text()) if c["status"] != "done"
    ]
    assert (failed["arm"], failed["status"]) == ("grpo", "failed")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("quik", "--out", "o"), "Did you mean 'quick'?"),
        (("quick",), "--out runs/study"),
        (("quick", "--out", "o", "--workers", 0), "--workers must be 1 or more"),
        (("quick", "--out", "o", "--only", "vs"), "Did you mean 'versus'?"),
        (("nowhere.toml", "--out", "o"), "nowhere.toml: No such file"),
        (("broken.json", "--out", "o"), "broken.json cannot be read"),
        (("short.toml", "--out", "o"), "short.toml: key 'arms' is missing"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.json").write_text("{")
    Path("short.toml").write_text('name = "short"\n')
    outcome = run("study", *words)
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err
    assert outcome.err.count("\n") == 1
    assert not Path("o").exists()


def test_the_closing_table_has_each_experiment_once() -> None:
    """Rows come cell by cell, and a cell that serves two experiments has rows in both."""
    rows = [
        {
            **{"experiment": experiment, "arm": arm, "reward": "metric", "setting": "default", "best_of": 1},
            **{
                "benchmark": "mosaic-id",
                "category": "overall",
                "score": "strict",
                "mean": 0.5,
                "chooser": None,
            },
        }
        for arm in ("grpo", "dpo")
        for experiment in ("first", "second")
    ]
    lines = [line.split()[0] for line in _table(rows) if line]
    assert lines == ["first:", "grpo", "dpo", "second:", "grpo", "dpo"]
