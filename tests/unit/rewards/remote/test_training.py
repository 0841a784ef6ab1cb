"""A run with its reward behind a server: the same weights, and what it does when the server misbehaves."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from tessera.errors import RewardError
from tessera.policies.layout import CHECKPOINTS
from tessera.rewards.custom import CustomReward
from tessera.rewards.ensemble import Combination
from tessera.rewards.load import AnyScorer, EnsembleReward, PartConfig, load_reward
from tessera.rewards.noise import NoiseReward
from tessera.rewards.remote.settings import RemoteReward
from tessera.scorers.clip.settings import HPS
from tessera.storage import read_jsonl
from tessera.training.config import WatchConfig
from tessera.types import Prompt
from tests.tiny import run_config, run_in, save_tiny_policy
from tests.unit.rewards.functions import brightness
from tests.unit.rewards.remote.serving import answering, counts, function_reward, serving
from tests.unit.scorers.clip.tiny import write_hps, write_tokenizer

BRIGHTNESS = CustomReward(function="tests.unit.rewards.functions:brightness")

# What a policy may learn from here or there. Anything with a digest of its own fits, whatever it weighs.
REWARDS: dict[str, AnyScorer | EnsembleReward] = {
    "custom": BRIGHTNESS,
    "sum-of-groups": EnsembleReward(
        parts=(
            PartConfig(scorer=NoiseReward(), how=Combination(calibration="rank")),
            PartConfig(scorer=BRIGHTNESS),
        )
    ),
}
NAME = "tests:function"


# A look costs more than a step of the tiny policy: one at the start, one at the end.
WATCH = WatchConfig(every=0, benchmarks=("mosaic-id",), prompts_per_category=1, film_every=0)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_policy(tmp_path_factory.mktemp("start") / "policy")


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory, start: Path) -> tuple[Path, str]:
    """The run that everything here would be if nothing went wrong, and its weights."""
    folder = tmp_path_factory.mktemp("straight") / "run"
    return folder, run_in(folder, run_config(start, reward=BRIGHTNESS, watch=WATCH)).digest()


def train_on(start: Path, out: Path, *urls: str, resume: bool = False, **changes: Any) -> str:
    """Returns the digest of what four steps make of the policy: 2 groups of 4 pictures each."""
    settings: dict[str, Any] = {"timeout": 20.0, "retries": 0, "backoff": 0.01}
    asked = {key: changes.pop(key) for key in list(changes) if key in ("max_pictures", "timeout", "retries")}
    reward = RemoteReward(urls=urls, **{**settings, **asked})
    return run_in(out, run_config(start, reward=reward, watch=WATCH, **changes), resume=resume).digest()


@pytest.mark.slow
def test_weights_learnt_from_hps_behind_a_server_are_those_of_hps_in_process(
    tmp_path: Path, start: Path
) -> None:
    """A tiny random model of HPSv2.1's class, in the official file's layout."""
    weights, vocabulary = tmp_path / "hps", write_tokenizer(tmp_path / "vocabulary")
    write_hps(weights)
    settings = HPS(weights=str(weights), tokenizer=str(vocabulary))
    here = run_in(tmp_path / "here", run_config(start, reward=settings, watch=WATCH)).digest()
    with serving(load_reward(settings)) as url:
        assert train_on(start, tmp_path / "there", url) == here
    with serving(load_reward(replace(settings, version="2.0"))) as url:  # other weights: another reward
        assert train_on(start, tmp_path / "other", url) != here


def assert_nothing_moved(out: Path) -> None:
    assert not (out / CHECKPOINTS).exists()
    assert not list(read_jsonl(out / "metrics.jsonl"))


@pytest.mark.parametrize(("name", "servers"), [(name, 1) for name in REWARDS] + [("custom", 2)])
def test_the_weights_are_those_of_the_same_reward_in_process(
    tmp_path: Path, start: Path, straight: tuple[Path, str], name: str, servers: int
) -> None:
    (here, expected), there, reward = straight, tmp_path / "there", load_reward(REWARDS[name])
    if REWARDS[name] != BRIGHTNESS:
        here = tmp_path / "here"
        expected = run_in(here, run_config(start, reward=REWARDS[name], watch=WATCH)).digest()
    with serving(reward) as one, serving(reward) as two:
        assert train_on(start, there, *(one, two)[:servers], max_pictures=4) == expected
        asked = [counts(url)["pictures_total"] for url in (one, two)]
    assert asked == ([16, 16] if servers == 2 else [32, 0])
    told = [json.loads((folder / "config.json").read_text())["reward_digest"] for folder in (here, there)]
    assert told == [reward.digest()] * 2
    lines = [list(read_jsonl(folder / "metrics.jsonl")) for folder in (here, there)]
    for mine, other in zip(*lines, strict=True):
        same = [key for key in mine if key.startswith(("reward", "grad", "kl", "missing", "held_out"))]
        assert {key: mine[key] for key in same} == {key: other[key] for key in same}


def test_a_slow_reward_stops_the_run_before_a_weight_has_moved(tmp_path: Path, start: Path) -> None:
    gate = Event()

    def slow(prompts: Sequence[Prompt], images: np.ndarray) -> list[float]:
        gate.wait(20)
        return brightness(prompts, images)

    with serving(function_reward(slow)) as url:
        with pytest.raises(
            RewardError, match=rf"2 attempts, the last at {url}: nothing within 0.2 s.*resume"
        ):
            train_on(start, tmp_path / "run", url, timeout=0.2, retries=1)
        gate.set()
    assert_nothing_moved(tmp_path / "run")


class Fragile:
    """Brightness, which raises at the calls that it is told."""

    def __init__(self, fails: Callable[[int], bool]) -> None:
        self.fails, self.calls = fails, 0

    def __call__(self, prompts: Sequence[Prompt], images: np.ndarray) -> list[float]:
        self.calls += 1
        if self.fails(self.calls):
            raise ZeroDivisionError("the judge is out")
        return brightness(prompts, images)


def test_a_crash_that_passes_is_not_noticed_by_the_weights(
    tmp_path: Path, start: Path, straight: tuple[Path, str]
) -> None:
    with serving(function_reward(Fragile(lambda call: call % 3 == 1))) as url:
        assert train_on(start, tmp_path / "run", url, retries=1) == straight[1]
        assert counts(url)['failures_total{kind="crash"}'] >= 2


def test_a_crash_that_stays_is_missing_and_counted_or_stops_the_step(tmp_path: Path, start: Path) -> None:
    """Every second request fails: 4 of the 8 pictures of a step."""
    with serving(function_reward(Fragile(lambda call: call % 2 == 0))) as url:
        train_on(start, tmp_path / "lenient", url, max_pictures=4, max_missing=0.5)
        with pytest.raises(
            RewardError,
            match=rf"{NAME}.* could not judge 4 of 8 .*first reason: .*{url}: 500: .*max_missing=0.1",
        ):
            train_on(start, tmp_path / "strict", url, max_pictures=4)
    assert [row["missing"] for row in read_jsonl(tmp_path / "lenient" / "metrics.jsonl")] == [4] * 4
    assert_nothing_moved(tmp_path / "strict")


def test_a_server_that_dies_stops_the_run_and_resuming_gives_the_weights_of_never_having_stopped(
    tmp_path: Path, start: Path, straight: tuple[Path, str]
) -> None:
    fragile = Fragile(lambda call: call > 2)
    with serving(function_reward(fragile)) as url:
        with pytest.raises(RewardError, match="see what the server says, or start it again"):
            train_on(start, tmp_path / "run", url)
        assert len(list(read_jsonl(tmp_path / "run" / "metrics.jsonl"))) == 2
        fragile.fails = lambda call: False
        assert train_on(start, tmp_path / "run", url, resume=True) == straight[1]


@pytest.fixture(params=["one_too_few", "infinite"])
def unusable(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server around a function whose answers cannot be used."""
    with serving(load_reward(CustomReward(function=f"tests.unit.rewards.functions:{request.param}"))) as url:
        yield url


