"""`tessera pair`: what pairing gave, from the files of a run alone."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.tiny import save_tiny_policy

SIZES = ("algorithm.prompts=8", "algorithm.group=4", "algorithm.pairs_per_step=4")
QUICK = ("reward.kind=noise", "watch.benchmarks=[]", "watch.film_every=0")


@pytest.fixture
def dpo(run: Run, tmp_path: Path) -> Path:
    """A DPO run of one step, of 8 prompts with 4 pictures each, whose rewards are noise: none tie."""
    out, policy = tmp_path / "dpo", save_tiny_policy(tmp_path / "policy")
    words = ("train", "mosaic-dpo", "--policy", policy, "--steps", 1, "--set", *SIZES, *QUICK, "--out", out)
    outcome = run(*words)
    assert outcome.code == 0, outcome.err
    return out


def store_of(folder: Path) -> Path:
    """Returns the store of a run's first round."""
    return next((folder / "rollouts").rglob("pairs.jsonl")).parent


def asked(run: Run, *words: object) -> dict[str, Any]:
    """Returns what --json prints."""
    outcome = run("pair", *words, "--json")
    assert (outcome.code, outcome.err) == (0, ""), outcome.err
    return json.loads(outcome.out)


def rewrite(path: Path, change: dict[int, Any]) -> None:
    """Changes the scores of these rows."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row, value in change.items():
        rows[row]["value"] = value
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_stored_pairs_are_counted_in_all_and_by_category(run: Run, dpo: Path) -> None:
    (summary,) = asked(run, dpo)["rounds"]
    assert (summary["prompts"], summary["group"], summary["pairs"]) == (8, 4, 8)
    assert (summary["paired_prompts"], summary["no_contrast"], summary["missing"]) == (8, 0, 0)
    assert sum(row["pairs"] for row in summary["categories"].values()) == 8
    stored = [json.loads(line) for line in (store_of(dpo) / "pairs.jsonl").read_text().splitlines()]
    margins = [row["chosen_reward"] - row["rejected_reward"] for row in stored]
    assert summary["mean_margin"] == pytest.approx(sum(margins) / 8)
    assert (summary["narrowest"], summary["widest"]) == (min(margins), max(margins))
    said = run("pair", dpo)
    assert "overall" in said.out
    assert "--show" in said.out


def test_another_pairing_is_told_without_drawing_and_without_a_change(run: Run, dpo: Path) -> None:
    before = {path: path.read_bytes() for path in dpo.rglob("*") if path.is_file()}
    assert asked(run, dpo, "--pairing", "all")["rounds"][0]["pairs"] == 8 * 6  # G (G - 1) / 2 of each prompt
    assert asked(run, dpo, "--pairing", "random", "--pairs-per-prompt", 3)["rounds"][0]["pairs"] == 24
    wide = asked(run, dpo, "--pairing", "all", "--margin", 0.5)["rounds"][0]
    assert 0 < wide["pairs"] < 48
    assert wide["narrowest"] > 0.5
    none = asked(run, dpo, "--pairing", "widest", "--margin", 1e9)["rounds"][0]
    assert (none["pairs"], none["no_contrast"], none["mean_margin"]) == (0, 8, None)
    assert {path: path.read_bytes() for path in dpo.rglob("*") if path.is_file()} == before


def test_widest_of_the_stored_scores_is_what_the_run_learnt_from(run: Run, dpo: Path) -> None:
    assert asked(run, dpo)["rounds"] == asked(run, dpo, "--pairing", "widest")["rounds"]


def test_ties_and_missing_rewards_are_counted_apart(run: Run, dpo: Path) -> None:
    scores = store_of(dpo) / "scores_00000.jsonl"
    # The first prompt's rewards tie, the second has one known, the third two that differ.
    rewrite(scores, {**dict.fromkeys(range(4), 0.5), **dict.fromkeys((4, 5, 6, 8, 9))})
    (summary,) = asked(run, dpo, "--pairing", "widest")["rounds"]
    assert (summary["missing"], summary["too_few_rewards"], summary["no_contrast"]) == (5, 1, 1)
    assert (summary["pairs"], summary["paired_prompts"]) == (6, 6)


def test_show_writes_a_page_of_its_own_where_it_is_told(run: Run, dpo: Path, tmp_path: Path) -> None:
    out = tmp_path / "look"
    result = asked(run, dpo, "--show", "--num", 4, "--out", out)
    assert result["page"] == str(out / "pairs.html")
    text = (out / "pairs.html").read_text(encoding="utf-8")
    assert text.count('src="data:image/') == 2 * 4
    assert "The narrowest margins" in text
    assert "http" not in text.replace("http-equiv", "")
    assert run("pair", dpo, "--show").code == 0
    assert (dpo / "pairs.html").exists()


def test_a_store_alone_needs_to_be_told_its_policy(run: Run, dpo: Path, tmp_path: Path) -> None:
    shutil.copytree(store_of(dpo), alone := tmp_path / "elsewhere" / "store")
    assert asked(run, alone)["rounds"][0]["pairs"] == 8
    outcome = run("pair", alone, "--show")
    assert (outcome.code, "name it with --policy" in outcome.err) == (2, True), outcome.err
    assert run("pair", alone, "--show", "--num", 2, "--policy", tmp_path / "policy").code == 0
    assert run("pair", store_of(dpo), "--show", "--num", 2).code == 0  # the run is above it


def test_rounds_are_told_one_by_one(run: Run, dpo: Path, tmp_path: Path) -> None:
    for round_ in range(2):
        shutil.copytree(store_of(dpo), tmp_path / "run" / "rollouts" / f"round_{round_:03d}")
    rounds = asked(run, tmp_path / "run")["rounds"]
    assert [each["store"] for each in rounds] == ["round_000", "round_001"]


def test_a_policy_that_has_changed_does_not_decode(run: Run, dpo: Path) -> None:
    settings = json.loads((dpo / "config.json").read_text())
    (dpo / "config.json").write_text(json.dumps({**settings, "policy_digest": "another"}))
    outcome = run("pair", dpo, "--show")
    assert (outcome.code, "no longer the policy" in outcome.err) == (2, True), outcome.err


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("part_00000.safetensors", "of 1 parts 0 are drawn and 1 are scored. Go on"),
        ("scores_00000.jsonl", "of 1 parts 1 are drawn and 0 are scored. Go on"),
        ("pairs.jsonl", "no pairs yet. Let its run go on with --resume"),
    ],
)
def test_an_unfinished_store_says_how_far_it_is_and_what_to_do(
    run: Run, dpo: Path, gone: str, message: str
) -> None:
    (store_of(dpo) / gone).unlink()
    outcome = run("pair", dpo)
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--num", 0), "--num must be 1 or more"),
        (("--margin", 0.1), "name it with --pairing"),
        (("--pairing", "all", "--margin", -1), "--margin must be 0 or more"),
        ((), "holds no rollouts to pair"),
    ],
)
def test_a_mistake_is_one_sentence(run: Run, tmp_path: Path, words: tuple[object, ...], message: str) -> None:
    outcome = run("pair", tmp_path, *words)
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err
    assert run("pair", tmp_path / "nowhere").code == 2
