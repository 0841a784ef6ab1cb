"""Scorers by name, and the sentence that tells where a scorer is its own examiner."""

import pytest

from tessera.config import to_plain
from tessera.errors import UserError
from tessera.rewards.catalogue import ENTRIES
from tessera.rewards.custom import CustomReward
from tessera.rewards.judge import JudgeReward
from tessera.rewards.load import EnsembleReward, PartConfig
from tessera.rewards.metric import MetricReward
from tessera.rewards.named import NAMES, OUTSIDE, overlap, scorer_settings
from tessera.rewards.noise import NoiseReward
from tessera.scorers.clip.settings import ClipScore
from tessera.scorers.judges.sizes import JUDGES
from tessera.scorers.placed import Placement


def test_every_name_says_which_instrument_is_meant() -> None:
    shipped = [name for name in NAMES if name not in OUTSIDE]
    assert [scorer_settings(name) for name in shipped] == [
        *(JudgeReward(judge=judge) for judge in JUDGES),
        MetricReward(),
        NoiseReward(),
    ]
    for name, settings in OUTSIDE.items():
        words = ["accept_noncommercial=true"] if name == "orm-vlm" else []
        found = to_plain(scorer_settings(name, words))
        assert settings.items() <= found.items()
    known = {entry.name for entry in ENTRIES if entry.name != "unifiedreward-pairs"}
    assert set(NAMES) == known | {"noise", "orm-zero-shot"}  # the latter is orm-vlm by other weights
    assert scorer_settings("package.module:function") == CustomReward(function="package.module:function")


def test_settings_of_a_scorer_follow_its_name() -> None:
    words = ["backbone=H/14", "place.device=cuda", "place.batch_size=4"]
    assert scorer_settings("clipscore", words) == ClipScore(
        backbone="H/14", place=Placement(device="cuda", batch_size=4)
    )
    with pytest.raises(UserError, match=r"clipscore: .*backbone"):
        scorer_settings("clipscore", ["backbone=B/33"])
    with pytest.raises(UserError, match="'backbone' is a value and has no parts"):
        scorer_settings("clipscore", ["backbone=B/32", "backbone.size=3"])
    with pytest.raises(UserError, match="not for commercial use"):
        scorer_settings("orm-vlm")


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
