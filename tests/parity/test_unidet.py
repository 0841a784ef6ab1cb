"""UniDet against a second, slow implementation over weights named by detectron2, and transformers' ResNet.

Weights are tiny and random, with the published names: no published checkpoint was at hand, so this shows the
arithmetic and the names, not published numbers. By hand, outside these tests: our ResNeSt-200 gave the same
bits as its authors' own (PyPI resnest 0.0.5, random weights), our averages of boxes within a map were within
2e-6 of torchvision 0.29's own Python, and the sizes of pictures equal to torchvision's.
"""

import json

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import ResNetConfig, ResNetModel

from tessera.hub import fill
from tessera.scorers.detection.unidet.cascade import chosen
from tessera.scorers.detection.unidet.design import DESIGNS
from tessera.scorers.detection.unidet.labels import label, labels
from tessera.scorers.detection.unidet.model import UniDetModel
from tessera.scorers.detection.unidet.resnet import resnet
from tests.outside import outside
from tests.unit.scorers.detection.unidet import tiny
from tests.unit.scorers.detection.unidet.names import PUBLISHED
from tests.unit.scorers.detection.unidet.slow import Slow

BACKBONES = ("r50", "rs200")


def pixels(height: int, width: int, seed: int = 0) -> Tensor:
    """Returns a picture with smooth and sharp parts, as bytes in floats."""
    random = np.random.default_rng(seed)
    image_3HW = random.integers(0, 256, (3, height, width)).astype(np.float32)
    image_3HW[:, : height // 2] = np.linspace(0, 255, width, dtype=np.float32).round()
    return torch.from_numpy(image_3HW)


def compare(backbone: str, height: int, width: int, dtype: torch.dtype, apart: float) -> None:
    """Holds the detections in a picture of this size against the slow ones; both come best first."""
    state, picture = tiny.state(backbone), pixels(height, width).to(dtype)
    places, expected = Slow(backbone, state).detect(picture)
    assert 200 < len(places) <= 1000
    assert 100 < len(expected) <= 300
    assert len({label for _, _, label in expected}) >= 3  # of five
    model = fill(UniDetModel(tiny.DESIGNS[backbone]), state, "tiny").eval().to(dtype)
    with torch.inference_mode():
        boxes_M4, scores_M, class_M = chosen(*model(picture))
    assert class_M.tolist() == [label for _, _, label in expected]
    assert scores_M.tolist() == pytest.approx([score for _, score, _ in expected], abs=apart)
    assert boxes_M4.numpy() == pytest.approx(np.array([box for box, _, _ in expected]), abs=100 * apart)


@pytest.mark.parametrize(
    ("backbone", "height", "width"),
    [
        ("r50", 70, 100),
        ("rs200", 70, 100),
        ("rs200", 131, 118),
        ("r50", 131, 118),
        # More than a thousand places on a map, and boxes from more than one.
        pytest.param("r50", 330, 300, marks=pytest.mark.slow),
    ],
)
def test_detections_are_those_of_the_slow_implementation(backbone: str, height: int, width: int) -> None:
    compare(backbone, height, width, torch.float64, apart=1e-10)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_in_float32_they_are_so_to_rounding(backbone: str) -> None:
    compare(backbone, 70, 100, torch.float32, apart=1e-4)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_names_and_shapes_of_the_published_sizes_are_detectron2s(backbone: str) -> None:
    with torch.device("meta"):
        model = UniDetModel(DESIGNS[backbone])  # pyright: ignore[reportArgumentType]
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == PUBLISHED[backbone]


@pytest.mark.parametrize(("backbone", "published"), [("r50", 25_557_032), ("rs200", 70_201_544)])
def test_the_backbones_have_as_many_weights_as_the_published_classifiers(
    backbone: str, published: int
) -> None:
    """torchvision's resnet50 and the authors' resnest200, less their last layer of 1000 classes."""
    with torch.device("meta"):
        model = UniDetModel(DESIGNS[backbone]).backbone.bottom_up  # pyright: ignore[reportArgumentType]
    trained = sum(value.numel() for name, value in model.state_dict().items() if ".running_" not in name)
    assert trained + 2048 * 1000 + 1000 == published


def test_the_resnet_is_transformers_with_its_stride_in_the_first_layer() -> None:
    sizes = ResNetConfig(
        embedding_size=8,
        hidden_sizes=[16, 32, 64, 128],
        depths=[1, 2, 1, 1],
        layer_type="bottleneck",
        downsample_in_bottleneck=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = ResNetModel(sizes).eval()
        for name, value in theirs.named_buffers():
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif name.endswith("running_mean"):
                value.normal_()
    state = {}
    for name, value in theirs.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        ours = name.replace("embedder.embedder.", "stem.conv1.").replace("encoder.stages.", "res")
        if ours.startswith("res"):
            stage, _, block, *rest = ours.split(".")
            conv = f"conv{int(rest[1]) + 1}" if rest[0] == "layer" else "shortcut"
            ours = ".".join(
                [f"res{int(stage[3:]) + 2}", block, conv, *rest[2 if rest[0] == "layer" else 1 :]]
            )
        state[ours.replace(".convolution.", ".").replace(".normalization.", ".norm.")] = value
    model = fill(resnet((1, 2, 1, 1), stem=8, width=4, outer=16), state, "transformers").eval()
    picture = torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        hidden = theirs(picture, output_hidden_states=True).hidden_states
        for maps, expected in zip(model(picture), hidden[-3:], strict=True):
            assert maps.shape == expected.shape
            assert (maps - expected).abs().max() < 1e-5


def test_the_labels_follow_from_unidets_own_file() -> None:
    told = json.loads(outside("unidet_labels/learned_mAP+M.json").read_text(encoding="utf-8"))
    assert [each["id"] for each in told["categories"]] == list(range(722))
    assert labels() == tuple(label(each["name"]) for each in told["categories"])


def test_a_third_of_the_spatial_prompts_name_an_object_that_is_no_label() -> None:
    """Of 300 validation prompts 100, by nine words, as a separate count found."""
    text = outside("t2i_compbench/dataset/spatial_val.txt").read_text(encoding="utf-8")
    people: dict[str, str] = dict.fromkeys(("girl", "boy", "man", "woman"), "person")
    places = ("on side of", "next to", "near", "on the left of", "on the right of")
    places += ("on the bottom of", "on the top of")
    prompts, lost, words = 0, 0, set()
    for line in filter(None, map(str.strip, text.splitlines())):
        sentence = line.rstrip(".").lower()
        place = next(each for each in places if f" {each} " in sentence)
        nouns = [
            part.split()[-2 if part.split()[-1] in ("is", "was") else -1]
            for part in sentence.split(f" {place} ")
        ]
        unknown = {people.get(noun, noun) for noun in nouns} - set(labels())
        prompts, lost, words = prompts + 1, lost + bool(unknown), words | unknown
    assert (prompts, lost) == (300, 100)
    assert words == {"mouse", "sofa", "table", "wallet", "bag", "painting", "cow", "phone", "computer"}
