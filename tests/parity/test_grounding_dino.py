"""Our detections against transformers' own model and image processor, and scores worked out token by token.

The model is the real class, tiny and random; no published checkpoint was at hand, so this shows the
picture's, the caption's and the boxes' way through, not published numbers.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image
from transformers import GroundingDinoImageProcessorPil

from tessera.scorers.detection.detector import Detection
from tessera.scorers.detection.grounding_dino import (
    GroundingDino,
    Look,
    caption,
    phrase_tokens,
    read_tokenizer,
    resized,
)
from tessera.scorers.pictures import IMAGENET_MEAN, IMAGENET_STD, normalised
from tessera.scorers.placed import Placement
from tests.outside import example_pictures
from tests.unit.scorers.detection import tiny

CPU = Placement(device="cpu")


def picture(height: int, width: int, seed: int = 0) -> UInt8[ndarray, "H W 3"]:
    """Returns a picture with smooth and sharp parts."""
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    image[: height // 2] = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None]
    return image


# --- the picture -------------------------------------------------------------------------------------------

SIZES = [
    (384, 384),
    (800, 800),
    (128, 128),
    (300, 1000),
    (1000, 300),
    (333, 517),
    (517, 333),
    (91, 233),
    (640, 480),
]


def check_against_the_processor(image: Image.Image) -> None:
    theirs = GroundingDinoImageProcessorPil()(images=image, return_tensors="pt")["pixel_values"]
    ours = normalised([resized(image, 800, 1333)], IMAGENET_MEAN, IMAGENET_STD)
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < 1e-5


@pytest.mark.parametrize("size", SIZES)
def test_the_picture_is_prepared_as_transformers_does(size: tuple[int, int]) -> None:
    check_against_the_processor(Image.fromarray(picture(*size)))


def test_real_pictures_are_prepared_as_transformers_does() -> None:
    for path in example_pictures():
        check_against_the_processor(Image.open(path).convert("RGB"))


def test_the_resize_is_bilinear_with_antialiasing() -> None:
    """PIL rounds to bytes between its two passes: at most a level or so from exact arithmetic."""
    image = picture(1000, 900)
    exact = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    exact = F.interpolate(exact, size=(888, 800), mode="bilinear", antialias=True)[0].permute(1, 2, 0)
    ours = torch.from_numpy(np.asarray(resized(Image.fromarray(image), 800, 1333)).copy()).float()
    assert ours.shape == exact.shape
    assert (ours - exact).abs().max() < 1.5
    assert (ours - exact).abs().mean() < 0.5


# --- the words ---------------------------------------------------------------------------------------------


def spelled(name: str) -> list[int]:
    """Returns the ids of a name by hand: each word whole if it is known, else letter by letter."""
    known, ids = tiny.vocabulary(), []
    for word in name.split():
        ids += (
            [known[word]] if word in known else [known[word[0]], *(known[f"##{each}"] for each in word[1:])]
        )
    return ids


def laid_out(names: list[str]) -> tuple[list[int], list[list[int]]]:
    """Returns the ids of the whole caption, and the places of each name in it, counted while laying out."""
    ids, places = [tiny.SPECIAL["[CLS]"]], []
    for name in names:
        word_ids = spelled(name)
        places.append(list(range(len(ids), len(ids) + len(word_ids))))
        ids += [*word_ids, tiny.SPECIAL["."]]
    return [*ids, tiny.SPECIAL["[SEP]"]], places


NAMES = [
    ["cup"],
    ["cup", "cat"],
    ["stop sign", "zebra", "cup"],
    ["sign", "stop sign", "stop"],  # words of one name are words of another
    ["big red tennis ball", "car", "a"],
]


@pytest.mark.parametrize("names", NAMES, ids=" . ".join)
def test_each_name_has_its_own_tokens(tmp_path: Path, names: list[str]) -> None:
    tiny.tokenizer().save(str(tmp_path / "tokenizer.json"))
    text, spans = caption(names)
    words = read_tokenizer(tmp_path / "tokenizer.json").encode(text)
    ids, places = laid_out(names)
    assert words.ids == ids
    assert phrase_tokens(words.offsets, spans) == places


def test_the_caption_is_lower_case_and_each_name_ends_in_a_full_stop() -> None:
    text, spans = caption(["St. Bernard", " Stop  Sign?", "cat"])
    assert text == "st bernard . stop sign . cat ."
    assert [text[start:stop] for start, stop in spans] == ["st bernard", "stop sign", "cat"]


# --- the whole way -----------------------------------------------------------------------------------------


def worked_out(image: UInt8[ndarray, "H W 3"], names: list[str], threshold: float) -> list[Detection]:
    """Returns detections from the model's raw numbers, with nothing of ours on the way."""
    ids, places = laid_out(names)
    small = {"shortest_edge": 256, "longest_edge": 426}
    pixels = GroundingDinoImageProcessorPil(size=small)(images=Image.fromarray(image), return_tensors="pt")
    with torch.no_grad():
        seen = tiny.model()(pixel_values=pixels["pixel_values"], input_ids=torch.tensor([ids]))
    height, width, _ = image.shape
    found = []
    for name, place in zip(names, places, strict=True):
        of_name = []
        for logits, box in zip(seen.logits[0].numpy(), seen.pred_boxes[0].double().tolist(), strict=True):
            score = float(np.mean([1 / (1 + np.exp(-np.float64(logits[token]))) for token in place]))
            centre_x, centre_y, wide, high = box
            if score > threshold:
                corners = (
                    (centre_x - wide / 2) * width,
                    (centre_y - high / 2) * height,
                    (centre_x + wide / 2) * width,
                    (centre_y + high / 2) * height,
                )
                of_name.append(Detection(name=name, score=score, box=corners))
        found += sorted(of_name, key=lambda each: -each.score)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("gdino"))


