"""What a checkpoint's preprocessor_config.json asks of pictures, done by PIL.

The processor of transformers that reads this file by default needs torchvision. Read are the settings of
CLIPImageProcessor, which GIT's checkpoints name: shorter edge, centre crop, mean and deviation.

Axes: B pictures, S pixels of the model's square.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from tessera.errors import CheckpointError
from tessera.scorers.pictures import Triple, centre_crop, normalised, shortest_edge, to_pil

FILE = "preprocessor_config.json"
STEPS = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")  # all done where the file is silent


@dataclass(frozen=True, kw_only=True, slots=True)
class Preprocessing:
    """Sizes in pixels, mean and deviation of channels in [0, 1]."""

    edge: int
    side: int
    resample: Image.Resampling
    mean: Triple
    deviation: Triple

    def __call__(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> Float[Tensor, "B 3 S S"]:
        """Returns the pictures as the model expects them."""
        squares = [
            centre_crop(shortest_edge(to_pil(image_HWC), self.edge, self.resample), self.side, down=True)
            for image_HWC in images_BHWC
        ]
        return normalised(squares, self.mean, self.deviation)


def read_preprocessing(path: Path) -> Preprocessing:
    """Returns what the file asks for; refuses what this does not do."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        read = Preprocessing(
            edge=_side(told["size"], "shortest_edge"),
            side=_side(told["crop_size"], "height"),
            resample=Image.Resampling(told["resample"]),
            mean=_triple(told["image_mean"]),
            deviation=_triple(told["image_std"]),
        )
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not as CLIPImageProcessor writes it ({error!r}); copy it again"
        ) from error
    odd = [step for step in STEPS if told.get(step) is False]
    if not math.isclose(told.get("rescale_factor", 1 / 255), 1 / 255):
        odd.append("rescale_factor")
    if _height_and_width_differ(told["crop_size"]) or read.side > read.edge:
        odd.append("crop_size")
    if odd:
        raise CheckpointError(
            f"{path} asks for {odd[0]}={told.get(odd[0])}, which is not GIT's preprocessing"
        )
    return read


def _side(told: Mapping[str, Any] | int, key: str) -> int:
    """Returns a size in either of the two forms that there are: a number, or a number by name."""
    return int(told if isinstance(told, int) else told[key])


def _height_and_width_differ(told: Mapping[str, Any] | int) -> bool:
    return not isinstance(told, int) and told["height"] != told["width"]


def _triple(told: Sequence[float]) -> Triple:
    red, green, blue = told
    return float(red), float(green), float(blue)
