"""A checkpoint is found, read whole, or refused with what is wrong with it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tessera.errors import CheckpointError
from tessera.hub import Home
from tessera.scorers.detection.unidet import load
from tessera.scorers.detection.unidet.load import find, read
from tests.unit.scorers.detection.unidet import tiny

BACKBONES = ("r50", "rs200")
FILE = "Unified_learned_OCIM_RS200_6x+2x.pth"


def save(path: Path, content: Any) -> Path:
    torch.save(content, path)  # noqa: TID251 - makes the file that is read
    return path


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_weight_of_a_file_is_in_its_place(tmp_path: Path, backbone: str) -> None:
    model = read(tiny.save(tmp_path, backbone), tiny.DESIGNS[backbone])
    expected, filled = tiny.state(backbone), model.state_dict()
    assert filled.keys() == expected.keys()
    assert all(torch.equal(filled[name], value) for name, value in expected.items())


def test_counters_of_training_are_left_out(tmp_path: Path) -> None:
    counter = {"backbone.fpn_lateral3.norm.num_batches_tracked": torch.tensor(7)}
    path = save(tmp_path / FILE, {"model": tiny.state("rs200") | counter})
    assert not any("num_batches" in name for name in read(path, tiny.DESIGNS["rs200"]).state_dict())


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_missing_weight_is_named(tmp_path: Path, backbone: str) -> None:
    state = tiny.state(backbone)
    del state["roi_heads.box_predictor.2.bbox_pred.bias"]
    with pytest.raises(CheckpointError, match=r"box_predictor\.2\.bbox_pred\.bias has shape none"):
        read(save(tmp_path / FILE, {"model": state}), tiny.DESIGNS[backbone])


def test_a_weight_without_a_place_is_named(tmp_path: Path) -> None:
    """A file of the detector with a list of classes for each data set has such ones."""
    more = {"roi_heads.box_predictor.0.cls_score.0.weight": torch.zeros(3, 16)}
    with pytest.raises(CheckpointError, match=r"cls_score\.0\.weight has shape \(3, 16\)"):
        read(save(tmp_path / FILE, {"model": tiny.state("r50") | more}), tiny.DESIGNS["r50"])


def test_a_file_of_the_other_backbone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="another model"):
        read(tiny.save(tmp_path, "r50"), tiny.DESIGNS["rs200"])


# Older files repeat numbers of their configuration; some of them, by hand.
REPEATED = {
    "pixel_mean": torch.tensor([103.53, 116.28, 123.675]).view(3, 1, 1),
    "pixel_std": torch.ones(3, 1, 1),
    "proposal_generator.anchor_generator.cell_anchors.0": torch.tensor(
        [
            [-22.6274, -11.3137, 22.6274, 11.3137],
            [-16.0, -16.0, 16.0, 16.0],
            [-11.3137, -22.6274, 11.3137, 22.6274],
            [-28.5088, -14.2544, 28.5088, 14.2544],
            [-20.1587, -20.1587, 20.1587, 20.1587],
            [-14.2544, -28.5088, 14.2544, 28.5088],
            [-35.9188, -17.9594, 35.9188, 17.9594],
            [-25.3984, -25.3984, 25.3984, 25.3984],
            [-17.9594, -35.9188, 17.9594, 35.9188],
        ]
    ),
}


def test_numbers_that_a_file_repeats_must_be_those_used_here(tmp_path: Path) -> None:
    state, design = tiny.state("r50"), tiny.DESIGNS["r50"]
    read(save(tmp_path / FILE, {"model": state | REPEATED}), design)
    for name, value in REPEATED.items():
        path = save(tmp_path / FILE, {"model": state | REPEATED | {name: value + 0.5}})
        with pytest.raises(CheckpointError, match=rf"{name} is \["):
            read(path, design)


def test_a_file_that_holds_more_than_tensors_is_not_read(tmp_path: Path) -> None:
    """Not even NumPy's arrays: torch reads those only where told to trust them."""
    state = {name: value.numpy() for name, value in tiny.state("r50").items()}
    with pytest.raises(CheckpointError, match="holds more than weights, and is not read"):
        read(save(tmp_path / FILE, {"model": state}), tiny.DESIGNS["r50"])
    with pytest.raises(CheckpointError, match="holds more than weights, and is not read"):
        read(save(tmp_path / FILE, {"model": {}, "when": np.datetime64("2021-06-01")}), tiny.DESIGNS["r50"])


def test_weights_are_a_file_or_its_folder_or_t2i_compbenchs(tmp_path: Path) -> None:
    inner = tmp_path / "expert_weights"
    inner.mkdir()
    file = inner / FILE
    file.touch()
    for given in (file, inner, tmp_path):
        assert find("rs200", str(given)) == file
    renamed = tmp_path / "renamed.pth"
    renamed.touch()
    assert find("r50", str(renamed)) == renamed


def test_what_is_not_there_is_named_with_where_to_get_it(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    with pytest.raises(CheckpointError, match=r"OCIM_R50_6x\+2x\.pth.*no folder with it.*T2I-CompBench"):
        find("r50", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"OCIM_R50_6x\+2x\.pth.*not on the hub.*weights=PATH"):
        find("r50", None)
    with pytest.raises(CheckpointError, match=r"OCIM_RS200_6x\+2x\.pth.*huggingface\.co/shikunl/prismer"):
        find("rs200", str(tmp_path / "elsewhere"))


def test_rs200_comes_from_the_hub_unless_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Home] = []

    def locate(home: Home, given: str | None, setting: str) -> Path:
        asked.append(home)
        return tmp_path

    monkeypatch.setattr(load, "locate", locate)
    assert find("rs200", None) == tmp_path / "expert_weights" / FILE
    assert [(home.repo, home.files) for home in asked] == [("shikunl/prismer", (f"expert_weights/{FILE}",))]
