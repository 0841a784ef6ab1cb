"""One process is two, as replicas or in pieces: same weights, same moments, same lines, to rounding.

Weights are compared to 1e-5 after steps that move them by 1e-2 and more, as rounding differs with the order
of sums. Were a number within rounding (1e-7) of the edge between two tokens, another token would be drawn:
of the 2,000 tokens of a run here, chance below 1e-3, decided once by the seed.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.algorithms.iterated import IteratedConfig
from tessera.config import to_plain
from tessera.policies.layout import checkpoint_path, last_checkpoint
from tessera.policies.load import load_policy
from tessera.policies.lora import LoRAConfig
from tessera.rewards.custom import CustomReward
from tessera.storage import read_jsonl
from tessera.training.config import OptimizerConfig, RunConfig, WatchConfig
from tessera.training.distributed import Alone
from tests.invariants.processes import train_in
from tests.tiny import run_config, save_tiny_policy

REPO = Path(__file__).parents[2]
TOLERANCE = 1e-5
UNWATCHED = WatchConfig(benchmarks=())
CLOCKS = ("seconds", "cpu_seconds", "peak_memory_mb")
CASES = ("grpo", "dpo")
STRATEGIES = ("ddp", "fsdp")


def torchrun(*words: str) -> subprocess.CompletedProcess[str]:
    """Returns what two processes on the CPU said and how they ended."""
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *words],
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO / "src"), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def job(folder: Path, settings: RunConfig, *, resume: bool = False) -> dict[str, Any]:
    """Returns a line of work for two processes."""
    return {"folder": str(folder), "settings": to_plain(settings), "resume": resume}


def case(name: str, policy: Path, **changes: Any) -> RunConfig:
    """Returns a run whose reference moves after two steps, its rows cut into micro-batches of 3 and less.

    The pairs also make their activations again in backward, when pieces must be gathered for it once more.
    """
    optimizer = OptimizerConfig(lr=1.0, warm_up=0.25, max_grad_norm=0.5)
    common = {"steps": 4, "micro_batch": 3, "optimizer": optimizer, **changes}
    if name == "grpo":
        algorithm = GRPOConfig(prompts_per_step=2, group=4, kl_weight=0.1)
        iterated = IteratedConfig(rounds=2, reference="ema")
        return run_config(policy, algorithm=algorithm, iterated=iterated, **common)
    algorithm = DPOConfig(prompts=6, group=4, pairs_per_step=8, pairing="all")
    iterated = IteratedConfig(rounds=2)
    rest = {"watch": UNWATCHED, "gradient_checkpointing": True}
    return run_config(policy, algorithm=algorithm, iterated=iterated, **rest, **common)


def later(policy: Path) -> RunConfig:
    """Returns a run whose second updates need what the first found, on rows of which some teach nothing."""
    algorithm = GRPOConfig(prompts_per_step=2, group=4, kl_weight=0.1, updates=2, logp_view="conditional")
    reward = CustomReward(function="tests.unit.rewards.functions:every_fourth_missing")
    return replace(case("grpo", policy, max_missing=0.5), algorithm=algorithm, reward=reward)


def without_the_end(run: Path, to: Path) -> Path:
    """Returns a copy of a finished run that has lost its last checkpoint."""
    shutil.copytree(run, to)
    shutil.rmtree(checkpoint_path(to, 4))
    assert last_checkpoint(to) == checkpoint_path(to, 2)
    return to


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder of the same runs: by one process, by two, and begun by one and ended by the other."""
    torch.set_num_threads(1)
    here = tmp_path_factory.mktemp("runs")
    policy = save_tiny_policy(here / "policy")
    jobs = []
    for name in CASES:
        settings = case(name, policy)
        train_in(here / f"{name}-one", settings, Alone())
        jobs += [job(here / f"{name}-{how}", case(name, policy, strategy=how)) for how in STRATEGIES]
        begun = without_the_end(here / f"{name}-one", here / f"{name}-one-then-fsdp")
        jobs.append(job(begun, case(name, policy, strategy="fsdp"), resume=True))
    adapter = {"adapter": LoRAConfig(rank=2), "watch": UNWATCHED}
    train_in(here / "adapter-one", case("grpo", policy, **adapter), Alone())
    jobs.append(job(here / "adapter-ddp", case("grpo", policy, **adapter)))
    train_in(here / "later-one", later(policy), Alone())
    jobs += [job(here / f"later-{how}", replace(later(policy), strategy=how)) for how in STRATEGIES]
    odd = GRPOConfig(prompts_per_step=3, group=4)
    jobs.append(job(here / "odd", run_config(policy, algorithm=odd, micro_batch=3)))
    (here / "jobs.json").write_text(json.dumps(jobs))
    done = torchrun("-m", "tests.invariants.processes", str(here / "jobs.json"))
    assert done.returncode == 0, done.stderr
    for name in CASES:
        begun = without_the_end(here / f"{name}-fsdp", here / f"{name}-fsdp-then-one")
        train_in(begun, case(name, policy), Alone(), resume=True)
    return here


