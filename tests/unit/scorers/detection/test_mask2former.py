"""GenEval's detector as an instrument: which one it is, what it refuses, and that rows stand alone."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import Conv2d, Module
from torch.nn.modules.module import register_module_forward_pre_hook

from tessera.config import from_plain, to_plain
from tessera.errors import CheckpointError, UserError
from tessera.scorers.detection.mask2former.detector import Mask2Former
from tessera.scorers.detection.mask2former.names import OBJECT_NAMES
from tessera.scorers.detection.mask2former.settings import PUBLISHED, Mask2FormerSettings
from tessera.scorers.placed import Placement
from tests.outside import outside
from tests.unit.scorers.detection.mask2former_by_hand import picture, save, save_state, settings
from tests.unit.scorers.detection.mask2former_drawn import Sizes, drawn


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("mask2former"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("mmdet") / "weights.safetensors"
    return save_state(where, drawn(Sizes()))


# --- the classes -------------------------------------------------------------------------------------------


def test_the_names_are_genevals() -> None:
    assert tuple(outside("geneval/object_names.txt").read_text().split("\n")[:80]) == OBJECT_NAMES


def test_the_names_are_80_and_stand_where_coco_has_them() -> None:
    """COCO's own names of 64 to 66 are mouse, remote and keyboard; elsewhere the lists agree."""
    assert len(OBJECT_NAMES) == len(set(OBJECT_NAMES)) == 80
    known = {0: "person", 15: "cat", 32: "sports ball", 39: "bottle", 56: "chair", 79: "toothbrush"}
    known |= {64: "computer mouse", 65: "tv remote", 66: "computer keyboard"}
    assert {index: OBJECT_NAMES[index] for index in known} == known


# --- which of the two --------------------------------------------------------------------------------------


def test_the_label_says_whose_weights_they_are(tmp_path: Path) -> None:
    assert Mask2FormerSettings().label == "GenEval (HF detector)"
    assert Mask2FormerSettings(weights="someone/mask2former").label == "GenEval (HF detector)"
    assert Mask2FormerSettings(weights=str(tmp_path)).label == "GenEval (HF detector)"
    for name in PUBLISHED:
        (tmp_path / name).touch()
        assert Mask2FormerSettings(weights=str(tmp_path)).label == "GenEval"
        assert Mask2FormerSettings(weights=str(tmp_path / name)).exact
        (tmp_path / name).unlink()


def test_the_digest_says_whose_weights_they_are_and_all_that_changes_numbers(
    folder: Path, file: Path
) -> None:
    first = Mask2Former(settings(folder)).digest()
    assert "-hf-" in first
    assert "-mmdet-" in Mask2Former(settings(file)).digest()
    assert first == Mask2Former(settings(folder)).digest()
    assert first != Mask2Former(settings(folder, short=48)).digest()
    elsewhere = Mask2FormerSettings(
        weights=str(folder), short=64, longest=107, place=Placement(device="cpu", batch_size=1)
    )
    assert first == Mask2Former(elsewhere).digest()


def test_the_digest_changes_with_the_weights(folder: Path, tmp_path: Path) -> None:
    assert Mask2Former(settings(save(tmp_path, seed=1))).digest() != Mask2Former(settings(folder)).digest()


def test_settings_are_plain_data() -> None:
    made = Mask2FormerSettings(weights="x.pth", short=640)
    assert from_plain(Mask2FormerSettings, to_plain(made), where="here") == made


# --- what is seen ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["hf", "mmdet"])
def test_a_row_does_not_depend_on_its_neighbours(folder: Path, file: Path, layout: str) -> None:
    detector = Mask2Former(settings(folder if layout == "hf" else file))
    images = np.stack([picture(50, 70, seed) for seed in range(3)])
    together = detector.segment(images)
    for image, row in zip(images, together, strict=True):
        [alone] = detector.segment(image[None])
        assert [(a.index, a.score, a.box) for a in alone] == [(b.index, b.score, b.box) for b in row]
        assert all((a.mask_HW == b.mask_HW).all() for a, b in zip(alone, row, strict=True))
        assert all(a.mask_HW.shape == (50, 70) for a in alone)


def test_another_picture_is_seen_otherwise(folder: Path) -> None:
    """Else the test above would hold for a detector that never looks."""
    one, other = Mask2Former(settings(folder)).segment(np.stack([picture(50, 70, seed) for seed in (0, 1)]))
    assert [each.score for each in one] != [each.score for each in other]


