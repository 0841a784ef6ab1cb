"""The film strip as it is drawn and written: fixed beforehand, graded as written, the same after a resume."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tessera.benchmarks.load import load_benchmark
from tessera.policies.load import load_policy
from tessera.protocols import Policy
from tessera.rewards.custom import CustomReward
from tessera.rewards.load import load_reward, load_scorer
from tessera.rewards.noise import NoiseReward
from tessera.scorers.mosaic import grade
from tessera.storage import read_jsonl
from tessera.training.config import WatchConfig
from tessera.training.film import write_film
from tessera.training.metrics import GRADES, PICTURES
from tessera.training.run import open_run
from tessera.training.watch import FILM_PROMPTS, FILM_SAMPLES, Watch
from tessera.types import Prompt
from tests.contracts.policies import tiny_mosaic
from tests.tiny import run_config, run_in, save_tiny_policy
from tests.unit.rewards.functions import brightness

NAMES = ("mosaic-id", "mosaic-ood")
BRIGHTNESS = CustomReward(function="tests.unit.rewards.functions:brightness")
COUNT = 12 * FILM_PROMPTS * FILM_SAMPLES  # both benchmarks have six categories


@pytest.fixture(scope="module")
def watch() -> Watch:
    policy = tiny_mosaic()
    return Watch(
        benchmarks=[load_benchmark(name) for name in NAMES],
        scorers=[load_scorer(NoiseReward())],
        base=None,
        prompts_per_category=1,
        view=policy.spec.default_view,
        seed=0,
        batch_size=64,
        training=[Prompt(id=text, text=text) for text in ("a star", "a red ring", "a star")],
        reward=load_reward(BRIGHTNESS),
    )


def test_prompts_and_seeds_are_fixed_whatever_the_policy_makes_of_them(watch: Watch) -> None:
    base, other = tiny_mosaic(), tiny_mosaic()
    with torch.no_grad():
        for _, parameter in other.trainable():
            parameter.mul_(-1.0)
    first, second = watch.shoot(base), watch.shoot(other)
    assert [(shot.benchmark, shot.prompt, shot.sample) for shot in first] == [
        (shot.benchmark, shot.prompt, shot.sample) for shot in second
    ]
    assert any((a.image_HWC != b.image_HWC).any() for a, b in zip(first, second, strict=True))
    again = watch.shoot(base)
    assert all((a.image_HWC == b.image_HWC).all() for a, b in zip(first, again, strict=True))
    asked = [prompt for benchmark in watch.benchmarks for prompt in benchmark.prompts(FILM_PROMPTS)]
    assert [shot.prompt for shot in first[::FILM_SAMPLES]] == asked
    assert [shot.number for shot in first] == list(range(COUNT))


def test_the_samples_of_a_prompt_are_different_pictures(watch: Watch) -> None:
    shots = watch.shoot(tiny_mosaic())[:FILM_SAMPLES]
    assert [shot.sample for shot in shots] == list(range(FILM_SAMPLES))
    assert (shots[0].image_HWC != shots[1].image_HWC).any()


def test_without_a_benchmark_training_prompts_are_shown_with_what_the_reward_says(watch: Watch) -> None:
    shots = replace(watch, benchmarks=[]).shoot(tiny_mosaic())
    assert [(shot.prompt.text, shot.sample) for shot in shots] == [
        (text, sample) for text in ("a star", "a red ring") for sample in range(FILM_SAMPLES)
    ]
    for shot in shots:
        assert np.isnan(shot.grade.strict)
        assert shot.grade.soft == pytest.approx(brightness([shot.prompt], shot.image_HWC[None])[0])


def test_a_verdict_is_that_of_the_picture_beside_it(watch: Watch, tmp_path: Path) -> None:
    write_film(tmp_path, 10, watch.shoot(tiny_mosaic()))
    rows = list(read_jsonl(tmp_path / GRADES))
    assert [row["number"] for row in rows] == list(range(COUNT))
    for row in rows:
        image_HWC = np.asarray(Image.open(tmp_path / PICTURES / "step_000010" / f"{row['number']}.png"))
        (verdict,) = grade([row["prompt"]], image_HWC[None])
        assert (row["strict"], row["soft"]) == (verdict.strict, verdict.soft)
        assert row["failed"] == [fact.text for fact in verdict.facts if not fact.holds]
        assert row["step"] == 10


def test_nothing_to_film_writes_nothing(tmp_path: Path) -> None:
    write_film(tmp_path, 0, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_resumed_run_writes_the_same_verdicts(tmp_path: Path, stop_after: int) -> None:
    """Film at 0, 1, 2, 3, 4 and checkpoints at 2, 4: what a kill leaves beyond its checkpoint comes again."""
    watched = WatchConfig(benchmarks=NAMES[:1], prompts_per_category=1, film_every=1)
    settings = run_config(save_tiny_policy(tmp_path / "policy"), watch=watched)
    run_in(tmp_path / "straight", settings)
    run_in(tmp_path / "killed", settings, stop_after=stop_after)
    run_in(tmp_path / "killed", settings, resume=True)
    assert (tmp_path / "killed" / GRADES).read_bytes() == (tmp_path / "straight" / GRADES).read_bytes()
    steps = [row["step"] for row in read_jsonl(tmp_path / "killed" / GRADES)]
    assert sorted(set(steps)) == [0, 1, 2, 3, 4]
    assert len(steps) == 5 * COUNT // 2


def test_a_change_since_the_start_is_that_of_the_same_pictures(watch: Watch, tmp_path: Path) -> None:
    """A second look at the same policy changes nothing; a look at another is the difference of the scores."""
    base = load_policy("mosaic")
    first = watch.measure(base, tmp_path, 0)
    assert "change" not in first["mosaic-id"]["strict"]
    same = watch.measure(base, tmp_path, 5)
    other = watch.measure(tiny_mosaic(), tmp_path, 10)
    for name in NAMES:
        for score in ("strict", "soft"):
            change = same[name][score]["change"]
            # One prompt a category: the change is known, and how sure it is is not.
            assert (change["mean"], change["ci_low"], change["n"]) == (0, None, 6)
            expected = other[name][score]["mean"] - first[name][score]["mean"]
            assert other[name][score]["change"]["mean"] == pytest.approx(expected)


def test_held_out_scorers_judge_the_same_pictures_and_training_never_hears_of_it(tmp_path: Path) -> None:
    policy, scorer = save_tiny_policy(tmp_path / "policy"), load_scorer(BRIGHTNESS)
    watched = WatchConfig(benchmarks=NAMES[:1], prompts_per_category=1, scorers=(BRIGHTNESS,))
    with_scorer = run_in(tmp_path / "with", run_config(policy, steps=2, watch=watched))
    without = run_in(tmp_path / "without", run_config(policy, steps=2, watch=replace(watched, scorers=())))
    assert with_scorer.digest() == without.digest()
    for row in read_jsonl(tmp_path / "with" / "held_out.jsonl"):
        values = [
            scorer.score([prompt_of(record)], image_of(with_scorer, record)).value_B.item()
            for record in read_jsonl(tmp_path / "with" / "eval.jsonl")
            if record["step"] == row["step"]
        ]
        # Pixels of one picture decoded alone may differ by rounding.
        assert row["mosaic-id"][scorer.name]["mean"] == pytest.approx(np.mean(values), abs=1e-4)
    config = json.loads((tmp_path / "with" / "config.json").read_text())
    assert config["overlap"] == ""
    same = replace(watched, scorers=(NoiseReward(),))  # what the tiny run trains on
    open_run(run_config(policy, steps=2, watch=same), tmp_path / "same", "test", resume=False)
    assert (
        "noise both trains and is held out"
        in json.loads((tmp_path / "same" / "config.json").read_text())["overlap"]
    )


def prompt_of(record: dict[str, Any]) -> Prompt:
    return Prompt(id=record["prompt_id"], text=record["prompt"], category=record["category"])


def image_of(policy: Policy, record: dict[str, Any]) -> np.ndarray:
    return policy.decode(torch.tensor([record["tokens"]]))


def test_how_far_a_policy_has_moved_is_watched_on_request(tmp_path: Path) -> None:
    settings = run_config(save_tiny_policy(tmp_path / "base"))
    quiet = replace(settings, watch=replace(settings.watch, kl=True))
    run = open_run(quiet, tmp_path / "run", "test", resume=False)
    first = run.watch.measure(run.drawer, tmp_path / "run", 0)
    assert {name: scores["kl"]["mean"] for name, scores in first.items()} == dict.fromkeys(first, 0.0)
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, parameter in run.policy.trainable():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=noise))
    moved = run.watch.measure(run.drawer, tmp_path / "run", 1)
    assert all(scores["kl"]["mean"] > 0.001 for scores in moved.values())
