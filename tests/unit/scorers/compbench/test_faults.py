"""Every fault of the published scripts, shown: the score that they give, and the mended one."""

import math
from typing import Any

import pytest

from tessera.scorers.compbench.faults import FAULTS, table
from tessera.scorers.compbench.verdict import verdict
from tessera.scorers.detection.unidet.labels import labels
from tessera.types import Prompt
from tests.unit.scorers.compbench.seen import Box, answered, detected, prompt

STOPS = math.nan  # the published script stops with an error
A: Box = (0, 0, 100, 100)
LOW: Box = (0, 20, 100, 100)  # IoU 0.8 with A
HALF: Box = (0, 0, 100, 50)  # 0.5
LEFT: Box = (0, 200, 40, 240)
RIGHT: Box = (400, 200, 440, 240)
UPPER: Box = (200, 0, 240, 40)
LOWER: Box = (200, 400, 240, 440)
AWAY: Box = (300, 300, 340, 340)

KEY = "a cat in front of a key"
COW = "a dog on the left of a cow"
HAT = "The hat was on top of the brown coat rack."
MAN = "two men and one woman"

# Of each fault: the prompt, what was seen, the published score, the mended one.
SHOWN: dict[str, tuple[Prompt, dict[str, Any], float, float]] = {
    "depth-transposed": (
        prompt(KEY, "3d_spatial"),
        detected(KEY, ("cat", 1.0, A), ("key", 1.0, LOW), depths=[(0.9, 0.1), (0.1, 0.9)]),
        0.5,
        1.0,
    ),
    "depth-last-box": (
        prompt(KEY, "3d_spatial"),
        # The second cat is taken, which lies apart and is less sure.
        detected(
            KEY,
            ("cat", 1.0, A),
            ("cat", 0.8, AWAY),
            ("key", 0.6, LOW),
            depths=[(0.9, 0.9)] * 2 + [(0.1, 0.1)],
        ),
        0.25 * 1.4,
        0.25 * 1.6 + 0.5,
    ),
    "label-substring": (
        prompt(KEY, "3d_spatial"),
        detected(KEY, ("cat", 1.0, A), ("monkey", 1.0, LOW), depths=[(0.9, 0.9), (0.1, 0.1)]),
        1.0,
        0.25,
    ),
    "label-joined": (
        prompt(COW, "spatial"),
        detected(COW, ("dog", 1.0, LEFT), ("cattle, cow", 1.0, RIGHT)),
        0.0,
        1.0,
    ),
    "label-alias": (
        prompt("a girl near a dog", "spatial"),
        detected("a girl near a dog", ("dog", 1.0, LEFT), ("girl", 1.0, RIGHT)),
        0.0,
        1.0,
    ),
    "label-plural": (
        prompt("boots near clouds", "spatial"),
        detected("boots near clouds", ("boots", 1.0, LEFT), ("cloud", 1.0, RIGHT)),
        0.0,
        1.0,
    ),
    "one-box-twice": (
        prompt("a girl near a boy", "spatial"),
        detected("a girl near a boy", ("person", 1.0, LEFT)),
        1.0,
        0.0,
    ),
    "relabelled": (
        prompt("one car and one cart", "numeracy"),
        # "cart" is no object of the list; the label "carpet" becomes a car.
        detected("one car", ("carpet", 1.0, LEFT)),
        1.0,
        0.0,
    ),
    "two-nouns-one-label": (
        prompt(MAN, "numeracy"),
        detected(MAN, ("person", 0.9, LEFT), ("person", 0.9, RIGHT), ("person", 0.9, UPPER)),
        0.5,
        1.0,
    ),
    "duplicates-by-label": (
        prompt("one table", "numeracy"),
        detected("one table", ("coffee table", 0.9, LEFT), ("dining table", 0.8, LEFT)),
        0.5,
        1.0,
    ),
    "number-words": (
        prompt("nine dogs", "numeracy"),
        detected("nine dogs", ("dog", 0.9, LEFT)),
        STOPS,
        0.5,
    ),
    "on-top-of": (
        prompt("a hat on top of a rack", "spatial"),
        detected("a hat on top of a rack", ("hat", 1.0, UPPER), ("rack", 1.0, LOWER)),
        0.5,
        1.0,
    ),
    "relation-missing": (
        prompt("a hat above a rack", "spatial"),
        detected("a hat above a rack", ("hat", 1.0, UPPER), ("rack", 1.0, LOWER)),
        0.5,
        1.0,
    ),
    "complex-objects": (
        prompt(HAT, "complex", kind="spatial"),
        {
            **detected(HAT, ("hat", 1.0, UPPER), ("rack", 1.0, LOWER)),
            "answers": [{"chunk": "The hat", "yes": 1.0}],
        },
        0.5,
        1.0,
    ),
    "iou-half": (
        prompt(KEY, "3d_spatial"),
        detected(KEY, ("cat", 1.0, A), ("key", 1.0, HALF), depths=[(0.9, 0.9), (0.1, 0.1)]),
        0.5,
        1.0,
    ),
    "phrases-of-place": (
        prompt("a car on the bottom of a cat", "color"),
        answered("a car on the bottom of a cat", a_car=0.5, the_bottom=0.1, a_cat=1.0),
        0.05,
        0.5,
    ),
    "no-phrase": (prompt("quickly", "color"), answered("quickly"), 1.0, math.nan),
    "file-names": (
        prompt("a dog_house near a cat", "spatial"),
        detected("a dog_house near a cat", ("dog", 1.0, LEFT)),
        STOPS,
        0.0,
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_fault_is_reproduced_on_request_and_else_mended(name: str) -> None:
    asked, seen, published, mended = SHOWN[name]
    assert verdict(asked, seen, official_bugs=True).soft == pytest.approx(published, nan_ok=True)
    assert verdict(asked, seen, official_bugs=False).soft == pytest.approx(mended, nan_ok=True)
    assert published != mended


def test_every_fault_is_shown_or_says_why_not() -> None:
    unshown = {each.name: each.reproduced for each in FAULTS if each.name not in SHOWN}
    assert all(why != "yes" for why in unshown.values()), unshown
    assert set(SHOWN) <= {each.name for each in FAULTS}


def test_the_labels_that_the_table_speaks_of_are_unidets() -> None:
    assert {
        "monkey",
        "carpet",
        "coffee table",
        "dining table",
        "cattle, cow",
        "girl",
        "boy",
        "man",
        "woman",
        "goldfish",
    } <= set(labels())


def test_the_table_tells_each_fault_with_its_place() -> None:
    told = table()
    for each in FAULTS:
        assert f"{each.name}  ({each.where})" in told
    assert len({each.name for each in FAULTS}) == len(FAULTS)
