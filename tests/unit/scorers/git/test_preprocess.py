"""preprocessor_config.json read and done by PIL, against transformers' own processor on the same file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from tessera.errors import CheckpointError
from tessera.scorers.git.preprocess import read_preprocessing
from tests.unit.scorers.blip.tiny import pictures, real_pictures
from tests.unit.scorers.git.tiny import PREPROCESSOR

LARGE = {"size": {"shortest_edge": 420}, "crop_size": {"height": 420, "width": 420}}


def written(folder: Path, **changes: Any) -> Path:
    """Returns the file with changes; None leaves a key out."""
    told = {key: value for key, value in {**PREPROCESSOR, **changes}.items() if value is not None}
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(told))
    return path


def check_equals_transformers(path: Path, image_HWC: NDArray[np.uint8]) -> None:
    told = json.loads(path.read_text())
    processor = transformers.CLIPImageProcessorPil(
        **{key: value for key, value in told.items() if not key.endswith(("_type", "_class"))}
    )
    expected = processor(image_HWC, return_tensors="pt")["pixel_values"]
    got = read_preprocessing(path)(image_HWC[None])
    assert got.shape == expected.shape
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(37, 30), (29, 64), (28, 33), (90, 28), (61, 200)])
def test_pictures_of_odd_sizes_come_out_as_transformers_makes_them(
    tmp_path: Path, height: int, width: int
) -> None:
    check_equals_transformers(written(tmp_path), pictures(1, height, width)[0])
    wider = written(tmp_path, size={"shortest_edge": 40}, crop_size={"height": 31, "width": 31})
    check_equals_transformers(wider, pictures(1, height, width)[0])


def test_other_filters_and_means_are_obeyed(tmp_path: Path) -> None:
    image = pictures(1, 61, 50)[0]
    check_equals_transformers(written(tmp_path, resample=2), image)
    check_equals_transformers(written(tmp_path, image_mean=[0.5] * 3, image_std=[0.4, 0.5, 0.6]), image)


def test_real_pictures_come_out_as_transformers_makes_them(tmp_path: Path) -> None:
    for image in real_pictures():
        check_equals_transformers(written(tmp_path, **LARGE), np.asarray(image))
        check_equals_transformers(written(tmp_path, **LARGE), np.asarray(image)[:, 99:450])


def test_sizes_may_be_plain_numbers_and_steps_unsaid(tmp_path: Path) -> None:
    named = read_preprocessing(written(tmp_path))
    assert read_preprocessing(written(tmp_path, size=28, crop_size=28, do_resize=None)) == named


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"do_center_crop": False}, "do_center_crop"),
        ({"do_normalize": False}, "do_normalize"),
        ({"rescale_factor": 1.0}, "rescale_factor"),
        ({"crop_size": {"height": 28, "width": 20}}, "crop_size"),
        ({"crop_size": {"height": 30, "width": 30}}, "crop_size"),
        ({"size": {"height": 28, "width": 28}}, "shortest_edge"),
        ({"resample": 77}, "not as CLIPImageProcessor"),
        ({"image_mean": [0.5]}, "not as CLIPImageProcessor"),
        ({"image_mean": None}, "image_mean"),
    ],
)
def test_what_it_does_not_do_is_refused(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(CheckpointError, match=word):
        read_preprocessing(written(tmp_path, **changes))


def test_a_torn_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "preprocessor_config.json"
    path.write_text('{"size": ')
    with pytest.raises(CheckpointError, match="copy it again"):
        read_preprocessing(path)
