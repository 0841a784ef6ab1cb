"""`tessera data`: fetch, list, and compare prompts, as a person does."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.outside import outside
from tests.unit.data.small import write_data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Returns a small data directory."""
    return write_data(tmp_path / "data")


def test_list_tells_of_every_data_set_with_licence_and_command(run: Run, tmp_path: Path) -> None:
    outcome = run("data", "list", "--data-dir", tmp_path)
    assert outcome.code == 0
    for name in ("geneval", "t2i-compbench", "t2i-r1"):
        assert f"{name}: not here" in outcome.out
        assert f"tessera data get {name}" in outcome.out
    for licence in ("MIT, (c) 2023 Dhruba Ghosh", "MIT, (c) 2023 HKU", "Apache-2.0"):
        assert licence in outcome.out


def test_list_says_what_is_missing_and_what_was_changed(run: Run, data: Path) -> None:
    (data / "t2i_compbench" / "dataset" / "color_val.txt").unlink()
    outcome = run("data", "list", "--data-dir", data, "--json")
    rows = {row["name"]: row for row in json.loads(outcome.out)["datasets"]}
    assert rows["t2i-compbench"]["missing"] == ["dataset/color_val.txt"]
    assert rows["geneval"]["changed"] == ["evaluation_metadata.jsonl", "object_names.txt"]
    told = run("data", "list", "--data-dir", data).out
    assert "t2i-compbench: 36 of 37 files" in told
    assert "geneval: not as published: evaluation_metadata.jsonl and 1 more file" in told


def test_list_calls_the_published_files_verified(run: Run) -> None:
    root = outside("geneval").parent
    assert "geneval: verified" in run("data", "list", "--data-dir", root).out


def test_get_fetches_nothing_that_is_there_and_tells_the_licence(run: Run) -> None:
    """With the published files in place no network is needed."""
    root = outside("geneval").parent
    outcome = run("data", "get", "geneval", "--data-dir", root)
    assert outcome.code == 0
    assert f"geneval: {root / 'geneval'}. Licence: MIT, (c) 2023 Dhruba Ghosh." in outcome.out


def test_get_without_a_network_is_one_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tessera.data.fetch.RAW", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("TESSERA_DATA", str(tmp_path))
    outcome = run("data", "get", "t2i-r1")
    assert (outcome.code, outcome.out) == (2, "")
    assert "run the same line again where there is a network" in outcome.err
    assert "Traceback" not in outcome.err


def test_get_asks_which_and_names_the_nearest(run: Run, tmp_path: Path) -> None:
    outcome = run("data", "get", "--data-dir", tmp_path)
    assert outcome.code == 2
    assert "tessera data get geneval t2i-compbench t2i-r1" in outcome.err
    outcome = run("data", "get", "genevl", "--data-dir", tmp_path)
    assert outcome.code == 2
    assert "Did you mean 'geneval'?" in outcome.err


def test_overlap_shows_the_pairs_and_how_to_train_without_them(run: Run, data: Path) -> None:
    words = ("--prompts", "t2i-r1", "--benchmark", "compbench", "geneval", "--data-dir", data)
    outcome = run("data", "overlap", *words)
    assert outcome.code == 0
    assert "Overlap: 1 of the 16 prompts of compbench is a training prompt of t2i-r1." in outcome.out
    assert "spelling  compbench/shape_val/0001  'a shape of val, number 1'  <-  t2i-r1/0003" in outcome.out
    assert "No overlap of t2i-r1 (4 prompts) with geneval (2 prompts)." in outcome.out
    assert 'prompts = "t2i-r1 without compbench"' in outcome.out
    assert "differs from what CaraJ7/T2I-R1 publishes" in outcome.out


def test_overlap_of_a_file_as_json(run: Run, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("a cat\nA photo of a bench\nA photo of the bench.\n")
    outcome = run(
        "data", "overlap", "--prompts", path, "--benchmark", "geneval", "--data-dir", data, "--json"
    )
    (row,) = json.loads(outcome.out)["benchmarks"]
    assert (row["train"], row["test"], row["same"], row["articles"]) == (3, 2, 1, 0)
    assert row["pairs"] == [
        {"train": "mine.txt/0001", "test": "geneval/00000", "degree": "spelling"},
        {"train": "mine.txt/0002", "test": "geneval/00000", "degree": "articles"},
    ]


def test_overlap_needs_a_benchmark_and_prompts_that_exist(run: Run, data: Path) -> None:
    outcome = run("data", "overlap", "--prompts", "t2i-r1", "--benchmark", "compbnch", "--data-dir", data)
    assert outcome.code == 2
    assert "Did you mean 'compbench'?" in outcome.err
    outcome = run("data", "overlap", "--prompts", "nowhere.txt", "--benchmark", "geneval", "--data-dir", data)
    assert outcome.code == 2
    assert "nowhere.txt does not exist" in outcome.err


def test_the_six_known_prompts_are_told(run: Run) -> None:
    root = outside("t2i_compbench").parent
    outside("t2i_r1")
    outcome = run("data", "overlap", "--prompts", "t2i-r1", "--benchmark", "compbench", "--data-dir", root)
    assert "Overlap: 6 of the 2400 prompts of compbench are training prompts of t2i-r1" in outcome.out
    assert outcome.out.count("  <-  ") == 7  # and one but for an article
