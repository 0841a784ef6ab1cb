"""Scores on disk: asked once, asked again when the instrument changed, one line per candidate."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tessera.benchmarks.candidates import Table, key, score_candidates
from tessera.benchmarks.layout import SCORERS, SCORES, picture_path
from tessera.errors import UserError
from tessera.rewards.noise import NoiseReward
from tessera.storage import write_png
from tessera.types import Prompt
from tests.unit.benchmarks.tables import table

PROMPTS = {"b": [Prompt(id="x/0", text="0"), Prompt(id="x/1", text="1")]}


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Path, Table]:
    """Two prompts of two candidates, with pictures."""
    made = table([("x", [0, 1]), ("x", [1, 0])])
    rng = np.random.default_rng(0)
    for row in made.rows:
        for record in row:
            write_png(tmp_path / picture_path(record), rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    return tmp_path, made


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / SCORES).read_text().splitlines()]


def test_what_is_known_is_not_asked_again(folder: tuple[Path, Table]) -> None:
    place, made = folder
    values = score_candidates(place, [made], PROMPTS, [NoiseReward()])
    for record in (record for row in made.rows for record in row):
        (place / picture_path(record)).unlink()  # whoever asks again needs the pictures
    assert score_candidates(place, [made], PROMPTS, [NoiseReward()]) == values
    with pytest.raises(UserError, match=r"0-0\.png is missing"):
        score_candidates(place, [made], PROMPTS, [NoiseReward(seed=1)])


def test_a_scorer_that_has_changed_is_asked_again(folder: tuple[Path, Table]) -> None:
    """The name is the same, the digest is not: a judge that was made again, for one."""
    place, made = folder
    before = score_candidates(place, [made], PROMPTS, [NoiseReward()])
    after = score_candidates(place, [made], PROMPTS, [NoiseReward(seed=1)])
    assert all(before[name]["noise"] != after[name]["noise"] for name in before)
    assert json.loads((place / SCORERS).read_text()) == {"noise": NoiseReward(seed=1).digest()}
    assert [row["values"]["noise"] for row in rows(place)] == [value["noise"] for value in after.values()]


def test_a_score_is_that_of_the_picture_itself(folder: tuple[Path, Table]) -> None:
    place, made = folder
    values = score_candidates(place, [made], PROMPTS, [NoiseReward()])
    swapped = replace(made, rows=tuple(reversed(made.rows)))
    (place / SCORES).unlink()
    assert score_candidates(place, [swapped], PROMPTS, [NoiseReward()]) == values
    assert len({value["noise"] for value in values.values()}) == 4
    assert set(values) == {key(record) for row in made.rows for record in row}
