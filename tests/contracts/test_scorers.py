"""What every scorer promises: rows of their own, NaN with a reason, never a default number.

All of it holds in process and behind a server (the verifier, a plain function, is in process alone).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from tessera import protocols
from tessera.rewards.load import load_scorer
from tessera.rewards.plain import Plain
from tessera.rewards.remote.settings import RemoteReward
from tessera.scorers import mosaic
from tessera.scorers.judges.judge import load_judge
from tessera.scorers.judges.sizes import JUDGES, JudgeName
from tessera.types import Prompt
from tests.unit.rewards.remote.serving import serving


@dataclass(frozen=True)
class Answer:
    """What a scorer says of one picture: its numbers, or why there are none."""

    values: tuple[float, ...]
    reason: str


Scorer = Callable[[Sequence[str], NDArray[np.uint8]], list[Answer]]


def verifier(prompts: Sequence[str], images: NDArray[np.uint8]) -> list[Answer]:
    return [Answer((each.strict, each.soft), each.reason) for each in mosaic.grade(prompts, images)]


def judge(name: JudgeName) -> Scorer:
    """Returns the shipped judge of that name as a scorer of texts."""
    return of_texts(load_judge(name))


def of_texts(loaded: protocols.Scorer) -> Scorer:
    """Returns the instrument as a scorer of texts."""

    def score(prompts: Sequence[str], images: NDArray[np.uint8]) -> list[Answer]:
        scores = loaded.score([Prompt(id=text, text=text) for text in prompts], images)
        values = scores.value_B.tolist()
        return [Answer((value,), reason) for value, reason in zip(values, scores.reasons, strict=True)]

    return score


PROMPTS = ("a photo of a red star", "two blue rings and a heart")
UNREADABLE = "a photo of a picture of a dog"

# Every implementation; each reads PROMPTS, and none reads UNREADABLE.
SCORERS: dict[str, Callable[[], Scorer]] = {
    "verifier": lambda: verifier,
    **{name: (lambda name=name: judge(name)) for name in JUDGES},
}


HERE = [(name, "here") for name in SCORERS]
SERVED = [(name, "served") for name in JUDGES]


@pytest.fixture(params=HERE + SERVED, ids="-".join, scope="module")
def score(request: pytest.FixtureRequest) -> Iterator[Scorer]:
    """Yields each scorer in turn, and through a server each that is an object."""
    name, place = request.param
    if place == "here":
        yield SCORERS[name]()
        return
    with serving(Plain(load_judge(name))) as url:
        yield of_texts(load_scorer(RemoteReward(urls=(url,))))


def pictures(count: int) -> NDArray[np.uint8]:
    """Returns noise, blank pages and a filled one."""
    images = np.full((count, 128, 128, 3), 250, dtype=np.uint8)
    images[1::3] = np.random.default_rng(0).integers(0, 256, size=images[1::3].shape, dtype=np.uint8)
    images[2::3] = 20
    return images


def test_a_row_does_not_depend_on_its_neighbours(score: Scorer) -> None:
    rows = [*PROMPTS, UNREADABLE, *PROMPTS]
    images = pictures(len(rows))
    together = score(rows, images)
    alone = [score([prompt], images[i : i + 1])[0] for i, prompt in enumerate(rows)]
    assert list(map(repr, together)) == list(map(repr, alone))


def test_what_cannot_be_scored_is_nan_with_a_reason(score: Scorer) -> None:
    missing, known = score([UNREADABLE, PROMPTS[0]], pictures(2))
    assert all(math.isnan(value) for value in missing.values)
    assert missing.reason
    assert all(math.isfinite(value) for value in known.values)
    assert not known.reason


def test_a_blank_page_shows_nothing_to_the_verifier() -> None:
    assert verifier(PROMPTS, pictures(1).repeat(2, axis=0)) == [Answer((0, 0), ""), Answer((0, 0), "")]


def test_nothing_to_score_is_an_empty_answer(score: Scorer) -> None:
    assert score([], np.empty((0, 128, 128, 3), dtype=np.uint8)) == []


def test_more_prompts_than_pictures_is_an_error(score: Scorer) -> None:
    with pytest.raises(ValueError, match="zip"):
        score(list(PROMPTS), pictures(1))
