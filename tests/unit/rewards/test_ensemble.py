"""Sums of scorers: weights, clipping, what is missing where, and what is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from tessera.config import from_plain, to_plain
from tessera.errors import RewardError, UserError
from tessera.rewards.ensemble import Combination, Ensemble, Part
from tessera.rewards.load import EnsembleReward, PartConfig
from tessera.rewards.metric import MetricReward
from tessera.rewards.noise import NoiseReward
from tessera.tensors import Scores
from tessera.types import Prompt

NAN = float("nan")
PROMPTS = [Prompt(id=str(index), text=f"a star {index // 2}") for index in range(4)]
IMAGES = np.zeros((4, 2, 2, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Fixed:
    """A scorer whose answers are written down beforehand."""

    name: str
    values: tuple[float, ...]

    def score(self, prompts: Sequence[Prompt], images_BHWC: np.ndarray) -> Scores:
        reasons = tuple("cannot see" if value != value else "" for value in self.values)
        return Scores(value_B=torch.tensor(self.values, dtype=torch.float64), reasons=reasons, digest="")

    def digest(self) -> str:
        return self.name


def total(*parts: tuple[tuple[float, ...], dict[str, Any]]) -> Scores:
    made = (Part(Fixed(f"part{i}", values), Combination(**how)) for i, (values, how) in enumerate(parts))
    return Ensemble(tuple(made)).score(PROMPTS, IMAGES, 2)


def test_parts_are_calibrated_clipped_weighted_and_added() -> None:
    scores = total(
        (
            (1.0, 2.0, 3.0, 9.0),
            {"weight": 2.0, "calibration": "zscore", "reference": (1.0, 2.0), "clip": (0.0, 2.5)},
        ),
        ((5.0, 4.0, 0.0, 0.0), {"weight": -0.5, "calibration": "rank"}),
    )
    assert scores.value_B.tolist() == [0.0 - 0.5, 1.0 + 0.5, 2.0, 5.0]
    assert scores.parts["part0"].tolist() == [1.0, 2.0, 3.0, 9.0]  # raw
    assert scores.parts["part1"].tolist() == [5.0, 4.0, 0.0, 0.0]


def test_a_missing_required_part_makes_the_reward_missing_and_says_whose() -> None:
    scores = total(((1.0, NAN, 3.0, 4.0), {}), ((1.0, 1.0, NAN, 1.0), {}))
    assert torch.isnan(scores.value_B).tolist() == [False, True, True, False]
    assert scores.reasons == ("", "part0: cannot see", "part1: cannot see", "")


def test_a_missing_optional_part_is_neutral() -> None:
    zscore = {"calibration": "zscore", "reference": (2.0, 1.0), "weight": 3.0, "optional": True}
    scores = total(((1.0, 1.0, 1.0, 1.0), {}), ((NAN, 3.0, NAN, 2.0), zscore))
    assert scores.value_B.tolist() == [1.0, 4.0, 1.0, 1.0]
    duel = total(((NAN, 3.0, NAN, NAN), {"calibration": "win-rate", "optional": True}), ((0.0,) * 4, {}))
    assert duel.value_B.tolist() == [0.5, 0.5, 0.5, 0.5]


def test_where_every_part_is_optional_and_missing_the_reward_is_missing() -> None:
    scores = total(((NAN, 3.0, NAN, 2.0), {"calibration": "group", "optional": True}))
    assert torch.isnan(scores.value_B).tolist() == [True, False, True, False]
    assert scores.reasons == ("no part could judge it", "", "no part could judge it", "")


def test_what_compares_pictures_needs_company() -> None:
    ensemble = Ensemble((Part(Fixed("alone", (1.0,) * 4), Combination(calibration="rank")),))
    with pytest.raises(RewardError, match=r"calibration=rank of 'alone' compares pictures.*larger group"):
        ensemble.score(PROMPTS, IMAGES, 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [((1.0, 2.0, 3.0), "asked about 4 pictures and gave 3"), ((1.0, float("inf"), 1.0, 1.0), "gave inf for")],
)
def test_a_part_that_answers_wrongly_is_named(values: tuple[float, ...], message: str) -> None:
    with pytest.raises(RewardError, match=f"'part0'.*{message}"):
        total((values, {}))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"weight": 0.0}, "other than 0"),
        ({"calibration": "zscore"}, "needs reference"),
        ({"reference": (0.0, 1.0)}, "no other takes it"),
        ({"calibration": "zscore", "reference": (0.0, 0.0)}, "must be above 0"),
        ({"clip": (1.0, 1.0)}, "must rise"),
        ({"optional": True}, "no neutral value"),
        ({"temperature": 0.0}, "temperature must be above 0"),
    ],
)
def test_contradictions_are_refused_when_the_configuration_is_read(how: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Combination(**how)


def test_a_scorer_stands_in_an_ensemble_once() -> None:
    part = Part(Fixed("twice", (0.0,) * 4), Combination())
    with pytest.raises(UserError, match="'twice': give each scorer once"):
        Ensemble((part, part))
    with pytest.raises(UserError, match="needs a part"):
        Ensemble(())


def test_an_ensemble_reads_back_from_plain_data() -> None:
    settings = EnsembleReward(
        parts=(
            PartConfig(scorer=MetricReward(), how=Combination(calibration="rank")),
            PartConfig(scorer=NoiseReward(seed=3)),
        )
    )
    assert from_plain(EnsembleReward, to_plain(settings), where="test") == settings
