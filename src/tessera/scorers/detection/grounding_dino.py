"""Grounding DINO: finds in a picture what a caption names (arXiv 2303.05499).

transformers' `GroundingDinoForObjectDetection`. The caption is the names in lower case, each ended by a full
stop ("cup . cat ."): the model lets no word see another phrase's. Of each of its 900 queries the score for a
name is the mean of sigmoid(logit) over the name's tokens, as in T2I-R1 (which divides by count + 1e-6).
transformers' own post-processing takes the largest of all tokens, and reads names back from tokens.

The picture: shorter side to 800 but the longer at most 1333, PIL bilinear, mean and deviation of ImageNet
(IDEA-Research/GroundingDINO:demo/inference_on_a_image.py).

One picture at a time, whatever `batch_size` says. In a batch the model is another instrument: it picks 900
of some 13,000 places by score, and rounding, which depends on the batch, decides near ties. Of three random
pictures of 480 pixels through the full-size model with random weights (torch 2.13, CPU, float32), one
changed scores by up to 0.9998 and boxes by up to a third of the picture. Batches were no faster there.
And float32 only: bfloat16 knows a box's corner to 1/256 of the picture.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor
from transformers import GroundingDinoForObjectDetection

from tessera.config import digest
from tessera.errors import CheckpointError, UserError
from tessera.hub import SAVED, Home, files_digest, found, locate, pretrained
from tessera.scorers.detection.detector import Detection, Sighting
from tessera.scorers.detection.settings import Look
from tessera.scorers.pictures import IMAGENET_MEAN, IMAGENET_STD, normalised, to_pil
from tessera.scorers.placed import Held, Placement, held

HOME = Home(
    repo="IDEA-Research/grounding-dino-tiny",
    files=("config.json", "tokenizer.json", "|".join(SAVED)),
    licence="Apache-2.0, not confirmed",
)
PREPROCESSING = "pil-bilinear imagenet caption-1"  # changes when pictures or captions are made otherwise
NARROWEST = 65  # pixels: the coarsest of four feature maps needs two rows
BREAKS = str.maketrans(".?", "  ")  # the model ends a phrase at these


class GroundingDino:
    """The detector; its weights are looked for when first used."""

    def __init__(self, weights: str | None, look: Look, place: Placement) -> None:
        if place.dtype != "float32":
            raise UserError(
                f"Grounding DINO computes in float32, got dtype={place.dtype}: coarser numbers place its "
                "boxes to 1/256 of the picture. Leave dtype out"
            )
        self._weights, self._look, self._place = weights, look, place
        self._folder: Path | None = None
        self._ready: tuple[Tokenizer, Held[GroundingDinoForObjectDetection]] | None = None

    def detect(
        self, images_BHWC: UInt8[ndarray, "B H W 3"], names_B: Sequence[Sequence[str]]
    ) -> list[Sighting]:
        """Returns what is seen in each picture of its own names."""
        rows = list(zip(images_BHWC, names_B, strict=True))
        if not rows:
            return []
        tokenizer, model_held = self._open()
        with model_held.at_work() as model:
            return [self._one(model, tokenizer, image, names) for image, names in rows]

    def digest(self) -> str:
        """Returns a hash of the files, of the settings and of how pictures and captions are made."""
        files = files_digest(found(HOME, self._located()))
        return f"{digest(self._look)}-{files}-{PREPROCESSING.replace(' ', '-')}"

    def _located(self) -> Path:
        if self._folder is None:  # the hub is asked once, not at every digest
            self._folder = locate(HOME, self._weights, "weights")
        return self._folder

    def _open(self) -> tuple[Tokenizer, Held[GroundingDinoForObjectDetection]]:
        if self._ready is None:
            folder = self._located()
            key = ("GroundingDinoForObjectDetection", str(folder))
            model = held(key, lambda: pretrained(GroundingDinoForObjectDetection, folder), self._place)
            self._ready = (read_tokenizer(folder / "tokenizer.json"), model)
        return self._ready

    def _one(
        self,
        model: GroundingDinoForObjectDetection,
        tokenizer: Tokenizer,
        image_HWC: UInt8[ndarray, "H W 3"],
        names: Sequence[str],
    ) -> Sighting:
        text, spans = caption(names)
        words = tokenizer.encode(text)
        places = phrase_tokens(words.offsets, spans)
        unknown = tokenizer.token_to_id("[UNK]")
        for name, place in zip(names, places, strict=True):
            if all(words.ids[index] == unknown for index in place):
                return Sighting(reason=f"the detector has no word for {name!r}")
        limit = model.config.max_text_len
        if len(words.ids) > limit:
            return Sighting(reason=f"the names are {len(words.ids)} tokens, the detector reads {limit}")
        picture = resized(to_pil(image_HWC), self._look.short, self._look.longest)
        if min(picture.size) < NARROWEST:
            return Sighting(
                reason=f"a picture of {image_HWC.shape[:2]} pixels is too narrow for the detector"
            )
        device = model.device
        seen = model(
            pixel_values=normalised([picture], IMAGENET_MEAN, IMAGENET_STD).to(device),
            input_ids=torch.tensor([words.ids], device=device),
        )
        scores_QN = phrase_scores(seen.logits[0], places).double().cpu().numpy()
        boxes_Q4 = corners(seen.pred_boxes[0].double().cpu().numpy(), *image_HWC.shape[:2])
        if not (np.isfinite(scores_QN).all() and np.isfinite(boxes_Q4).all()):
            return Sighting(reason="the detector gave no number: are its weights whole?")
        detections = []
        for index, name in enumerate(names):
            for query in np.argsort(-scores_QN[:, index], kind="stable").tolist():
                if scores_QN[query, index] > self._look.threshold:
                    left, top, right, bottom = boxes_Q4[query].tolist()
                    score = float(scores_QN[query, index])
                    detections.append(Detection(name=name, score=score, box=(left, top, right, bottom)))
        return Sighting(detections=tuple(detections))


def caption(names: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Returns the caption, and where in it each name starts and stops, in characters."""
    text, spans = "", []
    for name in names:
        phrase = " ".join(name.lower().translate(BREAKS).split())
        spans.append((len(text), len(text) + len(phrase)))
        text += f"{phrase} . "
    return text.rstrip(), spans


