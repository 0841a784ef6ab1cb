"""Depth maps by a tiny DPT: any size of picture, rows of their own, levels by hand, files refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from numpy import ndarray
from safetensors.torch import load_file, save_file

from tessera.errors import CheckpointError, UserError
from tessera.scorers.depth.dpt import Depth, levels
from tessera.scorers.depth.settings import DepthSettings
from tessera.scorers.placed import Placement
from tests.unit.scorers.depth import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("dpt"))


def depth(folder: Path, **place: object) -> Depth:
    return Depth(DepthSettings(weights=str(folder), place=Placement(device="cpu", **place)))  # pyright: ignore[reportArgumentType] - settings by name


def pictures(count: int, height: int = 60, width: int = 44) -> UInt8[ndarray, "B H W 3"]:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(128, 128), (60, 44), (480, 480), (31, 700)])
def test_a_picture_of_any_size_has_a_map_of_480_that_uses_the_whole_range(
    folder: Path, size: tuple[int, int]
) -> None:
    [made] = depth(folder).maps(pictures(1, *size))
    assert (made.shape, made.dtype) == ((480, 480), np.uint8)
    assert (made.min(), made.max()) == (0, 255)


def test_a_row_depends_on_no_other(folder: Path) -> None:
    """To one level: batches change rounding, and levels are cut."""
    images = pictures(3)
    together = np.stack(depth(folder).maps(images)).astype(int)
    alone = np.stack([depth(folder).maps(images[row : row + 1])[0] for row in range(3)])
    sized = np.stack(depth(folder, batch_size=2).maps(images))
    assert np.abs(together - alone).max() <= 1
    assert np.abs(together - sized).max() <= 1
    assert np.abs(together[0] - together[1]).max() > 10  # or the test would show nothing


def test_levels_are_cut_and_larger_is_nearer() -> None:
    """The model answers with inverse depth: 10 is nearer than 2."""
    near = torch.tensor([[2.0, 10.0], [6.0, 2.0 + 8 * 99.9 / 255]])
    assert levels(near).tolist() == [[0, 255], [127, 99]]


def test_a_flat_answer_has_nothing_nearer_than_anything_else() -> None:
    assert levels(torch.full((3, 3), 4.0)).tolist() == [[0] * 3] * 3


def test_an_answer_that_is_no_number_is_an_error_and_not_a_map() -> None:
    with pytest.raises(CheckpointError, match="no finite number"):
        levels(torch.tensor([[1.0, torch.nan], [2.0, 3.0]]))


def test_nothing_to_look_at_loads_nothing(tmp_path: Path) -> None:
    nowhere = depth(tmp_path / "not there")
    assert nowhere.maps(pictures(0)) == []
    with pytest.raises(CheckpointError, match=r"not there is no folder and no hub id.*dpt-hybrid-midas"):
        nowhere.maps(pictures(1))


def test_the_digest_names_the_weights_and_nothing_that_changes_no_number(
    folder: Path, tmp_path: Path
) -> None:
    same = depth(folder).digest()
    assert depth(folder, batch_size=3, rest="host").digest() == same
    assert depth(tiny.save(tmp_path, seed=1)).digest() != same


def test_coarser_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="float32, got dtype=float16"):
        DepthSettings(place=Placement(dtype="float16"))


def without(folder: Path, made: Path, part: str) -> int:
    """Writes the checkpoint without the weights whose names hold this; returns how many there were."""
    state = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in state.items() if part not in name}
    save_file(kept, made / "model.safetensors", metadata={"format": "pt"})
    (made / "config.json").write_bytes((folder / "config.json").read_bytes())
    return len(state) - len(kept)


def test_a_checkpoint_may_lack_the_layer_that_never_runs(folder: Path, tmp_path: Path) -> None:
    """Those that were converted from MiDaS do; what transformers makes up for it changes no map."""
    assert without(folder, tmp_path, "fusion_stage.layers.0.residual_layer1.") == 4
    assert np.array_equal(depth(tmp_path).maps(pictures(1)), depth(folder).maps(pictures(1)))


@pytest.mark.parametrize("part", ["head.head.0.", "fusion_stage.layers.1.residual_layer1."])
def test_a_checkpoint_that_lacks_anything_else_is_refused(folder: Path, tmp_path: Path, part: str) -> None:
    assert without(folder, tmp_path, part) > 0
    with pytest.raises(CheckpointError, match=part.replace(".", r"\.")):
        depth(tmp_path).maps(pictures(1))
