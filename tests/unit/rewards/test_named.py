"""Scorers by name, and the sentence that tells where a scorer is its own examiner."""

import pytest

from tessera.errors import UserError
from tessera.rewards.custom import CustomReward
from tessera.rewards.judge import JudgeReward
from tessera.rewards.load import EnsembleReward, PartConfig
from tessera.rewards.metric import MetricReward
from tessera.rewards.named import NAMES, overlap, scorer_settings
from tessera.rewards.noise import NoiseReward
from tessera.scorers.judges.sizes import JUDGES


def test_every_name_says_which_instrument_is_meant() -> None:
    assert [scorer_settings(name) for name in NAMES] == [
        *(JudgeReward(judge=judge) for judge in JUDGES),
        MetricReward(),
        NoiseReward(),
    ]
    assert scorer_settings("package.module:function") == CustomReward(function="package.module:function")


@pytest.mark.parametrize(
    ("name", "message"),
    [("orme", "Did you mean 'orm'?"), (":", "named module:function"), ("ensemble", "unknown scorer")],
)
def test_a_name_that_means_nothing_is_told(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        scorer_settings(name)


def test_the_verifier_as_a_reward_is_told_beside_what_it_grades() -> None:
    sentence = overlap(MetricReward(), ["mosaic-id", "mosaic-ood+counts"])
    assert "metric is the verifier that grades mosaic-id and mosaic-ood+counts" in sentence
    assert overlap(MetricReward(), ["geneval"]) == ""
    assert "mosaic-id, so" in overlap(MetricReward(), ["mosaic-id", "geneval"])
    for other in (NoiseReward(), JudgeReward(judge="orm"), CustomReward(function="a:b")):
        assert overlap(other, ["mosaic-id"]) == ""


def test_a_part_of_an_ensemble_counts() -> None:
    noise, metric = PartConfig(scorer=NoiseReward()), PartConfig(scorer=MetricReward())
    assert "the part metric of this reward" in overlap(EnsembleReward(parts=(noise, metric)), ["mosaic-id"])
    assert overlap(EnsembleReward(parts=(noise,)), ["mosaic-id"]) == ""
