"""What is seen: each prompt by the instruments of its category alone, as plain data; and the scorer on it."""

import json
import math

import numpy as np
import pytest
from jaxtyping import UInt8
from numpy import ndarray

from tessera.config import from_plain, to_plain
from tessera.errors import UserError
from tessera.scorers.compbench.evaluator import Evaluator
from tessera.scorers.compbench.instruments import Instruments
from tessera.scorers.compbench.load import CompBenchScorer, load_compbench, load_evaluator
from tessera.scorers.compbench.reading import Reader
from tessera.scorers.compbench.settings import CATEGORIES, CompBench, OpenVocabulary
from tessera.scorers.compbench.verdict import verdict
from tessera.scorers.detection.unidet.detector import UniDet
from tessera.types import Prompt
from tests.unit.scorers.compbench.seen import Blip, Box, Clip, Eye, Ramp, prompt

LEFT: Box = (0.0, 0.0, 10.0, 10.0)
RIGHT: Box = (20.0, 0.0, 30.0, 10.0)
PROMPTS = [
    prompt("a red car", "color"),
    prompt("a dog on the left of a cat", "spatial"),
    prompt("a dog behind a cat", "3d_spatial"),
    prompt("one dog and one cat", "numeracy"),
    prompt("A man is reading.", "non_spatial"),
    prompt("The red hat was on top of the old rack.", "complex", kind="spatial"),
    prompt("The red hat hit the old rack.", "complex", kind="action"),
    prompt("The red hat sat near the old rack.", "complex", kind="spatialaction"),
]
YES = {"a red car?": 0.5, "The red hat?": 1.0, "the old rack?": 0.5}


class Room:
    """An evaluator, with its instruments at hand."""

    def __init__(self, open_vocabulary: bool = False, categories: tuple[str, ...] = CATEGORIES) -> None:
        objects = (("dog", 0.9, LEFT), ("cat", 0.8, RIGHT))
        self.blip, self.clip = Blip(YES), Clip()
        self.plane, self.counts = Eye(objects, "plane"), Eye(objects, "counts")
        self.evaluator = Evaluator(
            categories=categories,
            instruments=Instruments(
                attributes=self.blip,
                similarity=self.clip,
                plane=self.plane,
                counts=self.counts,
                depth=Ramp(),
                open_vocabulary=open_vocabulary,
            ),
            reader=Reader({}),
        )


def pictures(count: int, side: int = 40) -> UInt8[ndarray, "B H W 3"]:
    return np.stack([np.full((side, side, 3), 10 * index, np.uint8) for index in range(count)])


def test_each_instrument_is_asked_what_its_categories_need_and_no_more() -> None:
    room = Room()
    room.evaluator.observe(PROMPTS, pictures(8))
    assert room.blip.asked == [
        ["a red car?"],
        ["The red hat?", "the old rack?"],
        ["The red hat?", "the old rack?"],
        ["The red hat?", "the old rack?"],
    ]
    assert room.clip.texts == ["A man is reading.", "The hat hit the rack .", "The hat sat near the rack ."]
    assert room.plane.names == [["dog", "cat"], ["hat", "rack"], ["hat", "rack"]]
    assert room.counts.names == [["dog", "cat"], ["dog", "cat"]]


def test_what_is_seen_is_plain_data_and_gives_the_verdict_after_a_way_through_a_file() -> None:
    rows = Room().evaluator.observe(PROMPTS, pictures(8))
    back = json.loads(json.dumps(rows, allow_nan=False))
    assert back == rows
    found = [verdict(each, row, official_bugs=False).soft for each, row in zip(PROMPTS, back, strict=True)]
    assert found[0] == 0.5
    assert found[1] == pytest.approx(0.25 * 1.7 + 0.5)
    assert found[2] == pytest.approx(0.25 * 1.7)  # the boxes do not overlap
    assert found[3] == 1
    assert found[4] == pytest.approx(40 / 255)
    assert found[5] == pytest.approx((0.5 + 0) / 2)
    assert found[6] == pytest.approx((0.5 + 60 / 255) / 2)
    assert found[7] == pytest.approx((0.5 + 0 + 70 / 255) / 3)
    for each, row in zip(PROMPTS, back, strict=True):
        assert row["prompt"] == {"text": each.text, "category": each.category, "metadata": each.metadata}


