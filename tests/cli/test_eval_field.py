"""`tessera eval` of GenEval and T2I-CompBench from end to end: commands in, pages and official numbers out.

The instruments are tiny and random (tests/performance/field), so no verdict means anything; what is shown is
that all of them arrive. Prompts are a few of our own in files named as the real ones, and the real ones where
they are there.
"""

import argparse
import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tessera.cli.main import main
from tessera.scorers.compbench.settings import CATEGORIES
from tessera.storage import read_jsonl
from tests.cli.conftest import Run
from tests.outside import outside
from tests.performance.field import whole
from tests.performance.field.miniature import GENEVAL, miniature
from tests.performance.field.tiny_weights import settings

TAGS = [line["tag"] for line in GENEVAL]
NAMES = [name.replace("_", " ") for name in (*TAGS, *CATEGORIES)]  # as pages have them
PICTURES = {"geneval": 12, "compbench": 16}
# So that there are two pieces to look at, and batches to draw: one would be nothing to share out.
SIZE = ("--prompts-per-category", "1", "--num", "2", "--batch-size", "4")


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return settings(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return miniature(tmp_path_factory.mktemp("data"))


def line(words: dict[str, list[str]], data: Path, out: Path, *more: str) -> list[str]:
    """Returns the command that measures both."""
    told = [word for name in PICTURES for word in words[name]]
    both = ["eval", "--policy", whole.POLICY, "--benchmark", *PICTURES, *SIZE, "--set", *told]
    return [*both, "--data-dir", str(data), "--out", str(out), *more]


@pytest.fixture(scope="module")
def small(words: dict[str, list[str]], data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of an evaluation on our own prompts."""
    out = tmp_path_factory.mktemp("small") / "small"
    assert main(line(words, data, out)) == 0
    return out


@pytest.fixture(scope="module")
def published(words: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of an evaluation on the first published prompts; skips where they are not."""
    out = tmp_path_factory.mktemp("published") / "published"
    assert main(line(words, outside("geneval").parent, out)) == 0
    return out


@pytest.fixture(params=["small", "published"])
def made(request: pytest.FixtureRequest) -> Path:
    """Returns the folder of either evaluation."""
    return request.getfixturevalue(request.param)


def summary_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


# --- from the command to the page --------------------------------------------------------------------------


def test_every_category_has_a_number_or_a_counted_reason(made: Path) -> None:
    summary = summary_of(made)
    assert list(summary) == list(PICTURES)
    geneval, compbench = (summary[name]["official"] for name in PICTURES)
    assert list(geneval["tags"]) == TAGS
    assert list(compbench["categories"]) == list(CATEGORIES)
    parts = {**geneval["tags"], **compbench["categories"]}
    for name, part in parts.items():
        assert part["images"] + part.get("missing", 0) == 2, name
        assert part["images"] == 0 or 0 <= (part["mean"] + 1) / 2 <= 1, name
    for name, told in (("geneval", geneval), ("compbench", compbench)):
        assert told["images"] + told["missing"] == PICTURES[name]
        records = [row for row in read_jsonl(made / "eval.jsonl") if row["benchmark"] == name]
        silent = [row for row in records if row["grade"]["strict"] is None]
        assert len(silent) == told["missing"] == summary[name]["missing"]
        assert all(row["grade"]["reason"] for row in silent)
    assert geneval["title"].startswith("GenEval (pictures at 64")
    assert "not comparable" in compbench["detector"]


def test_what_cannot_be_judged_is_counted_and_the_page_says_why(small: Path) -> None:
    told = summary_of(small)["compbench"]["official"]
    assert told["categories"]["numeracy"] == {"mean": None, "images": 0, "missing": 2}
    assert (told["missing"], told["overall"]) == (2, None)
    page = html.unescape((small / "report.html").read_text(encoding="utf-8"))
    assert "no object is read in 'so many of them'" in page


def test_the_instruments_see_something_so_that_the_rules_have_work(made: Path) -> None:
    rows = list(read_jsonl(made / "geneval" / whole.EVIDENCE["geneval"]))
    assert any(row["detected"] for row in rows)
    rows = list(read_jsonl(made / "compbench" / whole.EVIDENCE["compbench"]))
    assert {key for row in rows for key in row} >= {"answers", "similarity", "detections"}


def test_files_lie_where_the_official_tools_look(made: Path) -> None:
    geneval, compbench = made / "geneval", made / "compbench"
    assert len(list(geneval.glob("*/samples/?????.png"))) == 12
    assert len(list(geneval.glob("*/metadata.jsonl"))) == 6
    assert sum(1 for _ in read_jsonl(geneval / "results.jsonl")) == 12
    assert [len(list((compbench / name / "samples").glob("*_00000?.png"))) for name in CATEGORIES] == [2] * 8
    assert len(list(compbench.rglob("vqa_result.json"))) == 8 + 3  # and the three parts of complex
    assert not list(made.rglob(".*")), "files under a temporary name"


def test_the_page_shows_every_category_and_picture(made: Path) -> None:
    page = (made / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert [name for name in NAMES if name not in page] == []
    assert "GenEval (pictures at 64 to 128 pixels)" in page
    assert "not comparable with published numbers" in page
    assert "NaN" not in re.sub("base64,[^\"')]*", "", page)  # which could spell it


# --- afterwards --------------------------------------------------------------------------------------------


def test_the_evidence_graded_again_gives_the_same_official_numbers(
    run: Run, made: Path, tmp_path: Path
) -> None:
    official = {name: each["official"] for name, each in summary_of(made).items()}
    for name, flag in (("geneval", "--detections"), ("compbench", "--answers")):
        out, evidence = tmp_path / name, made / name / whole.EVIDENCE[name]
        outcome = run("regrade", name, flag, evidence, "--out", out, "--json")
        assert outcome.code == 0, outcome.err
        again = summary_of(out)
        same = official[name].keys() - {"title"}  # of GenEval: detections do not say what saw them
        assert {key: again[key] for key in same} == {key: official[name][key] for key in same}


def test_two_evaluations_are_compared(
    run: Run, small: Path, words: dict[str, list[str]], data: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    assert run(*line(words, data, other, "--seed", "1")).code == 0
    folders = (small, other)
    outcome = run("compare", *folders, "--out", tmp_path / "both")
    assert outcome.code == 0, outcome.err
    assert "They differ in seed (small: 0, other: 1)." in outcome.out
    told = json.loads((tmp_path / "both" / "compare.json").read_text(encoding="utf-8"))["benchmarks"]
    for name in PICTURES:
        overall = {folder.name: summary_of(folder)[name]["overall"] for folder in folders}
        scores = told[name]["scores"]
        assert {key: scores[key]["overall"] for key in overall} == overall
    page = (tmp_path / "both" / "report.html").read_text(encoding="utf-8")
    assert [name for name in NAMES if name not in page] == []


def test_resumed_after_its_last_picture_it_says_that_it_made_none(
    run: Run, small: Path, words: dict[str, list[str]], data: Path, tmp_path: Path
) -> None:
    shutil.copytree(small, tmp_path / "again.partial")
    (tmp_path / "again.partial" / "summary.json").unlink()
    outcome = run(*line(words, data, tmp_path / "again", "--resume"))
    assert outcome.code == 0, outcome.err
    speeds = [json.loads((each / "config.json").read_text()) for each in (small, tmp_path / "again")]
    assert speeds[0]["images_per_second"] > 0
    assert speeds[1]["images_per_second"] == 0
    assert summary_of(tmp_path / "again") == summary_of(small)


@pytest.mark.slow
def test_two_processes_give_the_same_bytes_as_one(
    run: Run, small: Path, words: dict[str, list[str]], data: Path, tmp_path: Path
) -> None:
    outcome = run(*line(words, data, tmp_path / "two", "--processes", "2"))
    assert outcome.code == 0, outcome.err
    one, two = whole.bytes_in(small), whole.bytes_in(tmp_path / "two")
    # These two alone say how long it took, and by which command.
    differ = {name for name in one.keys() | two.keys() if one.get(name) != two.get(name)}
    assert differ <= {"config.json", "report.html"}


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_killed_and_resumed_it_ends_with_the_same_bytes(
    words: dict[str, list[str]], data: Path, tmp_path: Path, name: str
) -> None:
    flags = argparse.Namespace(data_dir=data, prompts_per_category=2)
    out, log = tmp_path / "out", tmp_path / "log"
    command = [*whole.command(name, out, words[name], flags), "--batch-size", "4"]
    assert whole.run(command, out, name, log).code == 0
    again = [*whole.command(name, tmp_path / "killed", words[name], flags), "--batch-size", "4"]
    total = 2 * sum(1 for _ in read_jsonl(out / name / "drawn.jsonl"))
    told = whole.killed(again, tmp_path / "killed", name, log, [(total // 4, 0.0)])
    assert told.startswith("killed with ")
    assert "summary.json equal" in whole.compared(out, tmp_path / "killed")


# --- mistakes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("geneval", ("geneval.detectr.weights=x",), "unknown key 'detectr'. Did you mean 'detector'?"),
        ("compbench", ("compbench.detector.kind=yolo",), "got 'yolo'"),
        ("compbench", ("geneval.detector.short=64",), "settings begin with a benchmark of this command"),
        ("compbench:colour", (), "Did you mean 'color'?"),
        ("geneval", ("geneval.detector.weights=nowhere",), "weights=nowhere is no folder and no hub id"),
        ("geneval", ("geneval.detector.weights=nowhere.pth",), "nowhere.pth"),
        (
            "compbench:color",
            ("compbench.attributes.weights=nowhere",),
            "weights=nowhere is no folder and no hub id",
        ),
        ("compbench:spatial", ("compbench.detector.weights=nowhere",), "nowhere is no file"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_no_folder(
    run: Run, data: Path, tmp_path: Path, name: str, words: tuple[str, ...], told: str
) -> None:
    out = tmp_path / "out"
    given = ("--set", *words) if words else ()
    outcome = run(
        "eval", "--policy", whole.POLICY, "--benchmark", name, *given, "--data-dir", data, "--out", out
    )
    assert (outcome.code, outcome.out) == (2, "")
    assert told in outcome.err
    assert outcome.err.count("\n") == 1
    assert not list(tmp_path.glob("out*"))


def test_a_data_directory_that_lacks_prompts_is_one_sentence(run: Run, tmp_path: Path) -> None:
    for name, folder in (("geneval", "geneval"), ("compbench", "t2i_compbench")):
        outcome = run("eval", "--benchmark", name, "--data-dir", tmp_path, "--out", tmp_path / "out")
        assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
        assert f"{tmp_path / folder} lacks" in outcome.err
        assert "tessera data get" in outcome.err
    assert not (tmp_path / "out").exists()
