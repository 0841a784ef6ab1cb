"""What every scorer promises: rows of their own, NaN with a reason, never a default number."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from tessera.scorers import mosaic
from tessera.types import Grade

Scorer = Callable[[Sequence[str], NDArray[np.uint8]], list[Grade]]

# Every implementation: the scorer, prompts it can judge, and one it cannot.
SCORERS: dict[str, tuple[Scorer, tuple[str, ...], str]] = {
    "mosaic": (mosaic.grade, ("a photo of a red star", "two blue rings and a heart"), "a photo of a picture"),
}


@pytest.fixture(params=SCORERS)
def case(request: pytest.FixtureRequest) -> tuple[Scorer, tuple[str, ...], str]:
    """Returns each scorer in turn."""
    return SCORERS[request.param]


def pictures(count: int) -> NDArray[np.uint8]:
    """Returns noise, blank pages and a filled one."""
    images = np.full((count, 128, 128, 3), 250, dtype=np.uint8)
    images[1::3] = np.random.default_rng(0).integers(0, 256, size=images[1::3].shape, dtype=np.uint8)
    images[2::3] = 20
    return images


def test_a_row_does_not_depend_on_its_neighbours(case: tuple[Scorer, tuple[str, ...], str]) -> None:
    score, prompts, unreadable = case
    rows = [*prompts, unreadable, *prompts]
    images = pictures(len(rows))
    together = score(rows, images)
    alone = [score([prompt], images[i : i + 1])[0] for i, prompt in enumerate(rows)]
    assert [repr(grade) for grade in together] == [repr(grade) for grade in alone]


def test_what_cannot_be_scored_is_nan_with_a_reason(case: tuple[Scorer, tuple[str, ...], str]) -> None:
    score, prompts, unreadable = case
    missing, known = score([unreadable, prompts[0]], pictures(2))
    assert math.isnan(missing.strict)
    assert math.isnan(missing.soft)
    assert missing.reason
    assert known.strict == 0
    assert not known.reason


def test_nothing_to_score_is_an_empty_answer(case: tuple[Scorer, tuple[str, ...], str]) -> None:
    score, _, _ = case
    assert score([], np.empty((0, 128, 128, 3), dtype=np.uint8)) == []


def test_more_prompts_than_pictures_is_an_error(case: tuple[Scorer, tuple[str, ...], str]) -> None:
    score, prompts, _ = case
    with pytest.raises(ValueError, match="zip"):
        score(list(prompts), pictures(1))