def test_depth_is_measured_inside_each_box_both_ways() -> None:
    row = Room().evaluator.observe([PROMPTS[2]], pictures(1))[0]
    dog, cat = row["detections"]
    assert dog["depth"] == pytest.approx(5 / 40, abs=0.01)  # the ramp at the middle of the box
    assert cat["depth"] == pytest.approx(25 / 40, abs=0.01)
    assert cat["depth_transposed"] == pytest.approx(5 / 40, abs=0.01)


def test_rows_do_not_depend_on_their_neighbours() -> None:
    images_BHWC = pictures(8)
    together = Room().evaluator.observe(PROMPTS, images_BHWC)
    alone = [
        Room().evaluator.observe([each], images_BHWC[index : index + 1])[0]
        for index, each in enumerate(PROMPTS)
    ]
    assert alone == together


def test_no_prompts_are_no_rows() -> None:
    assert Room().evaluator.observe([], pictures(1)[:0]) == []


def test_a_category_that_is_not_looked_at_is_told() -> None:
    room = Room(categories=("color",))
    rows = room.evaluator.observe(PROMPTS, pictures(8))
    assert "problem" not in rows[0]
    assert all("is not looked at; those are: color" in row["problem"] for row in rows[1:])
    assert room.clip.texts == []


def test_an_open_vocabulary_that_has_nothing_to_look_for_says_so() -> None:
    asked = [prompt("quickly", "spatial"), PROMPTS[1]]
    rows = Room(open_vocabulary=True).evaluator.observe(asked, pictures(2))
    assert "no object is read" in rows[0]["problem"]
    assert rows[1]["vocabulary"] == "open"


def test_a_picture_too_narrow_is_a_problem_and_not_a_crash() -> None:
    thin = np.zeros((1, 1, 900, 3), np.uint8)
    row = Room().evaluator.observe([PROMPTS[2]], thin)[0]
    assert "too narrow" in row["problem"]


def test_the_scorer_gives_the_value_of_each_prompts_category_and_nan_to_foreign_prompts() -> None:
    foreign = Prompt(id="mosaic/1", text="a red ring", category="color")
    wordless = prompt("", "non_spatial")
    scorer = CompBenchScorer(evaluator=Room().evaluator, official_bugs=False)
    found = scorer.score([PROMPTS[0], foreign, PROMPTS[3], wordless], pictures(4))
    values = found.value_B.tolist()
    assert (values[0], values[2]) == (0.5, 1.0)
    assert math.isnan(values[1])
    assert math.isnan(values[3])
    assert found.reasons[0] == ""
    assert "none of T2I-CompBench's" in found.reasons[1]
    assert found.reasons[3] == "no words"


def test_the_digest_knows_rules_instruments_and_categories() -> None:
    room, few = Room(), Room(categories=("color",))
    scorers = [
        CompBenchScorer(evaluator=room.evaluator, official_bugs=False),
        CompBenchScorer(evaluator=room.evaluator, official_bugs=True),
        CompBenchScorer(evaluator=few.evaluator, official_bugs=False),
        CompBenchScorer(evaluator=Room(open_vocabulary=True).evaluator, official_bugs=False),
    ]
    assert len({each.digest() for each in scorers}) == 4
    assert scorers[0].digest() == CompBenchScorer(evaluator=Room().evaluator, official_bugs=False).digest()


def test_only_the_instruments_of_the_named_categories_are_looked_for() -> None:
    """None of the weights is here: a detector finds its file when it first looks."""
    evaluator = load_evaluator(CompBench(categories=("spatial", "numeracy")))
    found = evaluator.instruments
    assert found.attributes is None
    assert found.similarity is None
    assert found.depth is None
    assert isinstance(found.plane, UniDet)
    assert isinstance(found.counts, UniDet)
    assert load_compbench(CompBench(categories=("spatial",))).name == "compbench"


def test_settings_come_back_from_plain_data_and_say_which_detector() -> None:
    settings = CompBench(detector=OpenVocabulary(), depth_detector=OpenVocabulary(), chunks="chunks.json")
    assert from_plain(CompBench, to_plain(settings), where="here") == settings
    assert CompBench().categories == CATEGORIES
    with pytest.raises(UserError, match="one kind"):
        CompBench(detector=OpenVocabulary())
    with pytest.raises(UserError, match="official_bugs"):
        CompBench(detector=OpenVocabulary(), depth_detector=OpenVocabulary(), official_bugs=True)
    with pytest.raises(UserError, match="once"):
        CompBench(categories=("color", "color"))