def test_convolutions_are_told_to_compute_in_float32(folder: Path) -> None:
    """On a GPU they would not; and whoever computes next finds the setting as it was."""
    told: list[bool] = []

    def look(module: Module, _: object) -> None:
        if isinstance(module, Conv2d):
            told.append(torch.backends.cudnn.allow_tf32)

    before = torch.backends.cudnn.allow_tf32
    hook = register_module_forward_pre_hook(look)
    try:
        Mask2Former(settings(folder)).segment(picture(50, 70)[None])
    finally:
        hook.remove()
    assert len(told) == 7  # patches, three levels, the fine one's two, and the masks' own
    assert not any(told)
    assert torch.backends.cudnn.allow_tf32 == before


def test_no_pictures_give_no_rows(tmp_path: Path) -> None:
    assert Mask2Former(settings(tmp_path / "x.pth")).segment(np.zeros((0, 8, 8, 3), dtype=np.uint8)) == []


# --- what is refused ---------------------------------------------------------------------------------------


def test_coarser_numbers_and_odd_sizes_are_refused_when_the_settings_are_read() -> None:
    with pytest.raises(UserError, match="float32, got dtype=bfloat16"):
        Mask2FormerSettings(place=Placement(dtype="bfloat16"))
    with pytest.raises(UserError, match="short must lie between 32 and longest=1333, got 1400"):
        Mask2FormerSettings(short=1400)
    with pytest.raises(UserError, match="got 16"):
        Mask2FormerSettings(short=16)


def test_a_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"is no file; get GenEval's detector from https://download\.openmm"
    ):
        Mask2Former(settings(tmp_path / "mask2former.pth")).digest()


def test_a_folder_without_weights_says_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"lacks config\.json.*facebook/mask2former-swin-small-coco-instance"
    ):
        Mask2Former(settings(tmp_path)).digest()


def refused(file: Path, match: str) -> None:
    with pytest.raises(CheckpointError, match=match) as caught:
        Mask2Former(settings(file)).segment(picture(50, 70)[None])
    assert "\n" not in str(caught.value)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    refused(
        save_state(tmp_path / "other.safetensors", {"backbone.conv1.weight": torch.zeros(3)}),
        r"lacks panoptic_head\.query_feat\.weight: these are no weights of OpenMMLab's Mask2Former",
    )


@pytest.mark.parametrize(
    ("key", "match"),
    [
        ("backbone.patch_embed.projection.weight", "patch_embeddings.projection.weight is missing"),
        ("backbone.stages.1.downsample.norm.bias", r"layers\.1\.downsample\.norm\.bias has shape none"),
        ("backbone.norm2.weight", r"hidden_states_norms\.stage3\.weight has shape none"),
        (
            "panoptic_head.transformer_decoder.layers.2.attentions.1.attn.in_proj_bias",
            r"k_proj\.bias has shape none",
        ),
        ("panoptic_head.cls_embed.weight", "class_predictor.weight is missing"),
    ],
)
def test_a_weight_that_lacks_is_named(file: Path, tmp_path: Path, key: str, match: str) -> None:
    state = load_file(file)
    del state[key]
    refused(save_state(tmp_path / "part.safetensors", state), match)


def test_a_weight_too_many_is_named(file: Path, tmp_path: Path) -> None:
    state = load_file(file) | {"panoptic_head.extra.weight": torch.zeros(3)}
    refused(
        save_state(tmp_path / "more.safetensors", state), r"panoptic_head\.extra\.weight has shape \(3,\)"
    )


def test_weights_of_another_task_are_refused(tmp_path: Path) -> None:
    file = save_state(tmp_path / "panoptic.safetensors", drawn(Sizes(classes=133)))
    refused(file, "knows 133 classes, GenEval asks for the 80 of COCO")
    refused(save(tmp_path / "hf", classes=133), "knows 133 classes")


def test_a_folder_whose_weights_lack_one_is_refused(folder: Path, tmp_path: Path) -> None:
    state = load_file(folder / "model.safetensors")
    del state["class_predictor.bias"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    refused(tmp_path, r"lacks class_predictor\.bias")


def test_damaged_weights_are_no_measurement(file: Path, tmp_path: Path) -> None:
    state = load_file(file)
    state["panoptic_head.cls_embed.bias"] = torch.full((81,), math.nan)
    refused(save_state(tmp_path / "nan.safetensors", state), "gives no numbers: its weights are damaged")
