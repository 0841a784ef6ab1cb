"""The colour of an object, by CLIP: GenEval's classifier (djghosh13/geneval:evaluation/evaluate_images.py).

The object's pixels on grey, cut to its box, go through CLIP's own preparation; the colour is the one of ten
whose words are nearest by cosine. The words of a colour are three sentences with the object's class in them;
their unit vectors are averaged and the mean made a unit vector again. The model is OpenAI's ViT-L/14, whose
activation is quick-GELU: the hub's configuration says so, open_clip 3 warns and takes another one.

Published in float32 on a GPU, as here; ties go to the earlier colour.

Axes: B objects, C colours, T templates, D the shared space.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor
from transformers import CLIPModel, CLIPTokenizer

from tessera.errors import CheckpointError
from tessera.hub import files_digest, found, locate
from tessera.scorers.clip.answers import identity
from tessera.scorers.clip.homes import CLIP
from tessera.scorers.clip.pixels import prepared
from tessera.scorers.clip.tokens import cleaning_word, read_tokenizer, tokenize
from tessera.scorers.clip.towers import image_features, side, text_features, towers_in, unit, window
from tessera.scorers.detection.geneval import COLOURS
from tessera.scorers.detection.geneval_eyes import Patch
from tessera.scorers.detection.geneval_settings import ColourSettings
from tessera.scorers.pictures import to_pil
from tessera.scorers.placed import Held
from tessera.scorers.rows import pieces

HOME = CLIP["L/14"]
GREY = 0x99  # of each channel: #999
TEMPLATES = (
    "a photo of a {colour} {name}",
    "a photo of a {colour}-colored {name}",
    "a photo of a {colour} object",
)
PREPARATION = "object on 999, box, torchvision, 3 sentences, 10 colours"  # changes when the way does


@dataclass(frozen=True, slots=True)
class _Ready:
    towers: Held[CLIPModel]
    tokenizer: CLIPTokenizer
    files: tuple[Path, ...]


class ColourClassifier:
    """The classifier; its weights are looked for when first used, and a class's words are read once."""

    def __init__(self, settings: ColourSettings) -> None:
        self._settings = settings
        self._found: _Ready | None = None
        self._words: dict[str, Float[Tensor, "C D"]] = {}

    def names(self, patches: Sequence[Patch]) -> list[str]:
        """Returns the colour of each object."""
        if not patches:
            return []
        ready, named = self._open(), list[str]()
        with ready.towers.at_work() as clip:
            words_CD = {name: self._words_of(clip, name) for name in {patch.name for patch in patches}}
            for some in pieces(patches, self._settings.place.batch_size):
                seen_BD = image_features(clip, _pixels(some, side(clip))).cpu().double()
                cosine_BC = torch.stack(
                    [
                        words_CD[patch.name].double() @ seen_D
                        for patch, seen_D in zip(some, seen_BD, strict=True)
                    ]
                )
                if not cosine_BC.isfinite().all():
                    raise CheckpointError(
                        f"the classifier of colours gives no numbers in {self._settings.place.dtype}: its "
                        "weights are damaged, or float16 overflows; copy them again, or set dtype float32"
                    )
                named += [COLOURS[index] for index in cosine_BC.argmax(1).tolist()]
        return named

    def digest(self) -> str:
        """Returns a hash of weights, tokenizer, preparation and dtype."""
        files = files_digest(self._open().files)
        return identity(PREPARATION, cleaning_word("openai"), self._settings.place.dtype, files)

    def _open(self) -> _Ready:
        if self._found is None:  # the hub is asked once, not at every digest
            folder = locate(HOME, self._settings.weights, "colours.weights")
            self._found = _Ready(
                towers_in(folder, self._settings.place), read_tokenizer(folder), tuple(found(HOME, folder))
            )
        return self._found

    def _words_of(self, clip: CLIPModel, name: str) -> Float[Tensor, "C D"]:
        if name not in self._words:
            self._words[name] = words(clip, self._open().tokenizer, name).cpu()
        return self._words[name]


def words(clip: CLIPModel, tokenizer: CLIPTokenizer, name: str) -> Float[Tensor, "C D"]:
    """Returns a unit vector for each colour of this class of object."""
    texts = [template.format(colour=colour, name=name) for colour in COLOURS for template in TEMPLATES]
    rows = tokenize(tokenizer, texts, cleaning="openai", length=window(clip, len(tokenizer)))
    read_CTD = text_features(clip, rows).unflatten(0, (len(COLOURS), len(TEMPLATES)))
    return unit(read_CTD.mean(1))


def cut_out(
    image_HWC: UInt8[ndarray, "H W 3"],
    mask_HW: Bool[ndarray, "H W"],
    box: tuple[float, float, float, float],
) -> Image.Image:
    """Returns the object on grey, cut to its box; PIL rounds the box to whole pixels, a half to even."""
    return to_pil(np.where(mask_HW[..., None], image_HWC, np.uint8(GREY))).crop(box)  # pyright: ignore[reportArgumentType] - rounded by PIL


def _pixels(patches: Iterable[Patch], to: int) -> Float[Tensor, "B 3 side side"]:
    crops = (np.asarray(cut_out(patch.image_HWC, patch.mask_HW, patch.box)) for patch in patches)
    return torch.cat([prepared("torchvision", crop[None], to) for crop in crops])
