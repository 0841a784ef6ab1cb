"""The keys of stages: what is made again when something changes, and what many cells share."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tessera.study.cells import cells_of
from tessera.study.config import EvaluationConfig, PinnedRates, StudyConfig
from tessera.study.presets import load_study
from tessera.study.stages import Plan, code_version, outside_files, plan_of
from tessera.study.sweep import known_rates
from tessera.study.work import EvaluateWork
from tests.unit.study.tiny import VERSUS, saved, tiny_study


def plan(study: StudyConfig, code: str = "as it is") -> Plan:
    return plan_of(cells_of(study, known_rates(study)), code)


def labels(study: StudyConfig, other: StudyConfig) -> set[str]:
    """Returns what of the other study a folder of the first one lacks."""
    before, after = plan(study), plan(other)
    return {after.labels[name] for name in after.stages if name not in before.stages}


STUDY = tiny_study("mosaic")
ALL = {
    "measure base",
    "draw 2 of base",
    "choose from base by noise",
    "train grpo-noise-s0",
    "measure grpo-noise-s0",
    "draw for dpo-noise-s0",
    "train dpo-noise-s0",
    "measure dpo-noise-s0",
}
OF_GRPO = {"train grpo-noise-s0", "measure grpo-noise-s0"}
OF_DPO = {"train dpo-noise-s0", "measure dpo-noise-s0"}


def arm(number: int, word: str) -> dict[str, Any]:
    arms = list(STUDY.arms)
    arms[number] = replace(arms[number], changes=(*arms[number].changes, word))
    return {"arms": tuple(arms)}


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        pytest.param({}, set(), id="nothing"),
        pytest.param({"name": "renamed"}, set(), id="a-name"),
        pytest.param(
            {"rates": PinnedRates(source="else", rates={"grpo": 1e-2, "dpo": 1e-3})}, OF_GRPO, id="a-rate"
        ),
        pytest.param(arm(1, "algorithm.beta=0.5"), OF_DPO, id="beta-needs-no-new-rollouts"),
        pytest.param(arm(1, "algorithm.logp_view=conditional"), OF_DPO, id="nor-does-the-trained-view"),
        pytest.param(
            arm(1, "view.guidance=2.0"), {*OF_DPO, "draw for dpo-noise-s0"}, id="the-drawn-view-does"
        ),
        pytest.param({"changes": (*STUDY.changes, "steps=4")}, set(), id="the-same-again"),
        pytest.param(
            {"evaluation": EvaluationConfig(benchmarks=("mosaic-ood",))},
            {label for label in ALL if label.split()[0] in ("measure", "choose")} | {"draw 2 of base"},
            id="the-measurement",
        ),
        pytest.param(
            {"experiments": (replace(VERSUS, best_of=3),)},
            {"draw 3 of base", "choose from base by noise"},
            id="best-of",
        ),
        pytest.param(
            {"experiments": (replace(VERSUS, choosers=("noise", "metric")),)},
            {"choose from base by metric"},
            id="a-chooser",
        ),
    ],
)
def test_a_change_makes_exactly_what_depends_on_it(changes: dict[str, Any], again: set[str]) -> None:
    assert labels(STUDY, replace(STUDY, **changes)) == again


def test_changed_code_makes_everything_again() -> None:
    before, after = plan(STUDY), plan(STUDY, "changed")
    assert {after.labels[name] for name in after.stages if name not in before.stages} == ALL


def test_another_policy_under_the_same_path_makes_everything_again(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    study = tiny_study(folder)
    before = plan(study)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    assert not set(before.stages) & set(plan(study).stages)
    files = outside_files(EvaluateWork(policy=str(folder), evaluation=study.evaluation))
    assert [Path(name).name for name in files] == ["policy.json", "model.safetensors"]


def test_five_rewards_share_a_seeds_rollouts_and_everyone_shares_the_base() -> None:
    study = load_study("standard")
    shared = plan(replace(study, experiments=study.experiments[:2]))
    kinds = [stage.work.kind for stage in shared.stages.values()]
    assert kinds.count("train") == 30
    assert kinds.count("rollouts") == 3  # one a seed
    assert kinds.count("candidates") == 1
    assert sum(label == "measure base" for label in shared.labels.values()) == 1


def test_stages_come_after_their_inputs() -> None:
    every = plan(load_study("full"))
    seen: set[str] = set()
    for name, stage in every.stages.items():
        assert set(stage.inputs.values()) <= seen
        seen.add(name)


def test_only_what_a_cell_needs_is_needed() -> None:
    mine = plan(STUDY)
    (dpo,) = [cell for cell in mine.made if cell.startswith("dpo")]
    assert {mine.labels[name] for name in mine.needed([dpo])} == {*OF_DPO, "draw for dpo-noise-s0"}


def test_the_code_version_is_a_digest_that_stays() -> None:
    first = code_version()
    code_version.cache_clear()
    assert code_version() == first
    assert len(first) == 16
