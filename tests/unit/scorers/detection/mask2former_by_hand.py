"""A tiny Mask2Former in a folder, and its decoding pixel by pixel: what the instrument is compared with.

Axes: Q queries, K classes and "none", h w of the network's masks, H W of the picture as given.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy import ndarray
from safetensors.torch import save_file
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

from tessera.scorers.detection.mask2former.decode import Segment
from tessera.scorers.detection.mask2former.settings import Mask2FormerSettings
from tessera.scorers.placed import Placement

SHORT, LONGEST = 64, 107  # pixels, as 800 to 1333
SIZES = [(64, 64), (40, 56), (90, 30), (20, 100), (128, 97)]  # pictures: as they are, up, down, long


def settings(weights: Path | str | None, short: int = SHORT) -> Mask2FormerSettings:
    """Returns settings that see pictures small."""
    place = Placement(device="cpu")
    return Mask2FormerSettings(
        weights=None if weights is None else str(weights), short=short, longest=LONGEST, place=place
    )


def picture(height: int, width: int, seed: int = 0) -> ndarray:
    """Returns a picture with smooth and sharp parts."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image[: height // 2] = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None]
    return image


def model(seed: int = 0, classes: int = 80) -> Mask2FormerForUniversalSegmentation:
    """Returns transformers' class with random weights; some of its masks are large, some small."""
    backbone = SwinConfig(embed_dim=8, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 2], window_size=3)
    backbone.out_features = ["stage1", "stage2", "stage3", "stage4"]
    sizes = Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=64,
        mask_feature_size=32,
        hidden_dim=64,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=4,
        num_attention_heads=2,
        num_queries=6,
    )
    sizes.num_labels = classes
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = Mask2FormerForUniversalSegmentation(sizes)
        for weight in made.parameters():  # as made, all queries see the same
            weight.data += torch.randn_like(weight) * (
                0.3 if weight.dim() < 2 else 1 / math.sqrt(weight[0].numel())
            )
    return made.eval()


def save(folder: Path, seed: int = 0, classes: int = 80) -> Path:
    """Returns the folder, with a checkpoint in it as the hub has it."""
    model(seed, classes).save_pretrained(folder)
    return folder


def save_state(file: Path, state: dict[str, torch.Tensor]) -> Path:
    """Returns the file, with weights in it as they are used: float32."""
    save_file(
        {
            key: value.float() if value.is_floating_point() else value
            for key, value in ((key, value.contiguous()) for key, value in state.items())
        },
        file,
    )
    return file


def bilinear(maps_Qhw: ndarray, height: int, width: int) -> ndarray:
    """Returns maps at another size, half-pixel centres, one pixel after the other."""
    _, rows, columns = maps_Qhw.shape
    out = np.zeros((len(maps_Qhw), height, width))
    for y in range(height):
        row = min(max((y + 0.5) * rows / height - 0.5, 0), rows - 1)
        top, down = int(row), min(int(row) + 1, rows - 1)
        for x in range(width):
            column = min(max((x + 0.5) * columns / width - 0.5, 0), columns - 1)
            left, right = int(column), min(int(column) + 1, columns - 1)
            b, a = row - top, column - left
            upper = maps_Qhw[:, top, left] * (1 - a) + maps_Qhw[:, top, right] * a
            lower = maps_Qhw[:, down, left] * (1 - a) + maps_Qhw[:, down, right] * a
            out[:, y, x] = upper * (1 - b) + lower * b
    return out


def decoded(
    class_logits_QK: ndarray,
    mask_logits_Qhw: ndarray,
    padded: tuple[int, int],
    inner: tuple[int, int],
    given: tuple[int, int],
) -> list[tuple[int, float, tuple[float, ...], ndarray]]:
    """Returns class, score, box and the logits of the mask of the 100 likeliest, worked out in float64."""
    logits_QHW = bilinear(mask_logits_Qhw.astype(np.float64), *padded)
    logits_QHW = bilinear(logits_QHW[:, : inner[0], : inner[1]], *given)
    likely = []
    for query, row in enumerate(class_logits_QK.astype(np.float64)):
        powers = np.exp(row - row.max())
        likely += [(powers[index] / powers.sum(), query, index) for index in range(len(row) - 1)]
    found = []
    for probability, query, index in sorted(likely, key=lambda each: -each[0])[:100]:
        inside = [(y, x) for y, x in np.ndindex(given) if logits_QHW[query, y, x] > 0]
        values = [1 / (1 + math.exp(-logits_QHW[query, y, x])) for y, x in inside]
        ys, xs = [y for y, _ in inside], [x for _, x in inside]
        box = (min(xs), min(ys), max(xs) + 1, max(ys) + 1) if inside else (0, 0, 0, 0)
        score = probability * sum(values) / (len(values) + 1e-6)
        found.append((index, score, tuple(map(float, box)), logits_QHW[query]))
    return found


def check(ours: Sequence[Segment], theirs: list[tuple[int, float, tuple[float, ...], ndarray]]) -> None:
    """Fails unless both are the same objects; of pixels nearer to 0 than rounding either is right."""
    assert len(ours) == len(theirs) == 100
    assert [each.score for each in ours] == sorted((each.score for each in ours), reverse=True)
    left = list(theirs)
    for mine in ours:
        same = [
            each
            for each in left
            if each[0] == mine.index
            and abs(each[1] - mine.score) < 1e-5
            and not ((each[3] > 0) != mine.mask_HW)[np.abs(each[3]) > 1e-3].any()
            and mine.box == each[2]
        ]
        assert same, (mine.index, mine.score, mine.box)
        left.remove(same[0])
