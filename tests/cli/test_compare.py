"""`tessera compare`: two evaluations of the shipped policy, from pictures to tables and a page."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

FILES = {"compare.json", "compare.md", "compare.tex", "config.json", "report.html"}


@pytest.fixture
def folders(run: Run, tmp_path: Path) -> tuple[Path, Path]:
    """The shipped policy with guidance and without."""
    flags = ("--benchmark", "mosaic-id", "--prompts-per-category", 2, "--num", 1, "--json")
    made = tmp_path / "guided", tmp_path / "free"
    for folder, guidance in zip(made, (3, 1), strict=True):
        assert run("eval", *flags, "--guidance", guidance, "--out", folder).code == 0
    return made


def test_two_evaluations_become_tables_and_a_page(
    run: Run, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outcome = run("compare", *folders, "--out", out)
    assert (outcome.code, outcome.err) == (0, "")
    assert "They differ in guidance (guided: 3, free: 1)." in outcome.out
    assert {path.name for path in out.iterdir()} == FILES
    summary = json.loads((folders[1] / "summary.json").read_text())["mosaic-id"]
    result = json.loads((out / "compare.json").read_text())["benchmarks"]["mosaic-id"]
    assert result["scores"]["free"]["overall"] == summary["overall"]
    assert (out / "report.html").read_text().startswith("<!doctype html>")
    assert run("compare", *folders, "--out", out).code == 2
    assert run("compare", *folders, "--out", out, "--resume").code == 0
    assert run("compare", *folders, "--num", 3, "--out", out, "--resume").code == 2

    outcome = run("compare", *folders, "--name", "a", "b", "--json")  # no --out: nothing is written
    assert list(json.loads(outcome.out)["benchmarks"]["mosaic-id"]["scores"]) == ["a", "b"]


def test_mistakes_are_one_sentence_and_leave_no_folder(run: Run, tmp_path: Path) -> None:
    for words, told in (
        ((tmp_path,), "two evaluation folders or more, got 1"),
        ((tmp_path, tmp_path / "x"), "is no complete evaluation: it has no config.json"),
        ((tmp_path, tmp_path / "x", "--num", -1), "--num is a number of pictures"),
    ):
        outcome = run("compare", *words, "--out", tmp_path / "out")
        assert (outcome.code, outcome.out, told in outcome.err) == (2, "", True)
        assert outcome.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