def phrase_tokens(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Returns for each span the tokens whose characters touch it; special tokens have no characters."""
    return [
        [index for index, (start, stop) in enumerate(offsets) if first < stop and start < last]
        for first, last in spans
    ]


def phrase_scores(logits_QT: Float[Tensor, "Q T"], tokens_N: list[list[int]]) -> Float[Tensor, "Q N"]:
    """Returns each query's score for each phrase: the mean of sigmoid(logit) over its tokens, in float32."""
    probability_QT = logits_QT.float().sigmoid()
    return torch.stack([probability_QT[:, tokens].mean(-1) for tokens in tokens_N], dim=-1)


def corners(boxes_Q4: Float[ndarray, "Q 4"], height: int, width: int) -> Float[ndarray, "Q 4"]:
    """Returns the corners, in pixels, of boxes given as centre and size in parts of the picture."""
    centre_Q2, size_Q2 = boxes_Q4[:, :2], boxes_Q4[:, 2:]
    whole = np.array([width, height, width, height])
    return np.concatenate([centre_Q2 - size_Q2 / 2, centre_Q2 + size_Q2 / 2], axis=1) * whole


def resized(image: Image.Image, short: int, longest: int) -> Image.Image:
    """Returns the picture with its shorter side at `short`, less where the longer would pass `longest`.

    Rounded as transformers' GroundingDinoImageProcessorPil does.
    """
    small, large = min(image.size), max(image.size)
    exact = short if large / small * short <= longest else longest * small / large
    if round(exact) == small:
        return image
    shorter, longer = round(exact), int(exact * large / small)
    size = (shorter, longer) if image.width <= image.height else (longer, shorter)
    return image.resize(size, Image.Resampling.BILINEAR)


def read_tokenizer(path: Path) -> Tokenizer:
    """Returns the tokenizer of the file, set to pad and cut nothing."""
    text = path.read_text(encoding="utf-8")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{path} cannot be read ({error}); copy it again") from error
    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
