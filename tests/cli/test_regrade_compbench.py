"""`tessera regrade compbench`: evidence in, scores, official files and a summary out."""

import json
from pathlib import Path

import pytest

from tessera.cli import regrade_compbench
from tessera.errors import UserError
from tessera.scorers.compbench.faults import FAULTS

SEEN = {
    "prompt_id": "compbench/spatial_val/0001",
    "sample": 2,
    "picture": "spatial/samples/a hat above a rack_000012.png",
    "prompt": {
        "text": "a hat above a rack",
        "category": "spatial",
        "metadata": {"benchmark": "compbench"},
    },
    "reading": {
        "chunks": ["a hat", "a rack"],
        "words": [["hat", "NOUN"], ["rack", "NOUN"]],
        "source": "spacy",
    },
    "size": [479, 479],
    "vocabulary": "closed",
    "detections": [
        {"label": "hat", "score": 1, "box": [200, 0, 240, 40]},
        {"label": "rack", "score": 0.5, "box": [200, 400, 240, 440]},
    ],
}


def test_scores_by_either_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps(SEEN) + "\n")
    assert regrade_compbench.run(["--answers", str(path), "--out", str(tmp_path / "mended")]) == 0
    told = capsys.readouterr().out
    assert "spatial        0.8750      1 pictures" in told
    assert "Rules: mended" in told
    words = ["--answers", str(path), "--out", str(tmp_path / "published"), "--official-bugs", "--json"]
    assert regrade_compbench.run(words) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["categories"]["spatial"]["mean"] == 0  # "above" is no relation to it: 0.375, below 0.5
    place = tmp_path / "mended" / "spatial" / "labels" / "annotation_obj_detection_2d" / "vqa_result.json"
    assert json.loads(place.read_text()) == [{"question_id": 12, "answer": 0.875}]


def test_other_rules_do_not_write_over_results(tmp_path: Path) -> None:
    path, out = tmp_path / "answers.jsonl", tmp_path / "out"
    path.write_text(json.dumps(SEEN) + "\n")
    regrade_compbench.run(["--answers", str(path), "--out", str(out)])
    with pytest.raises(UserError):
        regrade_compbench.run(["--answers", str(path), "--out", str(out), "--official-bugs", "--resume"])


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no file"):
        regrade_compbench.run(["--answers", str(tmp_path / "gone"), "--out", str(tmp_path / "out")])


def test_help_tells_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        regrade_compbench.run(["--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert all(each.name in told for each in FAULTS)
