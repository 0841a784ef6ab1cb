"""Our Mask2Former against an independent one in plain torch, in OpenMMLab's layout, and transformers' own.

No published checkpoint was at hand: the weights are random and the networks tiny, so this shows that the
layouts, the picture's way in and the objects' way out are right, not published numbers.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tessera.hub import fill
from tessera.scorers.detection.mask2former.convert import converted, sizes
from tessera.scorers.detection.mask2former.detector import Mask2Former
from tessera.scorers.detection.mask2former.model import Mask2FormerNetwork
from tessera.scorers.detection.mask2former.picture import prepared
from tests.unit.scorers.detection import mask2former_by_hand as by_hand
from tests.unit.scorers.detection.mask2former_drawn import Sizes, State, drawn
from tests.unit.scorers.detection.mask2former_mmdet import forward

TINY = Sizes()
OTHER = Sizes(
    depths=(1, 3, 2, 1), heads=(2, 1, 4, 2), window=4, attention=8, pixel_layers=1, query_layers=3, queries=5
)
CASES = [(TINY, (64, 96)), (TINY, (96, 32)), (OTHER, (64, 64)), (OTHER, (128, 96))]


def network(state: State, dtype: torch.dtype) -> Mask2FormerNetwork:
    """Returns our network with these weights of OpenMMLab's layout."""
    made = converted(state, "here")
    empty = Mask2FormerNetwork(sizes(made, "here"))
    return fill(empty.double() if dtype == torch.float64 else empty, made, "here").eval()


def noise(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize(("tiny", "size"), CASES)
def test_converted_weights_compute_the_same_in_float64(tiny: Sizes, size: tuple[int, int]) -> None:
    state, pixels = drawn(tiny), noise(2, 3, *size)
    with torch.no_grad():
        classes, masks = network(state, torch.float64)(pixels)
        expected_classes, expected_masks = forward(state, tiny, pixels)
    assert 0.05 < (expected_masks > 0).double().mean() < 0.95
    assert expected_masks.abs().max() > 10
    assert (classes - expected_classes).abs().max() < 1e-10
    assert (masks - expected_masks).abs().max() < 1e-10


def test_converted_weights_compute_the_same_in_float32() -> None:
    state, pixels = drawn(TINY), noise(1, 3, 64, 96)
    with torch.no_grad():
        classes, masks = network({key: _single(value) for key, value in state.items()}, torch.float32)(
            pixels.float()
        )
        expected_classes, expected_masks = forward(state, TINY, pixels)
    assert (classes - expected_classes).abs().max() < 1e-4
    assert (masks - expected_masks).abs().max() < 1e-3  # of up to 40


def _single(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value


def test_every_weight_of_the_independent_one_matters() -> None:
    """Else a weight in the wrong place could pass unseen."""
    state = {
        key: value.clone().requires_grad_(value.is_floating_point()) for key, value in drawn(TINY).items()
    }
    classes, masks = forward(state, TINY, noise(1, 3, 64, 96))
    (noise(*classes.shape) * classes).sum().backward(retain_graph=True)
    (noise(*masks.shape) * masks).sum().backward()
    slopes = {key: value.grad for key, value in state.items() if value.requires_grad}
    assert [key for key, slope in slopes.items() if slope is None or not slope.abs().max() > 1e-6] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("backbone.stages.1.downsample.norm.weight", "backbone.stages.1.downsample.norm.bias"),
        ("panoptic_head.query_embed.weight", "panoptic_head.query_feat.weight"),
        ("panoptic_head.level_embed.weight", "panoptic_head.pixel_decoder.level_encoding.weight"),
        ("panoptic_head.mask_embed.0.weight", "panoptic_head.mask_embed.2.weight"),
        (
            "panoptic_head.transformer_decoder.layers.1.norms.0.weight",
            "panoptic_head.transformer_decoder.layers.1.norms.1.weight",
        ),
        (
            "panoptic_head.transformer_decoder.layers.1.attentions.0.attn.in_proj_weight",
            "panoptic_head.transformer_decoder.layers.1.attentions.1.attn.in_proj_weight",
        ),
    ],
)
def test_two_weights_changed_about_are_seen(one: str, other: str) -> None:
    state, pixels = drawn(TINY), noise(1, 3, 64, 96)
    with torch.no_grad():
        masks = network(state | {one: state[other], other: state[one]}, torch.float64)(pixels)[1]
        assert (masks - forward(state, TINY, pixels)[1]).abs().max() > 1e-3


