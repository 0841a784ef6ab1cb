"""What every reward promises (`tessera.protocols.Reward`), in process and behind a server.

To hold another to it, add it to CASES.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from tessera.protocols import Reward
from tessera.rewards.ask import ask
from tessera.rewards.custom import CustomReward
from tessera.rewards.ensemble import Combination
from tessera.rewards.judge import JudgeReward
from tessera.rewards.load import EnsembleReward, PartConfig, load_reward
from tessera.rewards.metric import MetricReward
from tessera.rewards.noise import NoiseReward
from tessera.scorers.judges.sizes import JUDGES
from tessera.world.prompts import prompt_set
from tests.unit.rewards.remote.serving import remote, serving

BRIGHTNESS = CustomReward(function="tests.unit.rewards.functions:brightness")
HOW = {
    "raw": Combination(weight=2.0),
    "zscore": Combination(calibration="zscore", reference=(0.5, 0.2), clip=(-3.0, 3.0)),
    "group": Combination(calibration="group"),
    "rank": Combination(calibration="rank", optional=True),
    "win-rate": Combination(calibration="win-rate", temperature=0.1),
}
SINGLE: dict[str, Any] = {
    "metric": MetricReward(),
    "metric-strict": MetricReward(strict_weight=1.0),
    "noise": NoiseReward(),
    "custom": BRIGHTNESS,
    **{name: JudgeReward(judge=name) for name in JUDGES},
}
SUMS: dict[str, Any] = {
    f"sum-{name}": EnsembleReward(
        parts=(PartConfig(scorer=NoiseReward()), PartConfig(scorer=BRIGHTNESS, how=how))
    )
    for name, how in HOW.items()
}
CASES = {name: load_reward(settings) for name, settings in {**SINGLE, **SUMS}.items()}
PLACES = ("here", "served")
GROUP = 2
PROMPTS = [prompt for prompt in prompt_set("ood", "train", 1) for _ in range(GROUP)]


@contextmanager
def placed(name: str, place: str) -> Iterator[Reward]:
    """Yields a reward as it is, or the client of a server around it."""
    if place == "here":
        yield CASES[name]
    else:
        with serving(CASES[name]) as url:
            yield remote(url)


@pytest.fixture(scope="module", params=[(name, place) for place in PLACES for name in CASES], ids="-".join)
def reward(request: pytest.FixtureRequest) -> Iterator[Reward]:
    """Yields each reward in turn, at each place."""
    with placed(*request.param) as reward:
        yield reward


@pytest.fixture(scope="module", params=[(name, place) for place in PLACES for name in SINGLE], ids="-".join)
def single(request: pytest.FixtureRequest) -> Iterator[Reward]:
    """Yields each reward of one scorer in turn, at each place."""
    with placed(*request.param) as reward:
        yield reward


@pytest.fixture
def images() -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, size=(len(PROMPTS), 128, 128, 3), dtype=np.uint8)
    images[::3] = 250  # a third of them nearly blank
    return images


def test_one_finite_number_per_picture(reward: Reward, images: np.ndarray) -> None:
    scores = ask(reward, PROMPTS, images, GROUP)
    assert len(scores) == len(PROMPTS)
    assert torch.isfinite(scores.value_B).all()
    assert scores.reasons == ("",) * len(PROMPTS)
    assert scores.digest == reward.digest()
    assert all(len(value_B) == len(PROMPTS) for value_B in scores.parts.values())


def test_a_group_depends_on_itself_alone(reward: Reward, images: np.ndarray) -> None:
    together = reward.score(PROMPTS, images, GROUP).value_B
    groups = [slice(first, first + GROUP) for first in range(0, len(PROMPTS), GROUP)]
    apart = [reward.score(PROMPTS[rows], images[rows], GROUP).value_B for rows in groups]
    backwards = reward.score(PROMPTS[::-1], images[::-1].copy(), GROUP).value_B.flip(0)
    assert torch.equal(together, torch.cat(apart))
    assert torch.equal(together, backwards)


def test_a_single_scorer_judges_each_picture_by_itself(single: Reward, images: np.ndarray) -> None:
    together = single.score(PROMPTS, images, GROUP).value_B
    one_by_one = [
        single.score([prompt], images[row : row + 1], 1).value_B for row, prompt in enumerate(PROMPTS)
    ]
    assert torch.equal(together, torch.cat(one_by_one))


def test_no_pictures_are_no_scores(reward: Reward, images: np.ndarray) -> None:
    assert len(ask(reward, [], images[:0], GROUP)) == 0


def test_rewards_of_other_settings_have_other_digests() -> None:
    assert len({reward.digest() for reward in CASES.values()}) == len(CASES)


@pytest.mark.parametrize("name", CASES)
def test_behind_a_server_it_is_the_same_instrument(name: str, images: np.ndarray) -> None:
    here = ask(CASES[name], PROMPTS, images, GROUP)
    with placed(name, "served") as served:
        there = ask(served, PROMPTS, images, GROUP)
        assert (served.name, served.digest()) == (CASES[name].name, CASES[name].digest())
    assert torch.equal(there.value_B, here.value_B)
    assert (there.reasons, there.digest, set(there.parts)) == (here.reasons, here.digest, set(here.parts))
    assert all(torch.equal(there.parts[part], here.parts[part]) for part in here.parts)
