"""`tessera eval --best-of`: candidates are kept, chosen afterwards, and equal to those drawn afresh."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

SIZES = ("--benchmark", "mosaic-ood", "--prompts-per-category", 2, "--num", 2)
MISSING = "tests.unit.rewards.functions:every_fourth_missing"
CONSTANT = "tests.unit.rewards.functions:constant"


def chosen(folder: Path) -> dict[str, Any]:
    """Returns the summary's best of n."""
    return json.loads((folder / "summary.json").read_text())["mosaic-ood"]["best_of"]


def lines(folder: Path) -> list[dict[str, Any]]:
    """Returns the rows of scores.jsonl."""
    return [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation of five candidates for each picture. Do not change it."""
    from tessera.cli.main import main

    out = tmp_path_factory.mktemp("best") / "out"
    words = ("eval", *SIZES, "--best-of", 5, "--scorer", "metric", "noise", MISSING, CONSTANT, "--out", out)
    assert main([str(word) for word in words]) == 0
    return out


@pytest.fixture
def copied(many: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(many, tmp_path / "copied"))


@pytest.mark.parametrize("n", [2, 3])
def test_best_of_n_of_stored_candidates_is_that_of_candidates_drawn_afresh(
    run: Run, copied: Path, tmp_path: Path, n: int
) -> None:
    words = (*SIZES, "--best-of", n, "--scorer", "metric", "noise")
    assert run("eval", *words, "--out", tmp_path / "fresh").code == 0
    before = (copied / "eval.jsonl").read_bytes()
    assert run("eval", *words, "--out", copied, "--resume").code == 0
    assert (copied / "eval.jsonl").read_bytes() == before  # nothing was drawn
    assert (copied / "summary.json").read_bytes() == (tmp_path / "fresh" / "summary.json").read_bytes()
    assert [row["n"] for row in chosen(copied)["noise"]["sizes"]] == ([1, 2] if n == 2 else [1, 2, 3])


def test_the_first_candidates_are_the_plain_evaluation(run: Run, many: Path, tmp_path: Path) -> None:
    assert run("eval", *SIZES, "--out", tmp_path / "plain").code == 0
    plain = json.loads((tmp_path / "plain" / "summary.json").read_text())["mosaic-ood"]
    assert "best_of" not in plain
    for row in chosen(many).values():  # of one candidate everybody chooses the same
        assert row["sizes"][0]["strict"]["overall"] == plain["overall"]
        assert row["sizes"][0]["soft"]["categories"] == plain["soft"]["categories"]


def test_the_bounds_hold_and_ties_and_missing_scores_are_counted(many: Path) -> None:
    best = chosen(many)
    assert list(best) == ["random", "oracle", "metric", "noise", MISSING, CONSTANT]
    ends = {name: row["sizes"][-1] for name, row in best.items()}
    assert ends["oracle"]["strict"] == ends["metric"]["strict"]
    assert ends["oracle"]["strict"]["overall"]["mean"] > ends["random"]["strict"]["overall"]["mean"]
    assert best[CONSTANT]["sizes"][-1]["strict"] == best["random"]["sizes"][0]["strict"]  # the first is taken
    pictures = len(lines(many)) // 5
    assert (ends[CONSTANT]["ties"], ends["noise"]["ties"]) == (pictures, 0)
    gone = [row for row in lines(many) if row["values"][MISSING] is None]
    assert len(gone) == len(lines(many)) // 4
    assert all("NaN" in row["reasons"][MISSING] for row in gone)
    assert best[MISSING]["sizes"][0]["blind"] == sum(row["sample"] < 2 for row in gone)
    assert ends[MISSING]["blind"] == 0


def test_the_page_and_the_lines_say_where_the_scorer_is_the_grader(run: Run, copied: Path) -> None:
    words = (*SIZES, "--best-of", 5, "--out", copied, "--resume")
    said = run("eval", *words, "--scorer", "metric", "noise").out
    assert said.count("Overlap: metric is the verifier") == 1
    page = (copied / "report.html").read_text()
    assert "Overlap: metric is the verifier" in page
    assert "Best of n" in page
    assert "Overlap" not in run("eval", *words, "--scorer", "noise").out
    assert "best_of" in json.loads(run("eval", *words, "--json").out)["summary"]["mosaic-ood"]


def test_scoring_that_was_killed_goes_on_to_the_same_bytes(run: Run, many: Path, tmp_path: Path) -> None:
    partial = Path(shutil.copytree(many, tmp_path / "killed.partial"))
    whole = (many / "scores.jsonl").read_text()
    (partial / "summary.json").unlink()
    (partial / "scores.jsonl").write_text(whole[: len(whole) // 3])  # the last line is torn
    words = (*SIZES, "--best-of", 5, "--scorer", "metric", "noise")
    assert run("eval", *words, MISSING, CONSTANT, "--out", tmp_path / "killed", "--resume").code == 0
    named = [{**row["values"], MISSING: None} for row in lines(tmp_path / "killed")]
    assert named == [{**row["values"], MISSING: None} for row in lines(many)]  # which are missing may differ


def test_more_candidates_are_drawn_beside_those_that_are_there(run: Run, tmp_path: Path) -> None:
    small = ("--benchmark", "mosaic-ood", "--prompts-per-category", 1, "--num", 1)
    assert run("eval", *small, "--out", tmp_path / "out").code == 0
    before = (tmp_path / "out" / "eval.jsonl").read_text()
    assert run("eval", *small, "--best-of", 2, "--out", tmp_path / "out", "--resume").code == 0
    after = (tmp_path / "out" / "eval.jsonl").read_text()
    assert after.startswith(before)
    assert len(after.splitlines()) == 2 * len(before.splitlines())
    assert list(chosen(tmp_path / "out")) == ["random", "oracle"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--scorer", "noise"), "say how many for each picture with --best-of"),
        (("--best-of", 0), "--best-of must be 1 or more"),
        (("--best-of", 2, "--scorer", "metrik"), "Did you mean 'metric'?"),
        (("--best-of", 2, "--scorer", "no_such_module:f"), "there is no module 'no_such_module'"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    run: Run, tmp_path: Path, words: tuple[object, ...], message: str
) -> None:
    outcome = run("eval", *SIZES, *words, "--out", tmp_path / "out")
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err
    assert list(tmp_path.iterdir()) == []
