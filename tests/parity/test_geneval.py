"""GenEval without mmdet: colours against a formula of their own, verdicts against the published tool's.

The CLIP is the real class, tiny and random; its features come here from transformers' own methods, all else
from PIL and numpy. The detector has tests of its own.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor
from transformers import CLIPTokenizer

from tessera.benchmarks.geneval.benchmark import GenEval
from tessera.scorers.detection.colours import ColourClassifier, words
from tessera.scorers.detection.geneval_eyes import Eyes, Patch
from tessera.scorers.detection.geneval_settings import ColourSettings
from tessera.scorers.detection.mask2former.decode import Segment
from tessera.scorers.detection.mask2former.names import OBJECT_NAMES
from tessera.scorers.placed import Placement
from tessera.types import Prompt
from tests.outside import outside
from tests.unit.scorers.detection import tiny_clip
from tests.unit.scorers.detection.test_colours import patches

PALETTE = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"]
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip.save(tmp_path_factory.mktemp("clip"))


# --- colours -----------------------------------------------------------------------------------------------


def features(answer: Any) -> Float[ndarray, "B D"]:
    """Returns the rows of an answer of transformers, which wraps them since version 5, as unit vectors."""
    rows = (answer if isinstance(answer, Tensor) else answer.pooler_output).detach().double().numpy()
    return rows / np.sqrt((rows**2).sum(1, keepdims=True))


def by_hand(folder: Path, name: str) -> Float[ndarray, "C D"]:
    """Returns the vector of each colour of a class."""
    clip, tokenizer = tiny_clip.model(), CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    vectors = []
    for colour in PALETTE:
        texts = [f"a photo of a {colour} {name}", f"a photo of a {colour}-colored {name}"]
        ids = tokenizer([*texts, f"a photo of a {colour} object"], padding="max_length", max_length=77)
        read = features(
            clip.get_text_features(
                input_ids=torch.tensor(ids["input_ids"]), attention_mask=torch.tensor(ids["attention_mask"])
            )
        )
        mean = read.sum(0) / 3
        vectors.append(mean / np.sqrt((mean**2).sum()))
    return np.stack(vectors)


def prepared(patch: Patch) -> Float[ndarray, "3 28 28"]:
    """Returns an object as the published tool hands it to CLIP: PIL does the mixing and the cutting."""
    image = Image.fromarray(patch.image_HWC)
    grey = Image.new("RGB", image.size, color="#999")
    cut = Image.composite(image, grey, Image.fromarray(patch.mask_HW)).crop(patch.box)  # pyright: ignore[reportArgumentType] - PIL rounds
    width, height = cut.size
    scale = 28 / min(width, height)
    size = (28, int(28 * height / width)) if width <= height else (int(28 * width / height), 28)
    resized = np.asarray(cut.resize(size, Image.Resampling.BICUBIC) if scale != 1 else cut)
    top, left = (round((edge - 28) / 2) for edge in resized.shape[:2])
    square = resized[top : top + 28, left : left + 28] / 255
    return ((square - MEAN) / STD).transpose(2, 0, 1)


@pytest.mark.parametrize("name", ["cup", "computer keyboard"])
def test_the_words_of_a_colour_are_the_mean_of_three_unit_vectors_made_one_again(
    folder: Path, name: str
) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    with torch.no_grad():
        ours = words(tiny_clip.model(), tokenizer, name).double().numpy()
    expected = by_hand(folder, name)
    assert np.abs(ours - expected).max() < 1e-5
    # The comparison sees a colour too few or in another place.
    gaps = np.abs(expected[:, None] - expected[None]).max(-1) + np.eye(10)
    assert gaps.min() > 1e-3


def stretched(patch: Patch, across: float) -> Patch:
    """Returns an object with a box that is no square, and not on whole pixels."""
    left, top, right, bottom = patch.box
    return Patch(
        image_HWC=patch.image_HWC,
        mask_HW=patch.mask_HW,
        box=(left + across, top, right - across, bottom),
        name=patch.name,
    )


def test_an_objects_colour_is_that_of_the_nearest_words(folder: Path) -> None:
    some = [stretched(each, across) for across in (0.0, 0.5, 2.2) for each in patches(12)]
    clip = tiny_clip.model()
    vectors = {name: by_hand(folder, name) for name in {each.name for each in some}}
    expected, gaps = [], []
    for each in some:
        pixels = torch.from_numpy(prepared(each)).float()[None]
        cosines = vectors[each.name] @ features(clip.get_image_features(pixel_values=pixels))[0]
        best = np.sort(cosines)
        gaps.append(best[-1] - best[-2])
        expected.append(PALETTE[int(np.argmax(cosines))])
    settings = ColourSettings(weights=str(folder), place=Placement(device="cpu"))
    assert ColourClassifier(settings).names(some) == expected
    assert len(set(expected)) >= 3
    assert min(gaps) > 1e-5  # no near tie that rounding could turn


# --- verdicts ----------------------------------------------------------------------------------------------


class Replay:
    """Both instruments, from saved detections: one row after another, unordered, with unsure ones between."""

    def __init__(self, rows: list[dict[str, Any]], unsure: float) -> None:
        self._rows, self._unsure = iter(rows), unsure
        self._colour: dict[tuple[float, ...], str] = {}

    def segment(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[list[Segment]]:
        return [self._one(next(self._rows)) for _ in images_BHWC]

    def _one(self, row: dict[str, Any]) -> list[Segment]:
        mask = np.ones((4, 4), dtype=bool)
        segments = []
        for name, objects in row["detected"].items():
            index = OBJECT_NAMES.index(name)
            segments.append(
                Segment(index=index, score=self._unsure, box=(0.0, 0.0, 400.0, 400.0), mask_HW=mask)
            )
            for each in reversed(objects):
                left, top, right, bottom, score = map(float, each["box"])
                box = (left, top, right, bottom)
                self._colour[box] = each["color"]
                segments.append(Segment(index=index, score=score, box=box, mask_HW=mask))
        return segments

    def names(self, patches: Sequence[Patch]) -> list[str]:
        return [self._colour.get(patch.box, "brown") for patch in patches]

    def digest(self) -> str:
        return "replay"


def surer(row: dict[str, Any]) -> dict[str, Any]:
    """Returns the row with all scores above 0.9, in the same order: so counting counts them, too."""
    raised = {
        name: [{**each, "box": [*each["box"][:4], 0.9 + each["box"][4] / 10]} for each in objects]
        for name, objects in row["detected"].items()
    }
    return {**row, "detected": raised}


@pytest.mark.parametrize("counting", [True, False])
def test_what_the_eyes_see_is_judged_as_the_published_tool_judged_it(counting: bool) -> None:
    vectors = json.loads(outside("fixtures/geneval_evaluate.json").read_text(encoding="utf-8"))
    vectors = [each for each in vectors if (each["metadata"]["tag"] == "counting") == counting]
    rows = [surer(each) for each in vectors] if counting else vectors
    replay = Replay(rows, unsure=0.9 if counting else 0.3)
    benchmark = GenEval(data=Path("unused"), eyes=Eyes(segmenter=replay, colours=replay), title="GenEval")
    prompts = [
        Prompt(
            id=f"geneval/{place:05}",
            text=row["metadata"]["prompt"],
            category=row["metadata"]["tag"],
            metadata=row["metadata"],
        )
        for place, row in enumerate(rows)
    ]
    grades = benchmark.grade(prompts, np.zeros((len(rows), 4, 4, 3), dtype=np.uint8))
    expected = [(each["correct"], each["reason"]) for each in vectors]
    assert [(grade.strict == 1, grade.reason) for grade in grades] == expected
    assert len(vectors) >= 20
    assert {correct for correct, _ in expected} == {True, False}
