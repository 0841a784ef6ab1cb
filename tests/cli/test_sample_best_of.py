"""`tessera sample --best-of`: every candidate is kept, the best of each picture is marked."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.conftest import Run

PROMPTS = ("--prompt", "a photo of two red circles", "a blue star left of a green ring")
MISSING = "tests.unit.rewards.functions:always_missing"


def rows(path: Path) -> list[dict[str, Any]]:
    """Returns the rows of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def height(folder: Path) -> int:
    """Returns how high the grid is."""
    with Image.open(folder / "grid.png") as image:
        return image.size[1]


def test_each_picture_is_the_best_of_its_candidates_and_all_are_kept(run: Run, tmp_path: Path) -> None:
    words = ("sample", *PROMPTS, "--num", 2, "--best-of", 3, "--scorer", "metric", "--json")
    outcome = run(*words, "--out", tmp_path / "out")
    result = json.loads(outcome.out)
    assert (result["images"], result["chosen"], result["blind"]) == (12, 4, 0)
    samples = {(row["prompt"], row["sample"]): row for row in rows(tmp_path / "out" / "samples.jsonl")}
    assert len(samples) == 12
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows(tmp_path / "out" / "scores.jsonl"):
        grade = samples[row["prompt"], row["sample"]]
        assert row["value"] == pytest.approx((grade["strict"] + grade["soft"]) / 2)
        groups.setdefault((row["prompt"], row["picture"]), []).append(row)
    assert len(groups) == 4
    for (_, picture), candidates in groups.items():
        assert [row["sample"] for row in candidates] == [picture + 2 * j for j in range(3)]
        best = max(candidates, key=lambda row: row["value"])  # the first of equals
        assert [row for row in candidates if row["chosen"]] == [best]
    ties = sum(sum(r["value"] == max(c["value"] for c in g) for r in g) > 1 for g in groups.values())
    assert result["ties"] == ties


def test_another_scorer_and_a_smaller_n_draw_nothing(run: Run, tmp_path: Path) -> None:
    words = ("sample", *PROMPTS, "--num", 2, "--out", tmp_path / "out")
    assert run(*words, "--best-of", 3, "--scorer", "metric").code == 0
    before, tall = (tmp_path / "out" / "samples.jsonl").read_bytes(), height(tmp_path / "out")
    assert run(*words, "--best-of", 2, "--scorer", "noise", "--resume").code == 0
    scores = rows(tmp_path / "out" / "scores.jsonl")
    assert {row["scorer"] for row in scores} == {"noise"}
    assert {row["sample"] for row in scores} == {0, 1, 2, 3}
    assert run(*words, "--resume").code == 0  # and without any
    assert height(tmp_path / "out") < tall / 2
    assert (tmp_path / "out" / "samples.jsonl").read_bytes() == before


def test_the_candidates_are_the_first_samples_whatever_their_number(run: Run, tmp_path: Path) -> None:
    plain = ("sample", *PROMPTS, "--num", 4)
    assert run(*plain, "--out", tmp_path / "plain").code == 0
    words = ("sample", *PROMPTS, "--num", 2, "--best-of", 2, "--scorer", "noise")
    assert run(*words, "--out", tmp_path / "best").code == 0
    tokens = [
        {(row["prompt"], row["sample"]): row["tokens"] for row in rows(tmp_path / name / "samples.jsonl")}
        for name in ("plain", "best")
    ]
    assert tokens[0] == tokens[1]


def test_without_any_score_the_first_candidate_is_taken_and_told(run: Run, tmp_path: Path) -> None:
    words = ("sample", *PROMPTS, "--num", 1, "--best-of", 2, "--scorer", MISSING)
    outcome = run(*words, "--out", tmp_path / "out")
    assert "2 choices without any score" in outcome.out
    scores = rows(tmp_path / "out" / "scores.jsonl")
    assert [(row["value"], row["sample"], row["chosen"]) for row in scores] == [
        (None, 0, True),
        (None, 1, False),
    ] * 2
    assert all(row["reason"] for row in scores)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--best-of", 4), "--best-of (2 or more) and --scorer go together"),
        (("--scorer", "metric"), "--best-of (2 or more) and --scorer go together"),
        (("--best-of", 0, "--scorer", "metric"), "--best-of must be 1 or more"),
        (("--best-of", 2, "--scorer", "unifid"), "Did you mean 'unified'?"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    run: Run, tmp_path: Path, words: tuple[object, ...], message: str
) -> None:
    outcome = run("sample", *PROMPTS, *words, "--out", tmp_path / "out")
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err
    assert list(tmp_path.iterdir()) == []
