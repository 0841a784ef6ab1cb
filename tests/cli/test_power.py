"""`tessera power`: a table from typical variances, or from evaluation folders."""

import json
from pathlib import Path

import numpy as np
import pytest

from tessera.storage import write_lines
from tessera.types import EvalRecord, Grade
from tests.cli.conftest import Run


def evaluation(folder: Path, *, lift: float = 0.0, policy: int = 0, pictures: int = 2, seed: int = 5) -> Path:
    """Writes an evaluation of 40 prompts on each of two benchmarks; all share the prompts' difficulty."""
    folder.mkdir()
    hard = np.random.default_rng(0).random(40)
    luck = np.random.default_rng(policy + 1)
    rows = [
        EvalRecord(
            benchmark=benchmark,
            category=f"c{place % 2}",
            prompt_id=f"c{place % 2}/{place}",
            prompt=f"prompt {place}",
            sample=sample,
            seed=seed,
            grade=Grade(strict=float(luck.random() < hard[place] + lift), soft=0.5 + 0.1 * luck.random()),
            tokens=(),
        ).to_json()
        for benchmark in ("mosaic-id", "mosaic-ood")
        for place in range(40)
        for sample in range(pictures)
    ]
    write_lines(folder / "eval.jsonl", rows)
    return folder


def planned(run: Run, *words: object) -> dict:
    outcome = run("power", "--difference", 0.1, *words, "--json")
    assert (outcome.code, outcome.err) == (0, ""), outcome.err
    return json.loads(outcome.out)


def test_a_table_says_what_each_number_of_seeds_needs(run: Run) -> None:
    result = planned(run, "--seeds", 4)
    assert [row["seeds"] for row in result["table"]] == [1, 2, 3, 4, 5]
    one, four = result["table"][0], result["table"][3]
    assert one["images"] == one["prompts"] * 2 * 2
    assert four["images"] == four["prompts"] * 2 * 8
    # (2.80/.1)^2 * .17 = 133 prompts for one seed, and two for Student's t
    assert one["prompts"] == pytest.approx(135, abs=2)
    assert result["level"] == 0.05


def test_people_get_lines_with_their_seeds_marked(run: Run) -> None:
    out = run("power", "--difference", 0.05, "--seeds", 2).out
    (line,) = (line for line in out.splitlines() if line.startswith(">"))
    assert line.split()[1:3] == ["2", "never"]
    assert "Never: training seeds differ too much" in out
    assert "typical ones" in out


def test_folders_give_their_own_variances(run: Run, tmp_path: Path) -> None:
    new = [evaluation(tmp_path / f"new{n}", policy=n, lift=0.1) for n in range(3)]
    old = [evaluation(tmp_path / f"old{n}", policy=10 + n) for n in range(2)]
    result = planned(run, "--from", *new, "--against", *old)
    assert "40 prompts" in result["remarks"][0]
    assert result["components"]["new"]["picture"] == pytest.approx(0.15, abs=0.06)
    assert not result["components"]["old"]["fixed"]
    soft = planned(run, "--from", *new, "--against", *old, "--score", "soft", "--benchmark", "mosaic-ood")
    assert soft["components"]["new"]["picture"] == pytest.approx(0.1**2 / 12, rel=0.4)
    assert soft["remarks"][0].startswith("Variances: soft on mosaic-ood")


def test_a_single_folder_against_is_a_base_and_is_measured_once(run: Run, tmp_path: Path) -> None:
    new, base = evaluation(tmp_path / "new", lift=0.1), evaluation(tmp_path / "base", policy=9)
    result = planned(run, "--from", new, "--against", base)
    assert result["components"]["old"]["fixed"]
    assert result["components"]["old"]["seed"] == 0
    assert "typical" in result["remarks"][1]
    three = result["table"][2]
    assert three["images"] == three["prompts"] * 2 * 4


def test_one_folder_alone_stands_for_both_arms(run: Run, tmp_path: Path) -> None:
    result = planned(run, "--from", evaluation(tmp_path / "new"))
    assert result["components"]["new"] == result["components"]["old"]
    assert any("Without --against" in remark for remark in result["remarks"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--difference", 5), "five points are 0.05"),
        (("--difference", 0.1, "--power", 1), "--power lies between"),
        (("--difference", 0.1, "--seeds", 0), "--seeds must be 1 or more"),
        (("--difference", 0.1, "--prompts", 5), "--prompts must be 10 or more"),
        (("--difference", 0.1, "--against", "x"), "name the first one with --from"),
        (("--difference", 0.1, "--from", "nowhere"), "holds no eval.jsonl"),
    ],
)
def test_a_mistake_is_one_sentence(run: Run, words: tuple[object, ...], message: str) -> None:
    outcome = run("power", *words)
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err


def test_folders_that_do_not_fit_together_say_what_to_measure(run: Run, tmp_path: Path) -> None:
    good = evaluation(tmp_path / "good")
    single = evaluation(tmp_path / "single", pictures=1)
    reseeded = evaluation(tmp_path / "reseeded", seed=6)
    for words, message in (
        (("--from", good, "--benchmark", "mosaic-x"), "name one of: mosaic-id, mosaic-ood"),
        (("--from", single), "tessera eval --num 2"),
        (("--from", good, "--against", reseeded), "the same --seed"),
    ):
        outcome = run("power", "--difference", 0.1, *words)
        assert (outcome.code, message in outcome.err) == (2, True), outcome.err