@pytest.mark.parametrize("window", [3, 4, 7])
def test_the_pairs_of_a_window_are_counted_alike(window: int) -> None:
    state = drawn(replace(TINY, window=window))
    model = network(state, torch.float64)
    block = model.model.pixel_level_module.encoder.swin.encoder.layers[1].blocks[0]
    theirs = state["backbone.stages.1.blocks.0.attn.w_msa.relative_position_index"].flatten()
    assert (block.attention.relative_position_bias.relative_position_index == theirs).all()


# --- the whole way -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", by_hand.SIZES)
def test_objects_by_openmmlabs_weights_are_those_worked_out(tmp_path: Path, size: tuple[int, int]) -> None:
    state, image = drawn(TINY), by_hand.picture(*size)
    file = by_hand.save_state(tmp_path / "weights.safetensors", state)
    [ours] = Mask2Former(by_hand.settings(file)).segment(image[None])
    pixels, inner = prepared(image, by_hand.SHORT, by_hand.LONGEST)
    single = {key: _single(value).to(value.dtype) for key, value in state.items()}
    with torch.no_grad():
        classes, masks = forward(single, TINY, pixels.double())
    padded = (pixels.shape[2], pixels.shape[3])
    by_hand.check(ours, by_hand.decoded(classes[0].numpy(), masks[0].numpy(), padded, inner, size))


def test_a_torch_file_as_openmmlab_publishes_it_is_read(tmp_path: Path) -> None:
    state = {key: _single(value) for key, value in drawn(TINY).items()}
    image = by_hand.picture(50, 70)[None]
    told = {"CLASSES": ("person", "bicycle"), "epoch": 50, "time": "Wed May  4 00:17:56 2022"}
    torch.save({"meta": told, "state_dict": state}, tmp_path / "weights.pth")  # noqa: TID251 - what is read
    file = by_hand.save_state(tmp_path / "weights.safetensors", state)
    rows = [
        Mask2Former(by_hand.settings(each)).segment(image)[0] for each in (tmp_path / "weights.pth", file)
    ]
    assert [(each.index, each.score) for each in rows[0]] == [(each.index, each.score) for each in rows[1]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return by_hand.save(tmp_path_factory.mktemp("hf"))


@pytest.mark.parametrize("size", by_hand.SIZES)
def test_objects_are_those_worked_out_from_transformers_own_numbers(
    folder: Path, size: tuple[int, int]
) -> None:
    image = by_hand.picture(*size)
    [ours] = Mask2Former(by_hand.settings(folder)).segment(image[None])
    pixels, inner = prepared(image, by_hand.SHORT, by_hand.LONGEST)
    with torch.no_grad():
        seen = by_hand.model()(pixel_values=pixels)
    classes, masks = seen.class_queries_logits[0].numpy(), seen.masks_queries_logits[0].numpy()
    assert 0 < (masks > 0).mean() < 1
    padded = (pixels.shape[2], pixels.shape[3])
    by_hand.check(ours, by_hand.decoded(classes, masks, padded, inner, size))


def test_a_checkpoint_as_transformers_4_saved_it_is_read_whole(folder: Path, tmp_path: Path) -> None:
    """The published one: Swin's older names, its tables of pairs, the loss, and no norm at Swin's end."""
    encoder, state = "model.pixel_level_module.encoder.", {}
    for key, value in by_hand.model().state_dict().items():
        if key.startswith(f"{encoder}swin.layernorm."):
            continue
        if key.startswith(encoder):
            key = key.replace(".encoder.swin.", ".encoder.").replace(".relative_position_bias.", ".self.")
            for new, old in (("q_proj", "self.query"), ("k_proj", "self.key"), ("v_proj", "self.value")):
                key = key.replace(f"attention.{new}", f"attention.{old}")
            key = key.replace("attention.o_proj", "attention.output.dense")
            key = key.replace("mlp.fc1", "intermediate.dense").replace("mlp.fc2", "output.dense")
        if key.endswith("self.relative_position_bias_table"):
            state[key.replace("bias_table", "index")] = torch.zeros(9, 9, dtype=torch.long)
        state[key] = value.clone()
    assert f"{encoder}encoder.layers.2.blocks.1.attention.self.query.weight" in state
    assert "criterion.empty_weight" in state
    assert not any(re.search(r"\.swin\.|_proj\.|mlp\.", key) for key in state if key.startswith(encoder))
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    image = by_hand.picture(50, 70)[None]
    rows = [Mask2Former(by_hand.settings(each)).segment(image)[0] for each in (folder, tmp_path)]
    assert [(each.index, each.score) for each in rows[0]] == [(each.index, each.score) for each in rows[1]]
