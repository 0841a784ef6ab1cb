"""The LAION aesthetic predictor (christophschuhmann/improved-aesthetic-predictor:simple_inference.py).

The projected picture feature of OpenAI's CLIP L/14, made a unit vector, through linear layers (768, 1024,
128, 64, 16, 1) without activations between them; dropout was for training alone. So the mark is affine in a
unit vector and bounded: the published weights cannot leave −12.8 to 23.2. Prompts are not read.

Axes: B pictures, D the feature.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor, nn
from transformers import CLIPModel

from tessera.errors import CheckpointError
from tessera.hub import files_digest, fill, read_state
from tessera.scorers.clip.answers import answer, identity
from tessera.scorers.clip.pixels import prepared
from tessera.scorers.clip.towers import image_features, side
from tessera.scorers.placed import Held, Placement, held
from tessera.tensors import Scores
from tessera.types import Prompt

PIPELINE = "torchvision"
LAYER = re.compile(r"^layers\.(\d+)\.weight$")  # the numbers between count dropouts, which hold no weights


class Head(nn.Module):
    """Linear layers one after another, under the names of the published file."""

    def __init__(self, widths: Mapping[str, tuple[int, int]]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({name: nn.Linear(*width) for name, width in widths.items()})

    def forward(self, features_BD: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
        """Returns the mark of each feature."""
        for layer in self.layers.values():
            features_BD = layer(features_BD)
        return features_BD.squeeze(-1)


def head_of(state: Mapping[str, Tensor], where: str) -> Head:
    """Returns the head of a file's weights, its sizes read from them."""
    numbers = sorted(int(match[1]) for name in state if (match := LAYER.match(name)))
    shapes = {str(number): tuple(state[f"layers.{number}.weight"].shape) for number in numbers}
    ends = [1, *(shape[1] for shape in reversed(shapes.values()))]  # the width that each layer must give
    if not shapes or any(
        shape[0] != end for shape, end in zip(reversed(shapes.values()), ends, strict=False)
    ):
        raise CheckpointError(
            f"{where}: layers {shapes or 'none'} do not lead from a feature to one mark, so these are no "
            "weights of the aesthetic predictor"
        )
    return fill(Head({name: (shape[1], shape[0]) for name, shape in shapes.items()}), state, where)


def head_in(path: Path, place: Placement) -> Held[Head]:
    """Returns the holder of the head in a file; in float32 whatever the dtype of the trunk."""
    return held(
        ("aesthetic head", path.resolve()), lambda: head_of(read_state(path), str(path)).float(), place
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class AestheticPredictor:
    """A CLIP and the head on its picture feature."""

    towers: Held[CLIPModel]
    head: Held[Head]
    place: Placement
    files: tuple[Path, ...]  # of the towers and of the head
    name: str = "aesthetic"

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns the mark of each picture."""
        rows = [row for row, _ in enumerate(zip(prompts, images_BHWC, strict=True))]
        value_B = torch.full((len(rows),), float("nan"), dtype=torch.float64)
        if rows:
            with self.towers.at_work() as clip, self.head.at_work() as head:
                self._check(clip, head)
                for first in range(0, len(rows), self.place.batch_size):
                    some = rows[first : first + self.place.batch_size]
                    pixels_B3HW = prepared(PIPELINE, images_BHWC[some], side(clip))
                    value_B[some] = head(image_features(clip, pixels_B3HW)).cpu().double()
        return answer(value_B, [""] * len(rows), dtype=self.place.dtype, digest=self.digest())

    def digest(self) -> str:
        """Returns a hash of weights, preparation and dtype."""
        return identity("aesthetic", PIPELINE, self.place.dtype, files_digest(self.files))

    def _check(self, clip: CLIPModel, head: Head) -> None:
        """Refuses a head that was made for another CLIP."""
        given = clip.config.projection_dim
        wanted = next(iter(head.layers.values())).in_features
        if given != wanted:
            raise CheckpointError(
                f"the aesthetic predictor reads features of {wanted} numbers, this CLIP gives {given}; "
                "the published predictor belongs to openai/clip-vit-large-patch14"
            )
