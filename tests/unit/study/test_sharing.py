"""Rollouts that several rewards share: a run on them is the run that draws its own, bit for bit."""

from dataclasses import replace
from pathlib import Path

import pytest

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.iterated import IteratedConfig
from tessera.errors import OutputError
from tessera.policies.load import load_policy
from tessera.policies.lora import LoRAConfig
from tessera.rewards.noise import NoiseReward
from tessera.storage import read_jsonl
from tessera.study.stages import Planner, code_version, first_round, read_complete
from tessera.study.work import ROLLOUTS, RolloutsWork, TrainWork
from tessera.study.worker import make
from tessera.training.config import RunConfig
from tessera.training.ledger import EXPENSES
from tests.tiny import run_config, run_in
from tests.unit.study.tiny import saved


def dpo(policy: Path, **changes: object) -> RunConfig:
    algorithm = DPOConfig(prompts=8, group=4, pairs_per_step=4, logp_view="conditional")
    return replace(run_config(policy, algorithm=algorithm, batch_size=8), **changes)


def trained_on_shared(out: Path, run: RunConfig, shared: RunConfig) -> str:
    """Makes both stages; returns the name of the one that trains."""
    (out / "stages").mkdir(parents=True)
    planner = Planner(code_version())
    rollouts = planner.add(RolloutsWork(run=shared), "draw")
    name = planner.add(TrainWork(run=run), "train", {ROLLOUTS: rollouts})
    for each in (rollouts, name):
        make(out, planner.stages[each], "")
    return name


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="once"),
        pytest.param({"reward": NoiseReward(seed=5)}, id="another-reward"),
        pytest.param({"iterated": IteratedConfig(rounds=2)}, id="rounds"),
        pytest.param({"adapter": LoRAConfig(rank=2)}, id="an-adapter"),
    ],
)
def test_a_run_on_shared_rollouts_is_the_run_that_draws_its_own(tmp_path: Path, changes: dict) -> None:
    run = dpo(saved(tmp_path), **changes)
    run_in(tmp_path / "alone", run)
    name = trained_on_shared(tmp_path / "out", run, first_round(run))
    folder = tmp_path / "out" / "stages" / name
    assert load_policy(str(folder)).digest() == load_policy(str(tmp_path / "alone")).digest()
    spent = [
        [{key: row[key] for key in EXPENSES} for row in read_jsonl(each / "ledger.jsonl")]
        for each in (folder, tmp_path / "alone")
    ]
    assert spent[0] == spent[1]  # what an arm needs, whoever drew it
    cost = read_complete(tmp_path / "out", name)
    assert cost is not None
    assert cost["images"] == (32 if "iterated" in changes else 0)  # what was drawn in fact: later rounds


@pytest.mark.parametrize("setting", ["seed", "prompts"])
def test_rollouts_of_other_prompts_or_seeds_are_refused(tmp_path: Path, setting: str) -> None:
    run = dpo(saved(tmp_path))
    shared = first_round(run)
    other = (
        replace(shared, seed=7)
        if setting == "seed"
        else replace(shared, algorithm=replace(shared.algorithm, prompts=16))
    )
    with pytest.raises(OutputError, match=f"was made with {setting}="):
        trained_on_shared(tmp_path / "out", run, other)
