"""A whole run at tiny size: what lies in its folder, and what stops it before a wrong weight is written."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tessera.errors import (
    CheckpointMismatch,
    OutputError,
    RewardError,
    SamplingError,
    TrainingError,
    UserError,
)
from tessera.policies.layout import last_checkpoint
from tessera.policies.load import load_policy
from tessera.rewards.custom import CustomReward
from tessera.rewards.metric import MetricReward
from tessera.storage import read_jsonl
from tessera.training.config import OptimizerConfig
from tests.contracts.policies import tiny_mosaic
from tests.tiny import run_config, run_in, save_tiny_policy


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return save_tiny_policy(tmp_path / "policy")


def test_the_run_folder_has_what_the_plan_says(tmp_path: Path, policy: Path) -> None:
    out = tmp_path / "run"
    trained = run_in(out, run_config(policy))
    config = json.loads((out / "config.json").read_text())
    assert (config["policy"], config["algorithm"]["kind"], config["steps"]) == (str(policy), "grpo", 4)
    rows = list(read_jsonl(out / "metrics.jsonl"))
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    numbers = (
        "reward reward_std kl entropy clip_fraction zero_variance_groups missing sample_replay_gap images "
        "images_total seconds lr grad_norm loss seconds_sample seconds_reward seconds_update"
    )
    for row in rows:
        assert all(isinstance(row[name], int | float) for name in numbers.split()), row
        assert row["images"] == 8
    assert rows[-1]["images_total"] == 32
    assert {row["step"] for row in read_jsonl(out / "eval.jsonl")} == {0, 2, 4}
    assert [row["step"] for row in read_jsonl(out / "held_out.jsonl")] == [0, 2, 4]
    assert 0 <= rows[1]["held_out"]["mosaic-id"]["strict"]["mean"] <= 1
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["step_000002", "step_000004"]
    assert load_policy(str(out)).digest() == trained.digest() != tiny_mosaic().digest()


def test_the_film_shows_the_same_prompts_and_seeds_as_the_policy_moves(tmp_path: Path, policy: Path) -> None:
    out = tmp_path / "run"
    run_in(out, run_config(policy))
    captions = json.loads((out / "pictures" / "prompts.json").read_text())
    frames = sorted(path.name for path in (out / "pictures").glob("step_*"))
    assert frames == ["step_000000", "step_000002", "step_000004"]
    for frame in frames:
        assert len(list((out / "pictures" / frame).glob("*.png"))) == len(captions) == 48
    first, last = (np.asarray(Image.open(out / "pictures" / f / "0.png")) for f in (frames[0], frames[-1]))
    assert first.shape == (128, 128, 3)
    assert (first != last).any()


def test_nothing_is_measured_on_test_prompts(tmp_path: Path, policy: Path) -> None:
    from tessera.world.grammar import parse
    from tessera.world.prompts import split_of

    out = tmp_path / "run"
    run_in(out, run_config(policy, steps=2))
    measured = {row["prompt"] for row in read_jsonl(out / "eval.jsonl")}
    filmed = {row["prompt"] for row in json.loads((out / "pictures" / "prompts.json").read_text())}
    assert {split_of(parse(prompt)) for prompt in measured | filmed} == {"val"}


def test_an_existing_folder_is_refused_and_other_settings_are_named(tmp_path: Path, policy: Path) -> None:
    out = tmp_path / "run"
    run_in(out, run_config(policy, steps=2))
    with pytest.raises(OutputError, match="exists and is not empty"):
        run_in(out, run_config(policy, steps=2))
    with pytest.raises(OutputError, match="was made with steps=2, now it is 4"):
        run_in(out, run_config(policy, steps=4), resume=True)
    before = last_checkpoint(out)
    run_in(out, run_config(policy, steps=2), resume=True)  # finished: nothing to do
    assert last_checkpoint(out) == before


def test_a_resume_against_another_reference_is_refused(tmp_path: Path, policy: Path) -> None:
    out = tmp_path / "run"
    run_in(out, run_config(policy), stop_after=3)
    other = save_tiny_policy(tmp_path / "other")
    settings = json.loads((other / "policy.json").read_text())
    settings["mosaic"]["default_view"]["guidance"] = 4.0
    (policy / "policy.json").write_text(json.dumps(settings))
    config = json.loads((out / "config.json").read_text())
    digest = load_policy(str(policy)).digest()
    with pytest.raises(OutputError, match="policy_digest"):
        run_in(out, run_config(policy), resume=True)
    # Even where the folder's settings were made to agree, the checkpoint remembers.
    (out / "config.json").write_text(json.dumps({**config, "policy_digest": digest}))
    with pytest.raises(CheckpointMismatch, match="trained against the reference"):
        run_in(out, run_config(policy), resume=True)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("fails", ZeroDivisionError, "the judge is out"),
        ("one_too_few", RewardError, "asked about 8 pictures and gave 7"),
        ("infinite", RewardError, "gave inf"),
        ("every_fourth_missing", RewardError, "could not judge 2 of 8"),
    ],
)
def test_a_reward_that_goes_wrong_stops_the_run_before_any_weight_is_written(
    tmp_path: Path, policy: Path, name: str, error: type[Exception], message: str
) -> None:
    reward = CustomReward(function=f"tests.unit.rewards.functions:{name}")
    with pytest.raises(error, match=message):
        run_in(tmp_path / "run", run_config(policy, reward=reward))
    assert last_checkpoint(tmp_path / "run") is None


def test_missing_rewards_within_bounds_are_counted_in_every_line(tmp_path: Path, policy: Path) -> None:
    reward = CustomReward(function="tests.unit.rewards.functions:every_fourth_missing")
    run_in(tmp_path / "run", run_config(policy, reward=reward, max_missing=0.5))
    assert [row["missing"] for row in read_jsonl(tmp_path / "run" / "metrics.jsonl")] == [2] * 4


def test_a_rate_that_blows_the_weights_up_is_an_error_and_no_checkpoint(tmp_path: Path, policy: Path) -> None:
    settings = run_config(policy, optimizer=OptimizerConfig(lr=1e30, warm_up=0.0), checkpoint_every=4)
    with pytest.raises((TrainingError, SamplingError), match=r"no weight was moved|NaN or infinite"):
        run_in(tmp_path / "run", settings)
    assert last_checkpoint(tmp_path / "run") is None


def test_unknown_prompts_are_refused_before_the_folder_is_made(tmp_path: Path, policy: Path) -> None:
    with pytest.raises(UserError, match="Did you mean 'mosaic-id'"):
        run_in(tmp_path / "run", run_config(policy, prompts="mosaic-ids"))
    assert not (tmp_path / "run").exists()


def test_bfloat16_trains_too_and_its_gap_is_small_but_open(tmp_path: Path, policy: Path) -> None:
    settings = run_config(policy, precision="bfloat16", reward=MetricReward(), steps=2)
    run_in(tmp_path / "run", settings)
    rows = list(read_jsonl(tmp_path / "run" / "metrics.jsonl"))
    assert all(1e-5 < row["sample_replay_gap"] < 1e-1 for row in rows)
