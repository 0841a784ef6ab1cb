"""Depth maps by DPT-Hybrid (arXiv 2103.13413), as T2I-CompBench++ takes them for relations in depth.

A picture is squashed to 480 x 480 (PIL, bilinear), brought to [-1, 1], and the model's answer is spread over
its own range: its least is 0, its greatest 255, what lies between is cut to a whole level. The model answers
with inverse depth (MiDaS, arXiv 1907.01341), so a larger level is nearer; levels compare inside a picture.

By behaviour after Karine-Huang/T2I-CompBench:UniDet_eval/3D_spatial_eval.py and UniDet_eval/experts/
model_bank_3d.py (commit ed5367e). There the model runs in float16; and the map, before it is cut to levels,
is resized to the picture (bilinear, corners aligned), and then as the picture is for the detector. Here it
stays 480 x 480: a box of the picture is scaled onto it. A flat answer, which there is 0/0, is 0 everywhere:
nothing is nearer than anything else.

Axes: B pictures, S the side of a map.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor
from transformers import DPTForDepthEstimation

from tessera.config import digest
from tessera.errors import CheckpointError
from tessera.hub import SAVED, Home, files_digest, found, locate, pretrained
from tessera.scorers.depth.settings import DepthSettings
from tessera.scorers.pictures import HALF, normalised, squashed, to_pil
from tessera.scorers.placed import Held, held
from tessera.scorers.rows import pieces

HOME = Home(repo="Intel/dpt-hybrid-midas", files=("config.json", "|".join(SAVED)), licence="Apache-2.0")
SIDE = 480  # pixels of a picture and of its map
LEVELS = 255
PREPARATION = "pil-bilinear 480 squashed, half, own range, 8 bits down"  # changes when the way does


class DepthNetwork(DPTForDepthEstimation):
    """transformers' DPT, which takes a checkpoint without the one part of it that never runs.

    The first fusion has nothing before it to add, so MiDaS has no layer there and checkpoints converted from
    it have no weights (huggingface/transformers, issue 28292); transformers makes one all the same.
    """

    _keys_to_ignore_on_load_missing = {r"\.fusion_stage\.layers\.0\.residual_layer1\."}  # noqa: RUF012 - transformers reads sets


class Depth:
    """The instrument; its weights are looked for when first used."""

    def __init__(self, settings: DepthSettings) -> None:
        self._settings = settings
        self._folder: Path | None = None
        self._held: Held[DepthNetwork] | None = None

    def maps(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[UInt8[ndarray, "480 480"]]:
        """Returns how near each place of each picture is: 255 the nearest of it, 0 the farthest."""
        if not len(images_BHWC):
            return []
        made: list[UInt8[ndarray, "480 480"]] = []
        with self._model().at_work() as model:
            for some in pieces(list(images_BHWC), self._settings.place.batch_size):
                seen = model(pixel_values=prepared(some).to(model.device))
                made += [levels(near_SS) for near_SS in seen.predicted_depth.float().cpu()]
        return made

    def digest(self) -> str:
        """Returns a hash of the weights and of how pictures and maps are made."""
        return digest({"preparation": PREPARATION, "files": files_digest(found(HOME, self._located()))})

    def _located(self) -> Path:
        if self._folder is None:  # the hub is asked once, not at every digest
            self._folder = locate(HOME, self._settings.weights, "weights")
        return self._folder

    def _model(self) -> Held[DepthNetwork]:
        if self._held is None:
            folder = self._located()
            key = ("DPT", folder.resolve())
            self._held = held(key, lambda: read_model(folder), self._settings.place)
        return self._held


def read_model(folder: Path) -> DepthNetwork:
    """Returns the model of a folder, for pictures of 480 pixels.

    Its position embeddings are those of 384 and are stretched to what is asked, as MiDaS does it; the hybrid
    form in transformers does so, too, and yet refuses pictures of another size than its `image_size`.
    """
    model = pretrained(DepthNetwork, folder)
    if model.config.is_hybrid:
        model.dpt.embeddings.image_size = (SIDE, SIDE)
    return model


def prepared(images: Sequence[UInt8[ndarray, "_ _ 3"]]) -> Float[Tensor, "B 3 480 480"]:
    """Returns the pictures as the model takes them."""
    squares = [squashed(to_pil(image), SIDE, Image.Resampling.BILINEAR) for image in images]
    return normalised(squares, HALF, HALF)


def levels(near_SS: Float[Tensor, "S S"]) -> UInt8[ndarray, "S S"]:
    """Returns an answer of the model in 256 levels of its own range."""
    if not near_SS.isfinite().all():
        raise CheckpointError("the depth model gave no finite number: are its weights whole? Copy them again")
    low, high = near_SS.min(), near_SS.max()
    if low == high:
        return np.zeros(tuple(near_SS.shape), dtype=np.uint8)
    return (LEVELS * ((near_SS - low) / (high - low))).to(torch.uint8).numpy()
