"""The ledger adds up: pictures, tokens and seconds of a run, by hand."""

from pathlib import Path

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.storage import read_jsonl
from tessera.training.distributed import Alone
from tessera.training.ledger import EXPENSES, Ledger
from tests.tiny import run_config, run_in, save_tiny_policy

TOKENS = 64


def test_a_run_of_grpo_costs_what_its_settings_say(tmp_path: Path) -> None:
    settings = run_config(
        save_tiny_policy(tmp_path / "policy"),
        algorithm=GRPOConfig(prompts_per_step=2, group=4, updates=2, logp_view="conditional"),
    )
    run_in(tmp_path / "run", settings)
    rows = list(read_jsonl(tmp_path / "run" / "ledger.jsonl"))
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    # Two updates a round: the first of them pays for drawing, and for what the reference says.
    assert [row["images"] for row in rows] == [8, 0, 8, 0]
    assert [row["reward_calls"] for row in rows] == [8, 0, 8, 0]
    assert [row["tokens_sampled"] for row in rows] == [8 * TOKENS, 0, 8 * TOKENS, 0]
    assert [row["tokens_trained"] for row in rows] == [8 * TOKENS] * 4
    assert [row["tokens_scored"] for row in rows] == [8 * TOKENS, 0] * 2
    assert all(row["cpu_seconds"] > 0 and row["peak_memory_mb"] > 50 for row in rows)


def test_a_run_of_dpo_pays_for_all_its_pictures_at_the_start(tmp_path: Path) -> None:
    settings = run_config(
        save_tiny_policy(tmp_path / "policy"), algorithm=DPOConfig(prompts=6, group=4, pairs_per_step=3)
    )
    run_in(tmp_path / "run", settings)
    rows = list(read_jsonl(tmp_path / "run" / "ledger.jsonl"))
    assert [row["images"] for row in rows] == [24, 0, 0, 0]
    guided = 2 if settings.algorithm.logp_view == "guided" else 1
    assert {row["tokens_trained"] for row in rows} == {2 * 3 * TOKENS * guided}


def test_an_entry_begins_the_next_and_leaves_out_what_only_watches() -> None:
    ledger = Ledger()
    ledger.spend("images", 3)
    ledger.spend("images", 4)
    clock = {"seconds": 5.0, "seconds_sample": 2.0, "seconds_held_out": 1.0, "seconds_film": 0.5}
    first, second = (ledger.entry(Alone(), step, clock) for step in (1, 2))
    assert (first["images"], second["images"]) == (7, 0)
    assert first["seconds"] == 3.5
    assert set(EXPENSES) <= first.keys()
