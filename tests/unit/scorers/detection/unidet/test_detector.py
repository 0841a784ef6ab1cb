"""UniDet looks at pictures: how they are fed, what is told of them, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from tessera.config import from_plain, to_plain
from tessera.errors import CheckpointError, UserError
from tessera.scorers.detection.detector import Detector
from tessera.scorers.detection.unidet.cascade import chosen
from tessera.scorers.detection.unidet.detector import UniDet
from tessera.scorers.detection.unidet.load import read
from tessera.scorers.detection.unidet.model import fed, frame
from tessera.scorers.detection.unidet.settings import UniDetSettings
from tessera.scorers.placed import Placement
from tests.unit.scorers.detection.unidet import tiny

FIRST = ("bottle", "cup", "dining table", "cake", "wild bird")


def picture(height: int, width: int, seed: int = 0) -> UInt8[ndarray, "H W 3"]:
    """Returns a picture with smooth and sharp parts, its three channels unlike."""
    random = np.random.default_rng(seed)
    image_HW3 = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    image_HW3[: height // 2, :, 0] = np.linspace(0, 255, width, dtype=np.uint8)
    image_HW3[:, :, 2] //= 3
    return image_HW3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("unidet")
    for backbone in tiny.DESIGNS:
        tiny.save(made, backbone)
    return made


def detector(folder: Path, backbone: str = "r50") -> UniDet:
    told = {"backbone": backbone, "weights": str(folder), "place": {"device": "cpu"}}
    return UniDet(from_plain(UniDetSettings, told, where="test"), tiny.DESIGNS[backbone])


# --- the picture -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((512, 512), (479, 479)),
        ((384, 384), (479, 479)),
        ((479, 480), (479, 480)),
        ((100, 200), (240, 480)),  # 479 by 958 would be too long: 480 * 479 / 958 is 240
        ((200, 100), (480, 240)),
        ((1024, 1000), (480, 469)),  # 479 by 490 would be: 480 * 479 / 490 is 469.2
        ((1000, 1), (480, 0)),
    ],
)
def test_the_frame_is_479_pixels_or_at_most_480_the_longer_way(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert frame(*size) == expected


@pytest.mark.parametrize("size", [(300, 300), (600, 600), (100, 150), (479, 479)])
def test_the_picture_is_fed_in_bytes_blue_first(size: tuple[int, int]) -> None:
    image = Image.fromarray(picture(*size))
    pixels_3HW = fed(image)
    seen = np.asarray(image.resize(frame(*image.size), Image.Resampling.BILINEAR)).astype(np.float32)
    assert pixels_3HW.shape == (3, *seen.shape[:2])
    for fed_channel, channel in enumerate((2, 1, 0)):
        assert np.array_equal(pixels_3HW[fed_channel].numpy(), seen[:, :, channel])


# --- what is told ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backbone", tiny.DESIGNS)
def test_boxes_are_told_in_pixels_of_the_picture_as_given(folder: Path, backbone: str) -> None:
    image_HW3 = picture(100, 150)
    [sighting] = detector(folder, backbone).detect(image_HW3[None], [["cup"]])
    model = read(next(folder.glob(f"*{backbone.upper()}_*.pth")), tiny.DESIGNS[backbone]).eval()
    resized = np.asarray(Image.fromarray(image_HW3).resize((480, 320), Image.Resampling.BILINEAR))
    with torch.inference_mode():
        found = chosen(*model(torch.from_numpy(resized[:, :, ::-1].copy()).permute(2, 0, 1).float()))
    boxes_M4, scores_M, class_M = (each.numpy() for each in found)
    assert 10 < len(scores_M) <= 300
    assert [each.name for each in sighting.detections] == [FIRST[index] for index in class_M]
    assert [each.score for each in sighting.detections] == pytest.approx(scores_M.tolist())
    told = np.array([each.box for each in sighting.detections])
    assert told == pytest.approx(boxes_M4 * np.array([150 / 480, 100 / 320, 150 / 480, 100 / 320]), abs=1e-4)
    assert told.min() >= 0
    assert (told.max(axis=0) <= np.array([150, 100, 150, 100]) + 1e-4).all()


def test_all_that_is_seen_is_told_whatever_is_asked_best_first(folder: Path) -> None:
    unidet, images = detector(folder), np.stack([picture(64, 64)] * 3)
    first, second, third = unidet.detect(images, [["cup"], [], ["no such thing", "cup"]])
    assert first == second == third
    assert {each.name for each in first.detections} <= set(FIRST)
    assert len({each.name for each in first.detections}) > 1
    scores = [each.score for each in first.detections]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0.1
    assert max(scores) <= 1


def test_a_picture_is_seen_alike_beside_others(folder: Path) -> None:
    unidet, images = detector(folder), np.stack([picture(64, 80, seed) for seed in range(3)])
    together = unidet.detect(images, [[]] * 3)
    assert together == [unidet.detect(image[None], [[]])[0] for image in images]
    assert together[0] != together[1]


def test_it_is_a_detector_and_of_no_pictures_says_nothing(folder: Path) -> None:
    unidet = detector(folder)
    assert isinstance(unidet, Detector)
    assert unidet.detect(np.zeros((0, 8, 8, 3), dtype=np.uint8), []) == []


def test_a_picture_too_narrow_to_look_at_has_a_reason(folder: Path) -> None:
    [sighting] = detector(folder).detect(picture(1, 1000)[None], [["cup"]])
    assert sighting.reason == "a picture of 1 by 1000 pixels is too narrow for the detector"
    [narrow] = detector(folder).detect(picture(4, 400)[None], [["cup"]])
    assert not narrow.reason


def test_weights_that_are_no_numbers_are_a_reason(tmp_path: Path) -> None:
    state = tiny.state("r50")
    state["roi_heads.box_predictor.1.cls_score.bias"] *= float("nan")
    path = tmp_path / "broken.pth"
    torch.save({"model": state}, path)  # noqa: TID251 - makes the file that is read
    [sighting] = detector(path).detect(picture(64, 64)[None], [["cup"]])
    assert sighting.reason == "the detector gave no number: are its weights whole?"
    assert not sighting.detections


# --- settings ----------------------------------------------------------------------------------------------


def test_nothing_is_read_before_it_is_needed(tmp_path: Path) -> None:
    unidet = detector(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="is no file, and no folder with it"):
        unidet.detect(picture(64, 64)[None], [[]])


def test_the_digest_tells_weights_and_backbones_apart(folder: Path, tmp_path: Path) -> None:
    tiny.save(tmp_path, "r50", seed=1)
    digests = {
        detector(folder, "r50").digest(),
        detector(folder, "rs200").digest(),
        detector(tmp_path).digest(),
    }
    assert len(digests) == 3
    assert detector(folder, "r50").digest() in digests


def test_settings_go_through_plain_data() -> None:
    settings = UniDetSettings(backbone="r50", weights="models", place=Placement(device="cpu", rest="host"))
    assert from_plain(UniDetSettings, to_plain(settings), where="test") == settings
    assert to_plain(settings)["kind"] == "unidet"


def test_coarse_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="float32"):
        UniDetSettings(place=Placement(dtype="bfloat16"))
