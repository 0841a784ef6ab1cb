"""Rounds: one of them is the algorithm itself; the reference is kept, refreshed or averaged between them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tessera.algorithms.base import Context
from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grouped import TokenBatch
from tessera.algorithms.grpo import GRPO, GRPOConfig
from tessera.algorithms.iterated import Iterated, IteratedConfig
from tessera.errors import UserError
from tessera.policies.saved import read_saved
from tessera.storage import read_jsonl
from tessera.training.run import open_run
from tessera.types import View
from tests.tiny import context, run_config, run_in, save_tiny_policy

GROUPS = GRPOConfig(prompts_per_step=2, group=4)
PAIRS = DPOConfig(prompts=6, group=4, pairs_per_step=4)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    return save_tiny_policy(tmp_path / "policy")


@pytest.mark.parametrize("algorithm", [GROUPS, PAIRS], ids=["grpo", "dpo"])
def test_one_round_with_the_reference_kept_is_the_algorithm_itself(
    tmp_path: Path, start: Path, algorithm: Any
) -> None:
    plain = run_in(tmp_path / "plain", run_config(start, algorithm=algorithm))
    once = IteratedConfig(rounds=1, reference="kept")
    iterated = run_in(tmp_path / "once", run_config(start, algorithm=algorithm, iterated=once))
    assert iterated.digest() == plain.digest()


@pytest.mark.parametrize(("reference", "share"), [("kept", 0.0), ("refreshed", 1.0), ("ema", 0.25)])
def test_the_reference_of_the_second_round_is_the_one_asked_for(
    tmp_path: Path, start: Path, reference: Any, share: float
) -> None:
    rounds = IteratedConfig(rounds=2, reference=reference, ema_decay=0.75)
    out = tmp_path / "run"
    run_in(out, run_config(start, algorithm=GROUPS, iterated=rounds, checkpoint_every=1))
    first, last = (out / "checkpoints" / f"step_00000{step}" for step in (2, 4))
    assert not (first / "reference.safetensors").exists()  # until then it is what the run started from
    if share == 0:
        assert not (last / "reference.safetensors").exists()
        return
    found = load_file(last / "reference.safetensors")
    base, policy = (dict(read_saved(folder).trainable()) for folder in (start, first))
    for name, tensor in found.items():
        expected = base[name] + share * (policy[name] - base[name])
        torch.testing.assert_close(tensor, expected.detach(), atol=1e-7, rtol=1e-6)


def test_against_a_refreshed_reference_kl_starts_again_from_nothing(tmp_path: Path, start: Path) -> None:
    kl = {}
    for reference in ("kept", "refreshed"):
        rounds = IteratedConfig(rounds=2, reference=reference)
        out = tmp_path / reference
        run_in(out, run_config(start, algorithm=GROUPS, iterated=rounds))
        kl[reference] = [row["kl"] for row in read_jsonl(out / "metrics.jsonl")]
    assert kl["kept"][:2] == kl["refreshed"][:2]
    assert kl["kept"][2] > 1e-4
    assert abs(kl["refreshed"][2]) < 1e-9


def test_dpo_draws_anew_each_round_with_the_policy_as_it_stands(tmp_path: Path, start: Path) -> None:
    out = tmp_path / "run"
    run_in(out, run_config(start, algorithm=PAIRS, iterated=IteratedConfig(rounds=2)))
    headers = [
        json.loads((out / "rollouts" / f"round_00{round_}" / "config.json").read_text()) for round_ in (0, 1)
    ]
    after_round_0 = read_saved(out / "checkpoints" / "step_000002").digest()
    assert [h["policy_digest"] for h in headers] == [read_saved(start).digest(), after_round_0]
    assert headers[0]["seed"] != headers[1]["seed"]
    lines = list(read_jsonl(out / "metrics.jsonl"))
    assert [line["images"] for line in lines] == [24, 0, 24, 0]
    # The first step of a round is on-policy: no pair's probability has changed against a fresh reference.
    assert lines[2]["chosen_change"] == pytest.approx(0, abs=1e-4)


def collected(iterated: Iterated, here: Context, round_: int) -> TokenBatch:
    batch = iterated.collect(here, round_)
    assert isinstance(batch, TokenBatch)
    return batch


def test_the_same_prompts_come_again_with_other_pictures(tmp_path: Path) -> None:
    here = context(tmp_path)
    same = Iterated(GRPO(GROUPS, View()), IteratedConfig(rounds=2, prompts="same"), 2)
    new = Iterated(GRPO(GROUPS, View()), IteratedConfig(rounds=2, prompts="new"), 2)
    first, second, third = (collected(same, here, round_) for round_ in (0, 1, 2))
    assert torch.equal(first.text.ids, third.text.ids)
    assert not torch.equal(first.text.ids, second.text.ids)
    assert not torch.equal(first.tokens_BT, third.tokens_BT)
    assert not torch.equal(collected(new, here, 2).text.ids, first.text.ids)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iterated": IteratedConfig(rounds=3)}, "steps=4 must be a multiple of iterated.rounds=3"),
        (
            {
                "iterated": IteratedConfig(rounds=4),
                "algorithm": GRPOConfig(updates=2),
            },
            "steps of a round=1 must be a multiple of updates=2",
        ),
    ],
)
def test_rounds_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run_config(Path("p"), **changes)


@pytest.mark.parametrize("values", [{"rounds": 0}, {"ema_decay": 1.0}, {"ema_decay": -0.1}])
def test_rounds_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        IteratedConfig(**values)


def test_the_records_say_under_which_view_log_probabilities_are_trained(tmp_path: Path, start: Path) -> None:
    settings = run_config(
        start, algorithm=DPOConfig(prompts=6, group=4, pairs_per_step=4, logp_view="conditional")
    )
    out = tmp_path / "run"
    open_run(settings, out, "test", resume=False, command="tessera train tiny")
    recorded = json.loads((out / "config.json").read_text())
    assert recorded["command"] == "tessera train tiny"
    assert recorded["drawn_view"] != recorded["trained_view"] == {**recorded["drawn_view"], "guidance": 1.0}
    run_in(out, settings, resume=True)
    assert {line["logp_view"] for line in read_jsonl(out / "metrics.jsonl")} == {"conditional"}
    store = json.loads((out / "rollouts" / "round_000" / "config.json").read_text())
    assert store["logp_view"] == "conditional"
