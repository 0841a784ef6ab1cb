"""Kept evidence judged again: the same verdicts, the other rules, mistakes told."""

import json
from pathlib import Path
from typing import Any

import pytest

from tessera.benchmarks.compbench.benchmark import CompBench
from tessera.benchmarks.compbench.regrade import GRADES, SUMMARY, regrade
from tessera.errors import UserError
from tests.unit.scorers.compbench.test_evaluator import PROMPTS, Room, pictures


def benchmark(tmp_path: Path, *, bugs: bool = False) -> CompBench:
    return CompBench(data=tmp_path, evaluator=Room().evaluator, official_bugs=bugs)


def kept(tmp_path: Path) -> Path:
    """Returns a file of evidence as `benchmarks.looking` keeps it, of a picture of each category."""
    whole = benchmark(tmp_path)
    lines = []
    for each, seen in zip(PROMPTS, whole.observe(PROMPTS, pictures(8)), strict=True):
        row: dict[str, Any] = {"prompt_id": each.id, "sample": 0, "picture": str(whole.picture(each, 0))}
        lines.append(json.dumps({**row, "digest": "0", "by": whole.digest(), **seen}))
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("bugs", [True, False])
def test_regrading_gives_the_verdicts_of_the_benchmark(tmp_path: Path, bugs: bool) -> None:
    path, out = kept(tmp_path), tmp_path / "out"
    out.mkdir()
    summary = regrade(path, out, official_bugs=bugs)
    grades = [json.loads(line) for line in (out / GRADES).read_text().splitlines()]
    straight = benchmark(tmp_path, bugs=bugs).grade(PROMPTS, pictures(8))
    assert [each["score"] for each in grades] == [each.soft for each in straight]
    assert [each["prompt_id"] for each in grades] == [each.id for each in PROMPTS]
    assert json.loads((out / SUMMARY).read_text()) == json.loads(json.dumps(summary, allow_nan=False))
    assert (out / "numeracy" / "annotation_num" / "score.txt").is_file()
    assert (out / "complex" / "annotation_3_in_1" / "vqa_result.json").is_file()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "no JSON lines"),
        ("", "holds no row"),
        ('{"prompt_id": "a"}', "row 1: expected a line of answers"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match=told):
        regrade(path, tmp_path, official_bugs=False)
