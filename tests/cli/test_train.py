"""`tessera train`: what it leaves, what it says, that a killed run goes on, and what it refuses."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tessera.cli.main import BROKEN_WEIGHTS
from tessera.policies.load import load_policy
from tessera.policies.saved import save_policy
from tessera.report.film import read_film
from tessera.report.run_files import read_run
from tests.architecture.source_tree import REPO
from tests.cli.conftest import Run
from tests.contracts.policies import tiny_mosaic
from tests.tiny import save_tiny_policy

GRPO = ("algorithm.prompts_per_step=2", "algorithm.group=4")
DPO = ("algorithm.prompts=8", "algorithm.group=4", "algorithm.pairs_per_step=4")
QUICK = ("reward.kind=noise", "watch.prompts_per_category=1", "watch.film_every=0", "checkpoint_every=2")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return save_tiny_policy(tmp_path / "policy")


def words(recipe: str, policy: Path, out: Path, *more: object) -> tuple[object, ...]:
    sizes = GRPO if recipe == "mosaic-grpo" else DPO
    return ("train", recipe, "--policy", policy, "--steps", 4, "--set", *sizes, *QUICK, "--out", out, *more)


@pytest.mark.parametrize("recipe", ["mosaic-grpo", "mosaic-dpo"])
def test_a_recipe_becomes_a_run_folder_that_is_a_policy(
    run: Run, tmp_path: Path, policy: Path, recipe: str
) -> None:
    out = tmp_path / "out"
    outcome = run(*words(recipe, policy, out))
    assert outcome.code == 0, outcome.err
    assert f"tessera eval --policy {out}" in outcome.out
    assert "validation mosaic-id: strict" in outcome.out
    assert [line.split()[1] for line in outcome.err.splitlines() if line.startswith("step")] == [
        "1/4",
        "2/4",
        "3/4",
        "4/4",
    ]
    assert (out / "checkpoints" / "step_000004" / "COMPLETE").exists()
    # The page reads the names that the trainer writes: prompts of all twelve categories, at start and end.
    film = read_film(read_run(out))
    assert len(film.reels) >= 12
    assert [column.step for column in film.columns] == [0, 4]
    assert "The same pictures, step by step" in (out / "report.html").read_text(encoding="utf-8")
    trained = ("sample", "--prompt", "a star", "--num", 1)
    for number, name in enumerate((out, out / "checkpoints" / "step_000002")):
        assert run(*trained, "--policy", name, "--out", tmp_path / str(number)).code == 0
    again = run(*words(recipe, policy, out, "--resume", "--json"))
    assert json.loads(again.out)["step"] == 4
    assert again.err == ""


@pytest.mark.parametrize("recipe", ["mosaic-grpo", "mosaic-dpo"])
def test_a_run_killed_with_9_goes_on_to_the_same_weights(
    run: Run, tmp_path: Path, policy: Path, recipe: str
) -> None:
    """Whenever the kill falls, the weights are the same; it is sent once a second step has been written."""
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert run(*words(recipe, policy, straight)).code == 0
    line = [sys.executable, "-m", "tessera", *(str(word) for word in words(recipe, policy, killed))]
    process = subprocess.Popen(line, stderr=subprocess.DEVNULL, env=os.environ)
    metrics, deadline = killed / "metrics.jsonl", time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if metrics.exists() and metrics.read_bytes().count(b"\n") >= 2:
            break
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert run(*words(recipe, policy, killed)).code == 2  # not without being told to
    assert run(*words(recipe, policy, killed, "--resume")).code == 0
    assert load_policy(str(killed)).digest() == load_policy(str(straight)).digest()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--steps", 0), "steps must be 1 or more"),
        (("--lr", 0), "lr must be above 0"),
        (("--threads", 0), "--threads must be 1 or more"),
        (("--policy", "mozaic"), "Did you mean 'mosaic'?"),
        (("--set", "algorithm.kl_wight=1"), "Did you mean 'kl_weight'?"),
        (("--set", "reward.kind=custom", "reward.function=nowhere:f"), "no module 'nowhere'"),
        (("--track", "tensorbord"), "Did you mean 'tensorboard'?"),
        (("--config", "nowhere.toml"), "nowhere.toml: No such file"),
        (("--set", "view.top_k=5"), "without top-k and top-p"),
        (("--set", 'watch.benchmarks=["mosaic-odd"]'), "Did you mean 'mosaic-ood'?"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    run: Run, tmp_path: Path, more: tuple[object, ...], message: str
) -> None:
    outcome = run("train", "mosaic-grpo", *more, "--out", tmp_path / "out")
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err
    assert outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_recipe_gets_the_nearest_one(run: Run, tmp_path: Path) -> None:
    outcome = run("train", "mosaic-gpro", "--out", tmp_path / "out")
    assert (outcome.code, "Did you mean 'mosaic-grpo'?" in outcome.err) == (2, True)


def test_a_resume_with_other_settings_names_the_setting(run: Run, tmp_path: Path, policy: Path) -> None:
    out = tmp_path / "out"
    assert run(*words("mosaic-grpo", policy, out)).code == 0
    outcome = run(*words("mosaic-grpo", policy, out, "--resume", "--seed", 5))
    assert (outcome.code, "seed=0, now it is 5" in outcome.err) == (2, True), outcome.err


def test_the_file_of_the_documentation_trains(run: Run, tmp_path: Path, policy: Path, monkeypatch) -> None:
    """docs/training.md shows a TOML file and the command that takes it; flags win over the file."""
    page = (REPO / "docs" / "training.md").read_text(encoding="utf-8")
    ((text, line),) = re.findall(
        r"```toml\n(.*?)```.*?```sh\n(tessera train .*?--config .*?)\n", page, re.DOTALL
    )
    command = shlex.split(line)[1:]
    name, out = command[command.index("--config") + 1], command[command.index("--out") + 1]
    monkeypatch.chdir(tmp_path)  # a relative path is the user's
    Path(name).write_text(text)
    small = ("watch.prompts_per_category=1", "watch.film_every=0", *GRPO)
    outcome = run(*command, "--policy", policy, "--steps", 2, "--track", "none", "--set", *small)
    assert outcome.code == 0, outcome.err
    settings = json.loads(Path(out, "config.json").read_text())
    assert settings["algorithm"]["kl_weight"] == 0.05
    assert settings["algorithm"]["clip"] == [0.2, 0.2]  # the recipe's
    assert (settings["reward"]["strict_weight"], settings["optimizer"]["lr"]) == (1.0, 1e-4)
    assert (settings["steps"], settings["seed"]) == (2, 1)
    assert not Path(out, "tensorboard").exists()


def test_trackers_change_no_number(run: Run, tmp_path: Path, policy: Path) -> None:
    """A run with curves, resumed without them: the settings are the same, and so are the weights."""
    with_curves, without = tmp_path / "with", tmp_path / "without"
    assert run(*words("mosaic-grpo", policy, with_curves)).code == 0
    assert list(with_curves.glob("tensorboard/events.*"))
    assert run(*words("mosaic-grpo", policy, with_curves, "--track", "none", "--resume")).code == 0
    assert run(*words("mosaic-grpo", policy, without, "--track", "none")).code == 0
    assert load_policy(str(with_curves)).digest() == load_policy(str(without)).digest()


def test_alarms_are_told_as_they_arise_and_at_the_end(run: Run, tmp_path: Path, policy: Path) -> None:
    judge = ("reward.kind=custom", "reward.function=tests.unit.rewards.functions:every_fourth_missing")
    settings = ("--set", *GRPO, *QUICK, *judge, "max_missing=0.5")
    command = ("train", "mosaic-grpo", "--policy", policy, "--steps", 2, *settings)
    outcome = run(*command, "--out", tmp_path / "told")
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("! missing: 2 of the last 8 pictures got no reward") == 1
    assert "Alarms at the end: missing." in outcome.out
    silent = run(*command, "--out", tmp_path / "silent", "--json")
    assert silent.err == ""
    (alarm,) = json.loads(silent.out)["alarms"]
    assert alarm["kind"] == "missing"
    assert alarm["what"].startswith("4 of the last 16 pictures got no reward")
    assert alarm["advice"]


def test_weights_that_give_no_distribution_are_told_with_the_remedy(run: Run, tmp_path: Path) -> None:
    policy = tiny_mosaic()
    with torch.no_grad():
        policy.transformer.head.weight.fill_(3e38)  # finite, and its products are not
    save_policy(policy, tmp_path / "policy", torch.float32)
    for command in (("sample", "--prompt", "a star"), ("train", "mosaic-grpo")):
        outcome = run(*command, "--policy", tmp_path / "policy", "--out", tmp_path / command[0])
        assert outcome.code == 2
        assert outcome.err.endswith(f"its weights are unusable. {BROKEN_WEIGHTS}\n")
        assert "Traceback" not in outcome.err
