"""The classifier of colours at tiny size: cut-outs by hand, rows of their own, files and weights refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from numpy import ndarray

from tessera.errors import CheckpointError
from tessera.scorers.detection import colours
from tessera.scorers.detection.colours import ColourClassifier, cut_out
from tessera.scorers.detection.geneval import COLOURS
from tessera.scorers.detection.geneval_eyes import Patch
from tessera.scorers.detection.geneval_settings import ColourSettings
from tessera.scorers.placed import Placement
from tests.unit.scorers.detection import tiny_clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip.save(tmp_path_factory.mktemp("clip"))


def classifier(folder: Path, **place: Any) -> ColourClassifier:
    return ColourClassifier(
        ColourSettings(weights=str(folder), place=Placement(**{"device": "cpu", **place}))
    )


def picture(seed: int = 0, height: int = 50, width: int = 70) -> UInt8[ndarray, "H W 3"]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def patches(count: int = 12) -> list[Patch]:
    """Returns objects of several sizes and classes, each a coloured disc in noise."""
    found = []
    for place in range(count):
        image = picture(place) // 4
        down, right = np.mgrid[:50, :70]
        radius = 4 + 2 * (place % 7)
        mask = (down - 25) ** 2 + (right - 30) ** 2 <= radius**2
        image[mask] += np.random.default_rng(100 + place).integers(0, 190, 3, dtype=np.uint8)
        edge = float(radius)
        box = (30 - edge, 25 - edge, 31 + edge, 26 + edge)
        found.append(Patch(image_HWC=image, mask_HW=mask, box=box, name=("cup", "tv remote")[place % 2]))
    return found


def test_what_is_not_the_object_is_grey_and_the_rest_is_cut_off() -> None:
    image, mask = picture(), np.zeros((50, 70), dtype=bool)
    mask[10:20, 5:8] = True
    mask[12, 6] = False
    cut = np.asarray(cut_out(image, mask, (5.0, 10.0, 8.0, 20.0)))
    expected = image[10:20, 5:8].copy()
    expected[2, 1] = 153
    assert (cut == expected).all()


def test_a_box_between_pixels_is_rounded_a_half_to_even() -> None:
    image, mask = picture(), np.ones((50, 70), dtype=bool)
    cut = np.asarray(cut_out(image, mask, (4.5, 10.4, 7.5, 20.6)))
    assert (cut == image[10:21, 4:8]).all()


def test_a_row_depends_on_no_other(folder: Path) -> None:
    some = patches()
    together = classifier(folder).names(some)
    assert set(together) <= set(COLOURS)
    assert len(set(together)) > 1  # or the test would show nothing
    assert [classifier(folder, batch_size=1).names([each])[0] for each in some] == together
    assert classifier(folder, batch_size=5).names(some[::-1]) == together[::-1]


def test_the_words_of_a_class_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, real = [], colours.words

    def noted(clip: Any, tokenizer: Any, name: str) -> Any:
        read.append(name)
        return real(clip, tokenizer, name)

    monkeypatch.setattr(colours, "words", noted)
    one = classifier(folder)
    assert one.names(patches(4)) == one.names(patches(4))
    assert sorted(read) == ["cup", "tv remote"]


def test_nothing_to_name_loads_nothing(tmp_path: Path) -> None:
    nowhere = classifier(tmp_path / "not there")
    assert nowhere.names([]) == []
    with pytest.raises(CheckpointError, match=r"colours\.weights=.*not there is no folder"):
        nowhere.names(patches(1))


def test_the_digest_names_the_weights_and_the_dtype_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    same = classifier(folder).digest()
    assert classifier(folder, batch_size=3, rest="host").digest() == same
    others = [
        classifier(tiny_clip.save(tmp_path, seed=1)).digest(),
        classifier(folder, dtype="bfloat16").digest(),
    ]
    assert len({same, *others}) == 3


def test_damaged_weights_are_an_error_and_not_the_first_colour(tmp_path: Path) -> None:
    """The largest of ten NaN is the first: red."""
    broken = tiny_clip.model()
    broken.visual_projection.weight.data[:] = torch.nan
    broken.save_pretrained(tmp_path)
    tiny_clip.write_tokenizer(tmp_path)
    with pytest.raises(CheckpointError, match="no numbers in float32"):
        classifier(tmp_path).names(patches(1))
