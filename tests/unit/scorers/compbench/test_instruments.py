"""The real instruments, tiny and random, together: what they see is judged, and is the same one by one."""

import json
import math
from pathlib import Path

import pytest

from tessera.scorers.blip.settings import BlipVqaConfig
from tessera.scorers.blip.vqa import AUTHORS, load_blip_vqa
from tessera.scorers.clip.load import load_clip
from tessera.scorers.clip.settings import ClipScore
from tessera.scorers.compbench.evaluator import Evaluator
from tessera.scorers.compbench.instruments import Instruments
from tessera.scorers.compbench.reading import Reader
from tessera.scorers.compbench.settings import CATEGORIES
from tessera.scorers.compbench.verdict import verdict
from tessera.scorers.depth.dpt import Depth
from tessera.scorers.depth.settings import DepthSettings
from tessera.scorers.detection.unidet.detector import UniDet
from tessera.scorers.detection.unidet.settings import UniDetSettings
from tessera.scorers.placed import Placement
from tests.unit.scorers.blip.reference import vqa_state
from tests.unit.scorers.blip.tiny import SIZES, pictures, saved, words_folder
from tests.unit.scorers.clip.tiny import write_clip, write_tokenizer
from tests.unit.scorers.compbench.seen import prompt
from tests.unit.scorers.depth import tiny as dpt
from tests.unit.scorers.detection.unidet import tiny as unidet

CPU = Placement(device="cpu")
# The tiny detector's five labels are UniDet's first: bottle, cup, dining table, cake, wild bird.
PROMPTS = [
    prompt("a red car and a blue dog", "color"),
    prompt("a bottle on the left of a cup", "spatial"),
    prompt("a bottle behind a cup", "3d_spatial"),
    prompt("two cups and one bottle", "numeracy"),
    prompt("a red cat", "non_spatial"),
    prompt("The red cup was next to the big bottle.", "complex", kind="spatialaction"),
]


@pytest.fixture
def evaluator(tmp_path: Path) -> Evaluator:
    """Returns the evaluator of tiny checkpoints, each laid out as published."""
    blip = saved(tmp_path / "blip", AUTHORS, vqa_state(SIZES), under="model")
    clip = tmp_path / "clip"
    write_clip(clip)
    write_tokenizer(clip)
    for backbone in ("r50", "rs200"):
        unidet.save(tmp_path, backbone)
    words = words_folder(tmp_path / "words")
    return Evaluator(
        categories=CATEGORIES,
        instruments=Instruments(
            attributes=load_blip_vqa(BlipVqaConfig(weights=str(blip), tokenizer=str(words), place=CPU)),
            similarity=load_clip(ClipScore(weights=str(clip), place=CPU)),
            plane=UniDet(
                UniDetSettings(backbone="rs200", weights=str(tmp_path), place=CPU), unidet.DESIGNS["rs200"]
            ),
            counts=UniDet(
                UniDetSettings(backbone="r50", weights=str(tmp_path), place=CPU), unidet.DESIGNS["r50"]
            ),
            depth=Depth(DepthSettings(weights=str(dpt.save(tmp_path / "dpt")), place=CPU)),
        ),
        reader=Reader({}),
    )


def test_the_real_instruments_see_and_are_judged(evaluator: Evaluator) -> None:
    images_BHWC = pictures(len(PROMPTS), 48, 48)
    rows = evaluator.observe(PROMPTS, images_BHWC)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    for asked, row in zip(PROMPTS, rows, strict=True):
        assert "problem" not in row
        for bugs in (True, False):
            value = verdict(asked, row, official_bugs=bugs).soft
            assert math.isfinite(value)
            assert -1 <= value <= 1
    assert [each["chunk"] for each in rows[0]["answers"]] == ["a red car", "a blue dog"]
    assert all(0 <= each["yes"] <= 1 for each in rows[0]["answers"])
    seen = rows[2]["detections"]
    assert seen, "the tiny detector sees nothing, and the test shows nothing"
    assert all(each["depth"] is not None for each in seen if each["box"][2] - each["box"][0] > 2)
    alone = evaluator.observe(PROMPTS[2:3], images_BHWC[2:3])
    assert alone == rows[2:3]
    assert len(evaluator.digest()) > 8
