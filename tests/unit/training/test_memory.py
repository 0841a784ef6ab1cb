"""The memory estimate by hand and against a process; the rows that fit; what a resumed run keeps."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.errors import UserError
from tessera.objective.chunked import CHUNK
from tessera.policies.lora import LoRAConfig, LoRAPolicy
from tessera.sampling.replay import LOGITS_AT_ONCE
from tessera.training.config import RunConfig
from tessera.training.distributed import Alone
from tessera.training.memory import GB, Load, estimate, largest_rows, load_of, plan_rows
from tessera.types import Footprint, PolicySpec, View
from tests.contracts.policies import tiny_lora, tiny_mosaic
from tests.performance.memory import SETTINGS, measured_apart
from tests.tiny import run_config, run_in, save_tiny_policy

SPEC = PolicySpec(
    name="small", tokens=4, codebook=10, grid=(2, 2), image_size=(8, 8), prefix=3, default_view=View()
)
SIZES = Footprint(
    parameters=1000,
    weight_bytes=4,
    layers=5,
    width=8,
    heads=2,
    cache_width=4,
    mlp_width=16,
    mlp_tensors=2,
    keeps_scores=True,
)
LOAD = Load(rows=3, trained=4000)


def test_the_parts_are_those_of_a_hand_calculation() -> None:
    # 6 positions of width 8: 48 numbers. A layer: 48 (16 + 28) + 6 * 16 * 2 * 4 + 2 * 36 * 4 = 3168.
    parts = estimate(SPEC, SIZES, LOAD)
    assert (parts.weights, parts.reference, parts.gradients, parts.moments) == (4000, 4000, 4000, 8000)
    assert parts.activations == 3 * 7 * 3168
    assert parts.logits == 3 * 4 * 10 * 12
    assert parts.sampling == 0
    assert parts.total == 20_000 + 66_528 + 1440


def test_guidance_and_pairs_double_sequences_and_pairs_alone_double_logits() -> None:
    one = estimate(SPEC, SIZES, LOAD)
    guided = estimate(SPEC, SIZES, replace(LOAD, guided=True))
    pairs = estimate(SPEC, SIZES, replace(LOAD, guided=True, rollouts=2))
    assert guided.activations == 2 * one.activations
    assert guided.logits == one.logits
    assert (pairs.activations, pairs.logits) == (4 * one.activations, 2 * one.logits)


def test_recomputing_keeps_one_tensor_a_layer_and_makes_one_layer_again() -> None:
    parts = estimate(SPEC, SIZES, replace(LOAD, recompute=True))
    assert parts.activations == 3 * (5 * 48 * 4 + 3 * 3168)


def test_autocast_halves_products_and_copies_the_weights() -> None:
    # 48 (16 + 14) + 6 * 16 * 2 * 2 + 2 * 36 * 2 = 1968
    parts = estimate(SPEC, SIZES, replace(LOAD, autocast=True))
    assert parts.weights == 4000 + 2000
    assert parts.activations == 3 * 7 * 1968
    assert parts.logits == 3 * 4 * 10 * 10


def test_an_adapter_needs_no_second_policy_and_room_for_its_products() -> None:
    parts = estimate(SPEC, SIZES, replace(LOAD, trained=400, adapter=True))
    assert (parts.reference, parts.gradients, parts.moments) == (0, 400, 800)
    assert parts.activations == 3 * 8 * 3168


def test_several_processes_hold_gradients_twice() -> None:
    assert estimate(SPEC, SIZES, replace(LOAD, processes=2)).gradients == 8000


def test_distributions_before_the_last_chunk_are_kept_up_to_the_limit_and_never_below_an_adapter() -> None:
    spec = replace(SPEC, tokens=CHUNK, codebook=LOGITS_AT_ONCE // (2 * CHUNK))
    chunk = CHUNK * spec.codebook
    assert estimate(spec, SIZES, replace(LOAD, rows=2)).logits == chunk * 12 + chunk * 4
    assert estimate(spec, SIZES, replace(LOAD, rows=2, adapter=True)).logits == chunk * 12
    assert estimate(spec, SIZES, replace(LOAD, rows=3)).logits == chunk * 12


def test_sampling_takes_turns_with_the_update() -> None:
    # A row's cache: keys and values of 5 layers, 6 positions, width 4, 4 bytes: 960; twice when guided.
    small = estimate(SPEC, SIZES, replace(LOAD, drawn=2, drawn_guided=True))
    assert small.sampling == 2 * (2 * 960 + 10 * 24)
    assert small.total == estimate(SPEC, SIZES, LOAD).total
    large = estimate(SPEC, SIZES, replace(LOAD, drawn=1000))
    assert large.total == 20_000 + 1000 * (960 + 240)


def test_the_most_rows_that_fit_are_chosen_and_never_more_than_there_are() -> None:
    two = estimate(SPEC, SIZES, replace(LOAD, rows=2)).total
    assert largest_rows(SPEC, SIZES, LOAD, two) == 2
    assert largest_rows(SPEC, SIZES, LOAD, two - 1) == 1
    assert largest_rows(SPEC, SIZES, LOAD, GB) == 3


def test_where_not_one_row_fits_the_parts_and_the_remedies_are_named() -> None:
    with pytest.raises(UserError, match=r"one row needs about 4.27e-05 GB \(weights 4e-06.*checkpointing"):
        largest_rows(SPEC, SIZES, LOAD, 10_000)


def test_a_load_is_read_off_the_settings() -> None:
    grpo = run_config(Path("p"), algorithm=GRPOConfig(prompts_per_step=4, group=6), precision="bfloat16")
    views = {"drawn": View(guidance=3.0), "trained": View()}
    load = load_of(grpo, tiny_mosaic(), **views, processes=2)
    assert (load.rows, load.rollouts, load.guided, load.drawn_guided) == (12, 1, False, True)
    assert (load.autocast, load.recompute, load.adapter) == (True, False, False)
    parameters = sum(parameter.numel() for _, parameter in tiny_mosaic().trainable())
    assert load.trained == 4 * parameters
    dpo = run_config(Path("p"), algorithm=DPOConfig(pairs_per_step=8), gradient_checkpointing=True)
    load = load_of(dpo, tiny_lora(), **views, processes=1)
    assert (load.rows, load.rollouts, load.recompute, load.adapter) == (8, 2, True, True)


def plan(settings: RunConfig, folder: Path, *, resume: bool = False) -> int:
    return plan_rows(
        settings, tiny_mosaic(), folder, Alone(), drawn=View(), trained=View(), resume=resume
    ).rows


def test_rows_are_as_set_or_as_fit_into_what_is_free_or_allowed(tmp_path: Path) -> None:
    assert plan(run_config(Path("p"), micro_batch=5), tmp_path) == 5
    assert plan(run_config(Path("p")), tmp_path) == 8  # the whole batch of a tiny policy
    tight = run_config(Path("p"), memory_gb=0.0082, batch_size=1)
    assert 1 <= plan(tight, tmp_path) < 8


def test_a_resumed_run_keeps_its_rows_whatever_is_free(tmp_path: Path) -> None:
    policy = save_tiny_policy(tmp_path / "policy")
    run_in(tmp_path / "run", run_config(policy), stop_after=2)
    recorded = json.loads((tmp_path / "run" / "config.json").read_text())
    assert recorded["rows_at_once"] == 8
    assert recorded["memory_estimate_gb"]["total"] > 0
    (tmp_path / "run" / "config.json").write_text(json.dumps({**recorded, "rows_at_once": 3}))
    assert plan(run_config(policy), tmp_path / "run", resume=True) == 3
    assert plan(run_config(policy), tmp_path / "run") == 8


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["mosaic, 32 rows", "32 rows, recomputed", "32 rows, LoRA 16", "large, 1 row", "large codebook, 16 rows"],
)
def test_the_estimate_is_within_a_factor_of_a_process(name: str) -> None:
    """Of the peak of a real update, in a process of its own; the table of tests/performance/memory.py."""
    row = measured_apart(SETTINGS[name])
    assert 0.67 < row["estimate"] / row["measured"] < 1.5


def test_an_adapter_is_seen_by_its_own_size() -> None:
    policy = LoRAPolicy(tiny_mosaic(), LoRAConfig(rank=2), seed=0)
    load = load_of(run_config(Path("p")), policy, drawn=View(), trained=View(), processes=1)
    # Two layers of width 32: qkv 32 -> 96, out 32 -> 32, up 32 -> 64, down 64 -> 32.
    assert load.trained == 4 * 2 * 2 * (128 + 64 + 96 + 96)
