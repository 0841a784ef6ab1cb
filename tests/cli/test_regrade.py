"""`tessera regrade geneval`: saved detections in, verdicts and a summary out."""

import json
from pathlib import Path

from tests.cli.conftest import Run

ROW = {
    "metadata": {
        "tag": "counting",
        "include": [{"class": "dog", "count": 1}],
        "prompt": "a photo of one dog",
    },
    "detected": {"dog": [{"box": [0, 0, 9, 9, 0.6]}]},
}


def test_verdicts_come_in_the_order_of_the_rows(run: Run, tmp_path: Path) -> None:
    rows = [ROW, {**ROW, "detected": {}}]
    path, out = tmp_path / "detections.jsonl", tmp_path / "out"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome = run("regrade", "geneval", "--detections", path, "--out", out)
    assert outcome.code == 0, outcome.err
    assert "overall           50.0 %" in outcome.out
    found = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [(row["correct"], row["reason"]) for row in found] == [
        (True, ""),
        (False, "expected dog>=1, found 0"),
    ]
    (tmp_path / "list.json").write_text(json.dumps(rows))
    strict = ("--counting-threshold", 0.9, "--json")
    told = run(
        "regrade", "geneval", "--detections", tmp_path / "list.json", "--out", tmp_path / "two", *strict
    )
    assert json.loads(told.out)["overall"] == 0


def test_a_mistake_is_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("{")
    for words, told in (
        (("--detections", tmp_path / "gone.jsonl"), "is no file"),
        (("--detections", tmp_path / "bad.jsonl"), "is no JSON"),
        (("--detections", tmp_path / "bad.jsonl", "--threshold", 2), "a score in"),
    ):
        outcome = run("regrade", "geneval", *words, "--out", tmp_path / "out")
        assert outcome.code == 2
        assert told in outcome.err
