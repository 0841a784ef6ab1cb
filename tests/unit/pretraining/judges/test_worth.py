"""What a judge is worth, by hand."""

import numpy as np
import pytest
import torch

from tessera.pretraining.judges.worth import Examination, auc, worth
from tessera.scorers.judges.judge import load_judge
from tessera.types import Prompt
from tessera.world.render import render_batch
from tessera.world.scene import Look, Piece


def test_auc_counts_pairs_and_gives_half_for_ties() -> None:
    score = np.array([0.1, 0.4, 0.4, 0.9])
    assert auc(score, np.array([False, False, True, True])) == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert auc(score, np.array([True, True, False, False])) == pytest.approx(0.5 / 4)
    assert np.isnan(auc(score, np.array([True] * 4)))  # nothing to tell apart


def test_a_judge_that_knows_colours_finds_the_right_one_of_two() -> None:
    """Two prompts, two pictures each; the share of pairs and the best of two by hand."""
    scenes = [(Piece(Look("circle", color, "solid", "large"), 2, 2),) for color in ("red", "blue")]
    prompts = [Prompt(id=c, text=f"there is a {c} circle on a white page") for c in ("red", "blue")]
    paper = Examination(
        group=2,
        prompts=(prompts[0], prompts[0], prompts[1], prompts[1]),
        images=render_batch([*scenes, *scenes]),
        strict=np.array([[1.0, 0.0], [0.0, 1.0]]),
        soft=np.array([[1.0, 0.5], [0.5, 1.0]]),
    )
    found = worth(load_judge("unified"), paper)
    assert found == {"auc": 1, "pairs": 1, "mean": 0.5, "best": 1, "oracle": 1}
    scores = load_judge("unified").score(paper.prompts, paper.images).value_B
    assert torch.isfinite(scores).all()
