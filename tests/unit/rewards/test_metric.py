"""The verifier as a reward: weights of strict and soft, by hand."""

import math

import pytest

from tessera.errors import UserError
from tessera.rewards.metric import Metric, MetricReward, load_metric
from tessera.rewards.noise import NoiseReward
from tessera.types import Prompt
from tessera.world.grammar import parse
from tessera.world.render import render_batch
from tessera.world.scene import Look, Piece

RED_CIRCLE = (Piece(Look("circle", "red", "solid", "small"), 1, 1),)


def asked(text: str) -> Prompt:
    parse(text)
    return Prompt(id=text, text=text)


def test_it_is_the_weighted_sum_of_strict_and_soft() -> None:
    images = render_batch([RED_CIRCLE, RED_CIRCLE])
    prompts = [asked("a photo of a red circle"), asked("a photo of a blue circle")]
    strict = load_metric(MetricReward(strict_weight=1.0)).score(prompts, images).value_B
    soft = load_metric(MetricReward(strict_weight=0.0)).score(prompts, images).value_B
    assert strict.tolist() == [1.0, 0.0]
    assert soft[0] == 1.0
    assert 0 < soft[1] < 1  # a circle it is, and nothing else is there
    half = load_metric(MetricReward()).score(prompts, images).value_B
    assert half.tolist() == [1.0, pytest.approx(soft[1].item() / 2)]


def test_a_prompt_that_makes_no_description_is_missing_with_its_reason() -> None:
    scores = load_metric(MetricReward()).score(
        [Prompt(id="x", text="a red circel")], render_batch([RED_CIRCLE])
    )
    assert math.isnan(scores.value_B[0])
    assert "circel" in scores.reasons[0]


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan])
def test_a_weight_outside_the_unit_interval_is_refused(weight: float) -> None:
    with pytest.raises(UserError, match="strict_weight"):
        MetricReward(strict_weight=weight)


def test_each_prompt_goes_to_the_grader_of_its_own_benchmark() -> None:
    here, there = asked("a photo of a red circle"), theirs("a green bench")
    images = render_batch([RED_CIRCLE] * 3)
    both = Metric(MetricReward(), NoiseReward(seed=4))
    scores = both.score([there, here, there], images)
    noise = NoiseReward(seed=4).score([there, there], images[[0, 2]])
    assert scores.value_B.tolist() == [noise.value_B[0], 1.0, noise.value_B[1]]
    assert scores.digest != load_metric(MetricReward()).digest()


def test_a_prompt_of_compbench_without_its_instruments_is_missing_and_says_what_to_set() -> None:
    prompts = [asked("a photo of a red circle"), theirs("a green bench")]
    scores = load_metric(MetricReward()).score(prompts, render_batch([RED_CIRCLE] * 2))
    assert scores.value_B[0] == 1.0
    assert math.isnan(scores.value_B[1])
    assert "reward.compbench={}" in scores.reasons[1]


def theirs(text: str) -> Prompt:
    return Prompt(id=text, text=text, category="color", metadata={"benchmark": "compbench"})
