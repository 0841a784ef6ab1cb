"""`tessera world`: true pictures of the world, and the build in a few steps."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Run


def test_show_draws_both_families_and_their_prompts(run: Run, tmp_path: Path) -> None:
    assert run("world", "show", "--num", 2, "--out", tmp_path / "out").code == 0
    for name in ("id.png", "ood.png"):
        with Image.open(tmp_path / "out" / name) as sheet:
            assert min(sheet.size) > 256
    lines = (tmp_path / "out" / "prompts.jsonl").read_text().splitlines()
    assert {json.loads(line)["family"] for line in lines} == {"id", "ood"}
    assert len(lines) == 2 * 2 * 6


def test_a_build_of_a_few_steps_makes_a_loadable_policy_and_compares_it(run: Run, tmp_path: Path) -> None:
    """Two steps teach nothing; the claim is that every stage runs and its result can be used."""
    flags = ("--tokenizer-steps", 2, "--policy-steps", 2, "--prompts", 1, "--threads", 1, "--json")
    outcome = run("world", "build", "--only", "policy", *flags, "--out", tmp_path / "built")
    assert outcome.code == 0
    result = json.loads(outcome.out)
    assert result["mine"]["summary"]["mosaic-id"]["overall"]["mean"] == 0
    assert result["mine"]["digest"] != result["shipped"]["digest"]
    assert result["mine"]["config"]["policy"]["steps"] == 2
    flags = ("--prompt", "a red star", "--num", 1, "--policy", tmp_path / "built")
    assert run("sample", *flags, "--out", tmp_path / "samples").code == 0


@pytest.mark.slow
def test_judges_of_a_few_steps_are_compared_with_the_shipped_ones_and_can_be_trained_on(
    run: Run, tmp_path: Path
) -> None:
    flags = ("--only", "judges", "--judge-steps", 1, "--prompts", 1, "--threads", 1)
    outcome = run("world", "build", *flags, "--out", tmp_path / "built")
    assert outcome.code == 0
    assert "AUC / pairs / best of group" in outcome.out
    for name in ("preference", "regressor", "unified", "orm"):
        assert f"{name}, mosaic-id" in outcome.out
        assert (tmp_path / "built" / "judges" / f"{name}.safetensors").is_file()
    assert not (tmp_path / "built" / "model.safetensors").exists()
    reward = ("reward.kind=judge", "reward.judge=orm", f"reward.folder={tmp_path / 'built' / 'judges'}")
    small = (
        "algorithm.prompts_per_step=2",
        "algorithm.group=2",
        "steps=1",
        "checkpoint_every=1",
        "watch.prompts_per_category=1",
    )
    assert run("train", "mosaic-grpo", "--set", *reward, *small, "--out", tmp_path / "trained").code == 0


def test_an_unknown_action_is_refused(run: Run) -> None:
    outcome = run("world", "bild")
    assert (outcome.code, "Did you mean 'world build'?" in outcome.err) == (2, True)
    assert run("world").code == 2
