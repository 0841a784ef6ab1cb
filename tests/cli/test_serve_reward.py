"""`tessera serve-reward`: it serves until Ctrl-C what its flags name, and refuses what would be unsafe."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tessera.cli.serve_reward import Flags, reward_of
from tessera.rewards.custom import CustomReward
from tessera.rewards.load import load_reward
from tessera.rewards.metric import MetricReward, load_metric
from tests.architecture.source_tree import REPO
from tests.cli.conftest import Run

SUM = """
[reward]
kind = "ensemble"
parts = [{ scorer = { kind = "metric" } }, { scorer = { kind = "noise" }, how = { calibration = "rank" } }]
"""


def test_it_serves_until_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    words = ["--scorer", "metric", "--set", "strict_weight=0.25", "--port", "0", "--pictures", "9", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "tessera", "serve-reward", *words, "--token-file", str(tmp_path / "token")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        told = json.loads(server.stdout.readline())
        headers = {"Authorization": "Bearer secret"}
        health = httpx2.get(f"{told['url']}/health", headers=headers, timeout=20, trust_env=False).json()
        assert httpx2.get(f"{told['url']}/health", timeout=20, trust_env=False).status_code == 401
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=30)
    assert (server.returncode, out, err) == (0, "", "")
    served = load_metric(MetricReward(strict_weight=0.25))
    assert (health["name"], health["digest"]) == ("metric", served.digest())
    assert (told["digest"], health["limits"]["pictures"]) == (health["digest"], 9)


def test_what_the_flags_name_is_served(tmp_path: Path) -> None:
    outside = "tests.unit.rewards.functions:brightness"
    (tmp_path / "sum.toml").write_text(SUM)
    assert reward_of(Flags(scorer="metric")).digest() == load_metric(MetricReward()).digest()
    assert (
        reward_of(Flags(scorer="noise", set=("seed=7",))).digest()
        != reward_of(Flags(scorer="noise")).digest()
    )
    assert reward_of(Flags(scorer=outside)).digest() == load_reward(CustomReward(function=outside)).digest()
    assert reward_of(Flags(config=tmp_path / "sum.toml")).name == "metric+noise"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name what to serve: --scorer NAME, or --config FILE"),
        (("--scorer", "metric", "--config", "x.toml"), "not both"),
        (("--scorer", "metrics"), "Did you mean 'metric'?"),
        (("--scorer", "no_such_module:f"), "no module 'no_such_module'"),
        (("--scorer", "metric", "--set", "strict_wieght=1"), "Did you mean 'strict_weight'?"),
        (("--scorer", "metric", "--set", "strict_weight"), "KEY=VALUE"),
        (("--scorer", "metric", "--host", "0.0.0.0"), "needs a token"),
        (("--scorer", "metric", "--host", "0.0.0.0", "--token-env", "NO_SUCH_VARIABLE"), "holds no token"),
        (("--scorer", "metric", "--port", 70000), "between 0 and 65535"),
        (("--scorer", "metric", "--megabytes", 1), "megabytes must be above 4"),
        (("--config", "nowhere.toml"), "nowhere.toml: No such file"),
        (("--config", REPO / "constraints.txt"), "is no TOML"),
        (("--config", REPO / "pyproject.toml"), "no table [reward]"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(run: Run, words: tuple[object, ...], message: str) -> None:
    outcome = run("serve-reward", *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert "Traceback" not in outcome.err


def test_without_its_extra_it_names_the_line_that_installs_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "tessera.rewards.remote.server", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    outcome = run("serve-reward", "--scorer", "metric")
    assert (outcome.code, "pip install 'tessera-rl[serve]'" in outcome.err) == (2, True)