def test_what_stops_a_run_in_process_stops_it_here(tmp_path: Path, start: Path, unusable: str) -> None:
    with pytest.raises(RewardError, match=r"refused: 422: .*(gave 7 values|gave inf)"):
        train_on(start, tmp_path / "run", unusable, retries=3)
    assert_nothing_moved(tmp_path / "run")
    assert counts(unusable)["requests_total"] == 1


@pytest.mark.parametrize(
    ("rows", "digest", "words"),
    [(7, "abc", "asked about 8 pictures and gave 7 rows"), (8, "def", "digest 'def', and this run began")],
)
def test_a_foreign_answer_that_is_wrong_stops_the_run(
    tmp_path: Path, start: Path, rows: int, digest: str, words: str
) -> None:
    def answer(header: Any) -> dict[str, Any]:
        return {"digest": digest, "rows": [{"id": id_, "value": 0.5} for id_ in header.ids[:rows]]}

    with answering(answer) as url, pytest.raises(RewardError, match=words):
        train_on(start, tmp_path / "run", url)
    assert_nothing_moved(tmp_path / "run")


def test_a_run_does_not_begin_without_its_server(tmp_path: Path, start: Path) -> None:
    with pytest.raises(
        RewardError, match=r"http://127.0.0.1:9: .*refused; start it with tessera serve-reward"
    ):
        train_on(start, tmp_path / "run", "http://127.0.0.1:9")
    assert not (tmp_path / "run").exists()