def tensors_of(run: Path) -> dict[str, torch.Tensor]:
    """Returns all that the last checkpoint holds of weights, moments and a moved reference."""
    checkpoint = last_checkpoint(run)
    assert checkpoint is not None
    found = {}
    for path in sorted(checkpoint.glob("*.safetensors")):
        found |= {f"{path.name}:{name}": tensor for name, tensor in load_file(path).items()}
    return found


def lines_of(run: Path, file: str) -> list[dict[str, Any]]:
    """Returns the lines of a file without what a clock says."""
    rows = read_jsonl(run / file)
    return [{key: each for key, each in row.items() if not key.startswith(CLOCKS)} for row in rows]


def numbers_in(line: dict[str, Any]) -> dict[str, float]:
    """Returns what is a number in a line."""
    return {key: each for key, each in line.items() if isinstance(each, int | float)}


HOW = (*STRATEGIES, "one-then-fsdp", "fsdp-then-one")
RUNS = [
    *((name, how) for name in CASES for how in HOW),
    *(("later", how) for how in STRATEGIES),
    ("adapter", "ddp"),
]


@pytest.mark.parametrize(("name", "how"), RUNS)
def test_two_processes_save_what_one_saves(runs: Path, name: str, how: str) -> None:
    one, two = tensors_of(runs / f"{name}-one"), tensors_of(runs / f"{name}-{how}")
    assert one.keys() == two.keys()
    assert any(key.startswith("reference.") for key in one)
    for key, tensor in one.items():
        torch.testing.assert_close(two[key], tensor, atol=TOLERANCE, rtol=0, msg=key)


@pytest.mark.parametrize(("name", "how"), RUNS)
def test_two_processes_write_the_lines_of_one(runs: Path, name: str, how: str) -> None:
    for file in ("metrics.jsonl", "ledger.jsonl"):
        one, two = lines_of(runs / f"{name}-one", file), lines_of(runs / f"{name}-{how}", file)
        assert len(one) == len(two) == 4
        for line, other in zip(one, two, strict=True):
            numbers, others = numbers_in(line), numbers_in(other)
            assert len(numbers) >= 5
            assert others == pytest.approx(numbers, rel=1e-4, abs=TOLERANCE)
            rest = {key: each for key, each in line.items() if key not in numbers}
            assert {key: each for key, each in other.items() if key not in others} == rest


@pytest.mark.parametrize("name", CASES)
def test_the_comparison_can_fail(runs: Path, name: str) -> None:
    """Every weight moves by far more than the tolerance, and some of what is clipped was above the bound."""
    start = dict(load_policy(str(runs / "policy")).trainable())
    for key, parameter in load_policy(str(runs / f"{name}-one")).trainable():
        assert (parameter - start[key]).abs().max() > 100 * TOLERANCE, key
    norms = [row["grad_norm"] for row in read_jsonl(runs / f"{name}-one" / "metrics.jsonl")]
    assert max(norms) > 0.5


def test_the_first_process_alone_watches_and_leaves_nothing_behind(runs: Path) -> None:
    for strategy in STRATEGIES:
        run = runs / f"grpo-{strategy}"
        for file in ("eval.jsonl", "held_out.jsonl"):
            assert (run / file).read_text() == (runs / "grpo-one" / file).read_text()
        config = json.loads((run / "config.json").read_text())
        assert (config["strategy"], config["processes"]) == (strategy, 2)
        files = {path.name for path in checkpoint_path(run, 4).iterdir()}
        assert files == {path.name for path in checkpoint_path(runs / "grpo-one", 4).iterdir()}


def test_what_cannot_be_divided_evenly_is_refused_before_a_folder_is_made(runs: Path) -> None:
    """By both: else one would wait for the other, and the jobs would not come to an end."""
    message = "prompts_per_step=3 cannot be divided among 2 processes; make it a multiple of that"
    assert (runs / "odd.refused").read_text() == message
    assert not (runs / "odd").exists()


def command(out: Path, *settings: str) -> list[str]:
    """Returns the words of a short run on the command line."""
    words = ["-m", "tessera", "train", "mosaic-grpo", "--out", str(out), "--steps", "1", "--track", "none"]
    small = ["algorithm.prompts_per_step=2", "algorithm.group=2", "watch.benchmarks=[]"]
    return [*words, "--set", *small, *settings]


def test_on_the_command_line_the_first_process_alone_speaks(tmp_path: Path) -> None:
    done = torchrun(*command(tmp_path / "run", "strategy=fsdp"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("step 1/1") == 1
    assert done.stdout.count("report.html") == 1
    assert load_policy(str(tmp_path / "run")).spec.name == "mosaic"


def test_a_process_that_fails_alone_ends_the_run(tmp_path: Path) -> None:
    reward = "tests.invariants.processes:fails_on_the_second"
    done = torchrun(*command(tmp_path / "run", "reward.kind=custom", f"reward.function={reward}"))
    assert done.returncode != 0
    assert "this process fails alone" in done.stderr
    assert last_checkpoint(tmp_path / "run") is None
