"""The trainings of the judges: losses by hand, a few steps that learn and repeat exactly."""

import math

import pytest
import torch
from torch.nn import functional as F

from tessera.policies.load import read_shipped
from tessera.pretraining.judges.corpus import spoilt
from tessera.pretraining.judges.labels import Labelled
from tessera.pretraining.judges.training import (
    SOFTNESS,
    JudgeTraining,
    regression_loss,
    train_judge,
    verdict_loss,
)
from tessera.scorers.judges.models import Judgement
from tessera.scorers.judges.sizes import JUDGES, JudgeName
from tessera.world.grammar import vocabulary


@pytest.fixture(scope="module")
def rows() -> Labelled:
    return spoilt(read_shipped(), "id", 24, 2, seed=5)


def judged(outputs_BE: torch.Tensor) -> Judgement:
    size = len(outputs_BE)
    return Judgement(
        score_B=outputs_BE[:, 0],
        outputs_BE=outputs_BE,
        words_BLD=torch.zeros(size, 1, 1),
        patches_BTD=torch.zeros(size, 1, 1),
    )


def test_the_verdict_s_loss_is_the_cross_entropy_of_both_answers(rows: Labelled) -> None:
    pair = rows.rows(torch.tensor([0, 1]))
    logits = torch.tensor([[2.0, 1.0], [-1.0, 0.5]])
    targets = torch.stack([pair.strict, pair.soft], dim=1)
    expected = F.binary_cross_entropy(logits.sigmoid(), targets)
    assert torch.isclose(verdict_loss(judged(logits), pair), expected)
    only_strict = F.binary_cross_entropy(logits[:, 0].sigmoid(), pair.strict)
    assert torch.isclose(verdict_loss(judged(logits[:, :1]), pair), only_strict)


def test_the_regressor_s_loss_is_the_squared_error_and_a_preference_for_the_better_picture(
    rows: Labelled,
) -> None:
    better = (rows.soft.view(-1, 2).diff(dim=1)[:, 0] < 0).nonzero()[0]
    pair = rows.rows(torch.cat([2 * better, 2 * better + 1]))
    truth = (0.5 * pair.strict + 0.5 * pair.soft).tolist()
    said = torch.tensor([0.3, 0.6])
    square = ((0.3 - truth[0]) ** 2 + (0.6 - truth[1]) ** 2) / 2
    wrong_way = math.log1p(math.exp(0.3 / SOFTNESS))
    assert regression_loss(judged(said[:, None]), pair).item() == pytest.approx(
        square + 0.1 * wrong_way, rel=1e-5
    )


@pytest.mark.parametrize("name", JUDGES)
def test_a_few_steps_learn_and_repeat_exactly(name: JudgeName, rows: Labelled) -> None:
    """On 48 pictures over and over the loss falls by a twentieth at least; the digests agree."""
    notes: list[list[float]] = [[], []]
    digests = []
    for losses in notes:

        def listen(what: str, done: int, total: int, note: str = "", losses: list[float] = losses) -> None:
            losses.append(float(note.removeprefix("loss ")))

        dense = 0.0 if name == "preference" else 0.5
        training = JudgeTraining(steps=21, batch_size=16, warm_up=4, dense=dense)
        digests.append(train_judge(name, [rows], training, 1, listen).digest())
    assert notes[0][-1] < 0.95 * notes[0][0]
    assert notes[0] == notes[1]
    assert digests[0] == digests[1]


def test_two_towers_are_refused_a_lesson_that_they_cannot_have(rows: Labelled) -> None:
    with pytest.raises(ValueError, match="dense=0"):
        train_judge("preference", [rows], JudgeTraining(steps=1, dense=0.5), 1)


def test_a_word_that_training_never_met_says_nothing(rows: Labelled) -> None:
    judge = train_judge("orm", [rows], JudgeTraining(steps=1, batch_size=4), 1)
    weights = judge.model.words.embedding.weight
    assert weights[1 + vocabulary().index("photo")].abs().max() == 0  # the other family's word
    assert weights[1 + vocabulary().index("a")].abs().max() > 0
