"""Studies matched by FLOPs or seconds: pilots say what runs cost, and runs are cut to the same cost."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tessera.study.cells import cells_of, kind_of
from tessera.study.config import StudyConfig
from tessera.study.matching import token_passes
from tessera.study.sweep import known_rates
from tests.unit.study.tiny import VERSUS, run_tiny, saved, tiny_study

PLAIN = replace(VERSUS, best_of=1, choosers=())
# So long that a step is little of the whole, and half as much to train on for DPO.
LONGER = {
    "grpo": ("steps=40",),
    "dpo": ("steps=40", "algorithm.prompts=80", "algorithm.pairs_per_step=2"),
}


def long_study(policy: Path | str) -> StudyConfig:
    """Returns a study of two arms that cost differently, matched by FLOPs."""
    study = tiny_study(policy, experiments=(PLAIN,), match="flops")
    arms = [replace(arm, changes=(*arm.changes, *LONGER[arm.name])) for arm in study.arms]
    return replace(study, arms=tuple(arms))


def test_a_pass_is_one_token_forward_and_drawing_takes_one_of_each_branch() -> None:
    spent = {"tokens_sampled": 100, "tokens_scored": 10, "tokens_trained": 1}
    assert token_passes(spent, branches=1) == 113
    assert token_passes(spent, branches=2) == 213


def test_runs_of_one_kind_differ_in_seed_and_name_alone() -> None:
    first, second, *_ = [c.run for c in cells_of(tiny_study("mosaic", seeds=(0, 1)), {}) if c.run]
    assert (first.seed, second.seed) == (0, 1)
    assert kind_of(first) == kind_of(second) == kind_of(replace(first, recipe="another"))
    assert kind_of(first) != kind_of(replace(first, steps=first.steps + 1))


def test_runs_are_cut_to_what_the_first_arm_costs() -> None:
    study = long_study("mosaic")
    plain = {c.places[0].arm: c.run for c in cells_of(study, known_rates(study)) if c.run}
    costs = {kind_of(plain["grpo"]): 1000.0, kind_of(plain["dpo"]): 500.0}
    cut = {c.places[0].arm: c for c in cells_of(study, known_rates(study), costs) if c.run}
    assert {name: cell.budget for name, cell in cut.items()} == {"grpo": 1000.0, "dpo": 1000.0}
    assert {name: cell.run.steps for name, cell in cut.items() if cell.run} == {"grpo": 40, "dpo": 80}


@pytest.mark.slow
def test_a_study_matched_by_flops_ends_within_two_percent_by_its_ledger(tmp_path: Path) -> None:
    ended = run_tiny(long_study(saved(tmp_path)), tmp_path / "out")
    assert ended.count("done") == 3
    told = {cell["arm"]: cell["matched"] for cell in ended.cells if cell["matched"]}
    assert {each["unit"] for each in told.values()} == {"flops"}
    assert told["grpo"]["budget"] == told["dpo"]["budget"] > 0
    assert all(abs(each["missed_by"]) <= 0.02 for each in told.values())
    rows = json.loads((tmp_path / "out" / "results.json").read_text())
    steps = {row["arm"]: row["gradient_steps"] for row in rows}
    assert steps["dpo"] != steps["grpo"] == 40  # equal FLOPs are not equal steps
    assert {row["arm"]: row["token_passes"] for row in rows}["dpo"] == told["dpo"]["spent"]
    assert len(json.loads((tmp_path / "out" / "pilots.json").read_text())) == 2


@pytest.mark.slow
def test_a_pilot_that_fails_is_told_for_its_cells_and_those_measured_by_it(tmp_path: Path) -> None:
    bad = replace(PLAIN, rewards=("tests.unit.rewards.functions:fails",))
    ended = run_tiny(tiny_study(saved(tmp_path), experiments=(bad,), match="seconds"), tmp_path / "out")
    assert (ended.count("done"), ended.count("failed")) == (1, 2)
    errors = [cell["error"] for cell in ended.cells if cell["status"] == "failed"]
    assert all("its pilot failed" in error and "ZeroDivisionError" in error for error in errors)
