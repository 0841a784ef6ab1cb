"""Runs of real classes with frozen parts: killed and resumed bit for bit, half precision, two processes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tessera.algorithms.grpo import GRPOConfig
from tessera.policies.janus.config import JanusConfig
from tessera.policies.layout import checkpoint_path
from tessera.policies.load import load_policy
from tessera.policies.lora import LoRAConfig
from tessera.policies.saved import save_policy
from tessera.recipes import load_recipe
from tessera.recipes.field import REPLAY_GAP
from tessera.storage import read_jsonl
from tessera.training.config import OptimizerConfig, RunConfig
from tessera.training.distributed import Alone
from tests.invariants.processes import train_in
from tests.invariants.test_processes import job, torchrun
from tests.tiny import run_in

FAMILIES = ("janus", "llamagen", "emu3")
STEPS = 4


def short(family: str, algorithm: str, **changes: object) -> RunConfig:
    """Returns a recipe for trials in four steps, on another family where one is named."""
    recipe = load_recipe(f"janus-tiny-{algorithm}")
    own = recipe.algorithm
    if isinstance(own, GRPOConfig):
        own = replace(own, prompts_per_step=2, group=4)
    else:
        own = replace(own, prompts=4, group=4, pairs_per_prompt=2, pairs_per_step=4)
    view = load_policy(f"random:{family}-tiny").spec.default_view
    return replace(
        recipe,
        policy=f"random:{family}-tiny",
        algorithm=own,
        view=replace(view, top_k=0),
        steps=STEPS,
        checkpoint_every=2,
        watch=replace(recipe.watch, film_every=0),
        **changes,
    )


def last(run: Path) -> dict[str, torch.Tensor]:
    """Returns all tensors of the last checkpoint: weights, moments, an adapter."""
    files = sorted(checkpoint_path(run, STEPS).glob("*.safetensors"))
    return {f"{file.name}/{name}": tensor for file in files for name, tensor in load_file(file).items()}


@pytest.mark.slow
@pytest.mark.parametrize("adapter", [None, LoRAConfig(rank=2)], ids=["full", "adapter"])
@pytest.mark.parametrize(
    ("family", "algorithm"), [("janus", "dpo"), ("llamagen", "grpo"), ("emu3", "grpo")], ids=FAMILIES
)
def test_a_killed_run_goes_on_bit_for_bit(
    family: str, algorithm: str, adapter: LoRAConfig | None, tmp_path: Path
) -> None:
    settings = short(family, algorithm, adapter=adapter)
    run_in(tmp_path / "whole", settings)
    run_in(tmp_path / "killed", settings, stop_after=3)
    run_in(tmp_path / "killed", settings, resume=True)
    whole, killed = last(tmp_path / "whole"), last(tmp_path / "killed")
    assert whole.keys() == killed.keys()
    assert all(torch.equal(tensor, killed[name]) for name, tensor in whole.items())


@pytest.mark.slow
@pytest.mark.parametrize("logp_view", ["guided", "conditional"])
def test_in_half_precision_replay_stays_within_the_bound_of_the_recipes(
    logp_view: str, tmp_path: Path
) -> None:
    """Weights of bfloat16 and an adapter in float32, as the recipes for real models have them.

    Under the conditional view nothing that was drawn is there to compare with: there is no gap.
    """
    save_policy(load_policy("random:janus-tiny"), tmp_path / "policy", torch.bfloat16)
    model = JanusConfig(weights=str(tmp_path / "policy"), dtype="bfloat16")
    base = short("janus", "grpo", adapter=LoRAConfig(rank=2), precision="bfloat16", model=model)
    assert isinstance(base.algorithm, GRPOConfig)
    own = replace(base.algorithm, logp_view=logp_view, max_replay_gap=REPLAY_GAP)
    run_in(tmp_path / "run", replace(base, algorithm=own))
    gaps = [row["sample_replay_gap"] for row in read_jsonl(tmp_path / "run" / "metrics.jsonl")]
    assert len(gaps) == STEPS
    if logp_view == "guided":
        assert 0 < max(gaps) < REPLAY_GAP
    else:
        assert set(gaps) == {None}


@pytest.mark.slow
def test_two_processes_with_pieces_of_a_policy_whose_parts_are_frozen_train_as_one(tmp_path: Path) -> None:
    """As tests/invariants/test_processes.py, which says why the steps are large and how much may differ."""
    optimizer = OptimizerConfig(lr=1.0, warm_up=0.25, max_grad_norm=0.5)
    jobs = []
    for algorithm in ("grpo", "dpo"):
        settings = short("janus", algorithm, optimizer=optimizer, micro_batch=2)
        train_in(tmp_path / f"{algorithm}-one", settings, Alone())
        jobs.append(job(tmp_path / f"{algorithm}-two", replace(settings, strategy="fsdp")))
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    done = torchrun("-m", "tests.invariants.processes", str(tmp_path / "jobs.json"))
    assert done.returncode == 0, done.stderr
    begun = load_policy("random:janus-tiny").state_dict()
    for algorithm in ("grpo", "dpo"):
        one, two = last(tmp_path / f"{algorithm}-one"), last(tmp_path / f"{algorithm}-two")
        assert one.keys() == two.keys()
        for name, tensor in one.items():
            torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-5, msg=name)
        weights = load_policy(str(tmp_path / f"{algorithm}-two")).state_dict()
        moved = {name for name, tensor in weights.items() if not torch.equal(tensor, begun[name])}
        assert moved
        assert all(".language_model." in name for name in moved)
