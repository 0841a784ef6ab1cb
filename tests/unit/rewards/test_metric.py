"""The verifier as a reward: weights of strict and soft, by hand."""

import math

import pytest

from tessera.errors import UserError
from tessera.rewards.metric import MetricReward
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
    strict = MetricReward(strict_weight=1.0).score(prompts, images).value_B
    soft = MetricReward(strict_weight=0.0).score(prompts, images).value_B
    assert strict.tolist() == [1.0, 0.0]
    assert soft[0] == 1.0
    assert 0 < soft[1] < 1  # a circle it is, and nothing else is there
    half = MetricReward().score(prompts, images).value_B
    assert half.tolist() == [1.0, pytest.approx(soft[1].item() / 2)]


def test_a_prompt_that_makes_no_description_is_missing_with_its_reason() -> None:
    scores = MetricReward().score([Prompt(id="x", text="a red circel")], render_batch([RED_CIRCLE]))
    assert math.isnan(scores.value_B[0])
    assert "circel" in scores.reasons[0]


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan])
def test_a_weight_outside_the_unit_interval_is_refused(weight: float) -> None:
    with pytest.raises(UserError, match="strict_weight"):
        MetricReward(strict_weight=weight)
