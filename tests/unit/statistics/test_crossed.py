"""Records of several evaluations become arrays of what they share."""

import math

import numpy as np
import pytest

from tessera.errors import UserError
from tessera.statistics.crossed import cross, picture_means
from tessera.types import EvalRecord, Grade


def record(prompt: str, sample: int, strict: float, *, soft: float = 0.5, seed: int = 7) -> EvalRecord:
    return EvalRecord(
        benchmark="mosaic-id",
        category=prompt[0],
        prompt_id=prompt,
        prompt=prompt,
        sample=sample,
        seed=seed,
        grade=Grade(strict=strict, soft=soft),
        tokens=(),
    )


def test_policies_are_compared_on_what_all_of_them_have() -> None:
    one = [record("a1", 0, 1.0), record("a1", 1, 0.0), record("b1", 0, 1.0), record("b1", 1, math.nan)]
    two = [record("b1", 1, 0.0), record("b1", 0, 0.0), record("c1", 0, 1.0), record("a1", 0, 1.0)]
    crossed = cross([one, [*two, record("a1", 1, 1.0)]])
    assert (crossed.prompt_P, crossed.category_P) == (("a1", "b1"), ("a", "b"))
    np.testing.assert_array_equal(crossed.score_SPG, [[[1, 0], [1, math.nan]], [[1, 1], [0, 0]]])
    np.testing.assert_array_equal(picture_means(crossed.score_SPG), [[0.5, 1], [1, 0]])
    assert cross([one, two]).score_SPG.shape == (2, 2, 1)  # a1 of the second has one picture
    assert cross([one], "soft").score_SPG[0, 0].tolist() == [0.5, 0.5]


def test_a_prompt_without_a_grade_has_no_mean() -> None:
    assert np.isnan(picture_means(np.full((1, 1, 2), math.nan))).all()


def test_other_sampling_seeds_and_other_prompts_are_mistakes() -> None:
    with pytest.raises(UserError, match="measure both with the same --seed"):
        cross([[record("a1", 0, 1.0)], [record("a1", 0, 1.0, seed=8)]])
    with pytest.raises(UserError, match="share no prompt"):
        cross([[record("a1", 0, 1.0)], [record("a2", 0, 1.0)]])
