"""Pictures of another tool, in the official layout, graded where they lie."""

from pathlib import Path

import numpy as np
import pytest

from tessera.benchmarks.observed import Workers, grade_folder
from tessera.errors import UserError
from tessera.storage import write_png
from tests.unit.benchmarks.brightness import Brightness

WHITE, BLACK = (np.full((8, 8, 3), value, np.uint8) for value in (255, 0))


def made(folder: Path) -> Path:
    """Returns a folder in which the first prompt has two pictures, the second one, the others none."""
    for place, image_HWC in (("dim-00/0", BLACK), ("dim-00/1", WHITE), ("dim-01/0", BLACK)):
        write_png(folder / f"{place}.png", image_HWC)
    write_png(folder / "dim-02" / "1.png", BLACK)  # its first sample is missing
    return folder


def graded(images: Path, out: Path, samples: int | None = None) -> list[tuple[str, int, float]]:
    benchmark = Brightness()
    records, _ = grade_folder(images, benchmark, benchmark.prompts(None), samples, out, workers=Workers())
    assert all((out / record.picture).is_file() for record in records)
    return [(record.prompt_id, record.sample, record.grade.strict) for record in records]


def test_what_is_there_is_graded_up_to_the_first_gap(tmp_path: Path) -> None:
    found = graded(made(tmp_path / "images"), tmp_path / "out")
    assert found == [("dim/00", 0, 1.0), ("dim/00", 1, 0.0), ("dim/01", 0, 1.0)]


def test_fewer_may_be_asked_for(tmp_path: Path) -> None:
    found = graded(made(tmp_path / "images"), tmp_path / "out", samples=1)
    assert found == [("dim/00", 0, 1.0), ("dim/01", 0, 1.0)]


def test_a_folder_without_pictures_is_told_where_the_first_would_be(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"its first one would be .*dim-00/0.png"):
        graded(tmp_path, tmp_path / "out")


def test_a_picture_that_is_torn_is_named(tmp_path: Path) -> None:
    images = made(tmp_path / "images")
    (images / "dim-00" / "1.png").write_bytes((images / "dim-00" / "1.png").read_bytes()[:40])
    with pytest.raises(UserError, match=r"dim-00/1.png is no whole picture"):
        graded(images, tmp_path / "out")


def test_a_picture_that_changes_afterwards_is_graded_again(tmp_path: Path) -> None:
    images = made(tmp_path / "images")
    graded(images, tmp_path / "out")
    (images / "dim-00" / "1.png").unlink()
    write_png(images / "dim-00" / "1.png", BLACK)
    assert graded(images, tmp_path / "out")[1] == ("dim/00", 1, 1.0)