@pytest.mark.parametrize("size", [(256, 256), (96, 128), (300, 180), (100, 400)])
@pytest.mark.parametrize("names", NAMES, ids=" . ".join)
def test_detections_are_those_worked_out_from_the_models_numbers(
    folder: Path, names: list[str], size: tuple[int, int]
) -> None:
    image = picture(*size)
    look = Look(threshold=0.3, short=256, longest=426)
    [sighting] = GroundingDino(str(folder), look, CPU).detect(image[None], [names])
    expected = worked_out(image, names, 0.3)
    assert [each.name for each in sighting.detections] == [each.name for each in expected]
    assert len(expected) > 0
    for ours, theirs in zip(sighting.detections, expected, strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=1e-5)
        assert ours.box == pytest.approx(theirs.box, abs=1e-3)  # pixels


def test_a_full_size_picture_goes_through(folder: Path) -> None:
    image = picture(384, 384)
    [sighting] = GroundingDino(str(folder), Look(), CPU).detect(image[None], [["cup", "cat"]])
    assert not sighting.reason
    boxes = np.array([each.box for each in sighting.detections])
    assert len(boxes) > 0
    assert (boxes[:, :2] <= boxes[:, 2:]).all()
    assert boxes.max() > 10  # pixels, not parts of the picture


def test_more_words_than_the_model_reads_is_a_reason_and_not_a_cut(folder: Path) -> None:
    """The tokenizer's file says to cut at 8 tokens; the model's limit is 64."""
    detector = GroundingDino(str(folder), Look(short=256, longest=426), CPU)
    images = np.stack([picture(96, 96)] * 2)
    many, some = detector.detect(images, [["zebra"] * 12, ["zebra"] * 10])
    assert many.reason == "the names are 74 tokens, the detector reads 64"
    assert not some.reason


def test_a_picture_too_narrow_for_the_model_has_a_reason(folder: Path) -> None:
    detector = GroundingDino(str(folder), Look(short=256, longest=426), CPU)
    [sighting] = detector.detect(picture(10, 400)[None], [["cup"]])
    assert "too narrow" in sighting.reason
