"""The CLIP scorers against other people's code and independent formulas: converter, pixels, whole scores.

The weights are random and tiny; what is shown is architecture, names, preparation and formula, not the scores
of the published weights.
"""

from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Module
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from tessera.scorers.clip.load import load_clip
from tessera.scorers.clip.openclip import build, sizes_of
from tessera.scorers.clip.pixels import prepared
from tessera.scorers.clip.settings import HPS, Aesthetic, ClipScore, PickScore
from tessera.scorers.pictures import CLIP_MEAN, CLIP_STD
from tests.unit.scorers.clip import reference
from tests.unit.scorers.clip.tiny import (
    CODES,
    END,
    START,
    TEXTS,
    Library,
    pictures,
    prompts,
    random_clip,
    real_pictures,
)

SHAPES = [(28, 28), (31, 28), (28, 31), (40, 57), (71, 33), (16, 20), (20, 47)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Returns tiny weights as published."""
    return Library(tmp_path_factory.mktemp("library"))


def ids(*texts: str) -> Tensor:
    """Returns rows of codes, padded with 0, written by hand as words of codes."""
    rows = [[CODES[START], *(CODES[code] for code in text.split()), CODES[END]] for text in texts]
    return torch.tensor([row + [0] * (reference.WINDOW - len(row)) for row in rows])


def pooled(output: Any) -> Tensor:
    """Returns the projected features in an answer of transformers, whose types leave it open."""
    return output.pooler_output


# The codes of TEXTS, by hand: "red" and "cat" are made by merges, everything else is single characters.
CODED = (
    "a</w> red</w> cat</w>",
    "red</w>",
    "a</w> cat</w> o n</w> a</w> cat</w>",
    "red</w> " * 10,  # cut: the window is 12, the last is the end token
    "a</w> red</w> cat</w>",
)


def cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns Keys' kernel with a = −1/2, as in PIL."""
    x = np.abs(x)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def smoothing(size: int, new: int) -> NDArray[np.float64]:
    """Returns the matrix that resizes a line: the kernel widened by the scale where pixels become fewer."""
    scale = size / new
    wide = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale
    weights = cubic((np.arange(size)[None] + 0.5 - centres[:, None]) / wide)
    return weights / weights.sum(1, keepdims=True)


def hps_pixels(image_HWC: NDArray[np.uint8], side: int) -> NDArray[np.float64]:
    """Returns HPSv2's preparation by formula: smoothed resize in [0, 1], middle square, CLIP's mean."""
    height, width, _ = image_HWC.shape
    short = min(height, width)
    new_height = side if height == short else int(side * height / short)
    new_width = side if width == short else int(side * width / short)
    x = image_HWC.astype(np.float64) / 255
    x = np.tensordot(smoothing(height, new_height), x, axes=(1, 0))
    x = np.tensordot(x, smoothing(width, new_width), axes=(1, 1)).transpose(0, 2, 1)
    top, left = round((new_height - side) / 2), round((new_width - side) / 2)
    x = x[top : top + side, left : left + side]
    return ((x - CLIP_MEAN) / CLIP_STD).transpose(2, 0, 1)


@pytest.mark.parametrize("heads", [None, 4])
def test_openclip_weights_give_the_same_features_in_the_native_class(heads: int | None) -> None:
    state = {name: value.double() for name, value in reference.random_state(len(CODES)).items()}
    sizes = sizes_of(state, "here")
    if heads is not None:
        sizes = replace(
            sizes, vision=replace(sizes.vision, heads=heads), text=replace(sizes.text, heads=heads)
        )
    clip = build(state, sizes, "here")
    Module.to(clip, torch.float64)  # so that a wrong constant is told from rounding
    pixels = torch.randn(3, 3, 28, 28, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    coded = ids(*CODED)
    with torch.no_grad():
        seen = pooled(clip.get_image_features(pixel_values=pixels))
        read = pooled(clip.get_text_features(input_ids=coded))
    expected_seen = reference.image_feature(state, pixels, heads=heads or 2)
    expected_read = reference.text_feature(state, coded, heads=heads or 1)
    torch.testing.assert_close(seen, expected_seen, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(read, expected_read, rtol=1e-9, atol=1e-9)
    # The comparison sees what it should: other heads are far away.
    assert (reference.image_feature(state, pixels, heads=8) - expected_seen).abs().max() > 1e-2
    assert (reference.text_feature(state, coded, heads=8) - expected_read).abs().max() > 1e-2


def test_the_large_vision_tower_has_sixteen_heads_of_80() -> None:
    state = reference.random_state(len(CODES), vision=1280, text=64, inner=8)
    sizes = sizes_of(state, "here")
    assert (sizes.vision.heads, sizes.text.heads) == (16, 1)
    pixels = torch.randn(1, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        seen = pooled(build(state, sizes, "here").get_image_features(pixel_values=pixels))
    expected = reference.image_feature(state, pixels, heads=16)
    torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_resize_of_hps_is_the_smoothed_one_of_its_formula(shape: tuple[int, int]) -> None:
    images = pictures(2, *shape)
    expected = np.stack([hps_pixels(image, 28) for image in images])
    ours = prepared("tensor", images, 28).numpy()
    assert np.abs(ours - expected).max() < 1e-5


def test_pil_is_close_to_the_resized_tensor_on_real_pictures() -> None:
    worst, total, count = 0.0, 0.0, 0
    for image in real_pictures():
        ours = prepared("tensor", image[None], 224).numpy()[0]
        assert np.abs(ours - hps_pixels(image, 224)).max() < 1e-4  # float32
        pil = prepared("torchvision", image[None], 224).numpy()[0]
        apart = np.abs(ours - pil) * 255 * np.array(CLIP_STD)[:, None, None]
        worst, total, count = max(worst, apart.max()), total + apart.sum(), count + apart.size
    assert 0.2 < total / count < 0.35  # 0.28, and 2.1 at most: clamping and two roundings
    assert worst < 2.5


@pytest.mark.parametrize("shape", SHAPES)
def test_the_processor_of_pickscore_is_transformers(shape: tuple[int, int]) -> None:
    images = pictures(2, *shape)
    theirs = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})(
        list(images), return_tensors="pt"
    )["pixel_values"]
    torch.testing.assert_close(prepared("processor", images, 28), theirs, rtol=0, atol=1e-6)


def test_the_two_croppings_part_where_an_odd_margin_is_halved() -> None:
    images = pictures(1, 31, 28)  # a margin of 3: torchvision leaves 2 above, transformers 1
    whole = prepared("torchvision", pictures(1, 31, 28)[:, 2:30], 28)
    assert torch.equal(prepared("torchvision", images, 28), whole)
    assert torch.equal(prepared("processor", images, 28), prepared("processor", images[:, 1:29], 28))
    assert not torch.equal(whole, prepared("processor", images, 28))


def test_pil_pipelines_agree_with_transformers_on_real_pictures() -> None:
    for image in real_pictures():
        theirs = CLIPImageProcessorPil()(image, return_tensors="pt")["pixel_values"]
        for pipeline in ("processor", "torchvision"):
            torch.testing.assert_close(prepared(pipeline, image[None], 224), theirs, rtol=0, atol=1e-6)


def test_hps_is_the_cosine_of_the_official_layout_and_preparation(library: Library) -> None:
    images = pictures(5)
    scorer = load_clip(HPS(weights=library.path("hps"), tokenizer=library.path("tokenizer")))
    scores = scorer.score(prompts(*TEXTS), images)
    pixels = torch.from_numpy(np.stack([hps_pixels(image, 28) for image in images])).float()
    seen = reference.image_feature(library.hps, pixels, heads=2)
    read = reference.text_feature(library.hps, ids(*CODED), heads=1)
    torch.testing.assert_close(scores.value_B, reference.cosine(seen, read), rtol=0, atol=1e-5)
    assert scores.reasons == ("",) * 5
    assert scores.value_B.std() > 0.02  # they are not all alike


def scaled_cosines(clip: CLIPModel, tokenizer: CLIPTokenizer, images: NDArray[np.uint8]) -> Tensor:
    """Returns what transformers' own pipeline gives: its processor, its padding, its pooling, its logits."""
    processor = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    text = tokenizer(
        list(TEXTS), padding=True, truncation=True, max_length=reference.WINDOW, return_tensors="pt"
    )
    with torch.no_grad():
        logits = clip(**text, **processor(list(images), return_tensors="pt")).logits_per_image
    return logits.diagonal().double()


def own_tokenizer(folder: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def test_pickscore_is_what_the_model_of_transformers_says(library: Library) -> None:
    images = pictures(5, 60, 47)
    scorer = load_clip(PickScore(weights=library.path("pickscore"), tokenizer=library.path("tokenizer")))
    scores = scorer.score(prompts(*TEXTS), images)
    theirs = scaled_cosines(library.pickscore, own_tokenizer(library.folder / "tokenizer"), images)
    torch.testing.assert_close(scores.value_B, theirs, rtol=1e-5, atol=1e-4)
    assert scores.value_B.abs().max() > 1  # scaled by 100


def test_clipscore_is_the_same_without_the_scale(library: Library) -> None:
    images = pictures(5, 28, 28)
    scores = load_clip(ClipScore(weights=library.path("clip"))).score(prompts(*TEXTS), images)
    theirs = scaled_cosines(library.clip, own_tokenizer(library.folder / "clip"), images) / 100
    torch.testing.assert_close(scores.value_B, theirs, rtol=0, atol=1e-6)
    assert (scores.value_B < 0).any()  # nothing is clipped


def test_the_activation_comes_from_the_configuration(library: Library, tmp_path: Path) -> None:
    images, asked = pictures(5, 28, 28), prompts(*TEXTS)
    quick = load_clip(ClipScore(weights=library.path("clip"))).score(asked, images)
    random_clip(seed=2, act="gelu").save_pretrained(tmp_path)
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).write_bytes((library.folder / "clip" / name).read_bytes())
    plain = load_clip(ClipScore(weights=str(tmp_path))).score(asked, images)
    assert (quick.value_B - plain.value_B).abs().max() > 1e-3


def test_the_aesthetic_mark_is_one_affine_map_of_the_unit_feature(library: Library) -> None:
    images = pictures(5)
    weights = [value.double().numpy() for key, value in library.head.items() if key.endswith("weight")]
    biases = [value.double().numpy() for key, value in library.head.items() if key.endswith("bias")]
    direction = reduce(lambda made, weight: weight @ made, weights)[0]
    constant = reduce(
        lambda made, layer: layer[0] @ made + layer[1], zip(weights, biases, strict=True), 0 * direction
    )
    with torch.no_grad():
        pixels = prepared("torchvision", images, 28)
        seen = pooled(library.clip.get_image_features(pixel_values=pixels)).double().numpy()
    expected = (seen / np.linalg.norm(seen, axis=1, keepdims=True)) @ direction + constant[0]
    scorer = load_clip(Aesthetic(weights=library.path("head"), backbone=library.path("clip")))
    scores = scorer.score(prompts(*TEXTS), images)
    assert np.abs(scores.value_B.numpy() - expected).max() < 1e-5
    assert np.ptp(expected) > 0.01
