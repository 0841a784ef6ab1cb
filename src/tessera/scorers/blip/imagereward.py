"""ImageReward v1.0: how much people prefer a picture of a prompt (arXiv 2304.05977).

BLIP's ViT-L reads the picture, its text encoder reads the prompt and looks at the picture, and five linear
layers without activations turn the first state into a number, which is standardised by the mean and
deviation of the training set (THUDM/ImageReward:ImageReward/ImageReward.py). About N(0, 1) on the pictures it
was made for; higher is better, and values compare across prompts only roughly. Prompts are cut at 35 pieces.

Axes: B rows, S pixels of the model's square, N patches and the class token, L pieces, D width.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
import transformers
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from torch import Tensor, nn

from tessera.config import digest as config_digest
from tessera.errors import CheckpointError
from tessera.hub import Home, files_digest, fill, found, locate, read_state
from tessera.scorers import bert as vocabulary
from tessera.scorers.bert import PAD, Words, read_words
from tessera.scorers.blip.settings import ImageRewardConfig
from tessera.scorers.blip.towers import COUNTERS, OWN_PIECES, renamed, shape, text_config, vision_config
from tessera.scorers.pictures import CLIP_MEAN, CLIP_STD, centre_crop, normalised, shortest_edge, to_pil
from tessera.scorers.placed import Held, held
from tessera.scorers.rows import pieces, scores
from tessera.tensors import Scores
from tessera.types import Prompt

HOME = Home(repo="THUDM/ImageReward", files=("ImageReward.pt",), licence="Apache-2.0")
MED = "med_config.json"  # beside the weights in their home; tells the heads where it is there

MEAN, DEVIATION = 0.16717362830052426, 1.0333394966054072  # of the reward on its training set
HEAD = ("0", "2", "4", "6", "7")  # its layers; the numbers between are dropouts, which do nothing here
PIECES = 35  # of a prompt, padded to as many
PREPROCESSING = "shorter edge and centre crop by PIL bicubic, CLIP mean; 35 pieces of bert-base-uncased"

EMPTY = "the prompt is empty"


class ImageRewardModel(nn.Module):
    """The towers in the trunk's dtype, the head in float32."""

    def __init__(self, state: Mapping[str, Tensor], where: str, head_count: int | None) -> None:
        super().__init__()
        vision, text = vision_config(state, where), text_config(state, where, head_count)
        self.side, self.embeddings = cast(int, vision.image_size), text.vocab_size
        self.vision_model = transformers.BlipVisionModel(vision)
        self.text_encoder = transformers.BlipTextModel(text, add_pooling_layer=False)
        sizes = {layer: shape(state, f"mlp.{layer}.weight", where) for layer in HEAD}
        self.mlp = nn.Sequential(
            OrderedDict((layer, nn.Linear(inner, outer)) for layer, (outer, inner) in sizes.items())
        )

    def forward(
        self, pixels_B3SS: Float[Tensor, "B 3 S S"], ids_BL: Int[Tensor, "B L"], mask_BL: Int[Tensor, "B L"]
    ) -> Float[Tensor, " B"]:
        """Returns the raw reward, before it is standardised."""
        seen_BND = self.vision_model(pixels_B3SS).last_hidden_state
        read_BLD = self.text_encoder(
            ids_BL, attention_mask=mask_BL, encoder_hidden_states=seen_BND, is_decoder=False
        ).last_hidden_state
        return self.mlp(read_BLD[:, 0].float())[:, 0]


@dataclass(frozen=True, slots=True)
class ImageReward:
    """ImageReward at work."""

    settings: ImageRewardConfig
    files: tuple[Path, ...]  # what its numbers depend on
    words: Words
    held: Held[ImageRewardModel]

    @property
    def name(self) -> str:
        """As in messages."""
        return self.settings.kind

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns a standardised reward per picture; NaN where the prompt is empty."""
        texts = [prompt.text for prompt, _ in zip(prompts, images_BHWC, strict=True)]
        reasons = ["" if text.strip() else EMPTY for text in texts]
        values = [float("nan")] * len(texts)
        if rows := [row for row, reason in enumerate(reasons) if not reason]:
            with self.held.at_work() as model:
                for some in pieces(rows, self.settings.place.batch_size):
                    raw_B = self._raw(model, [texts[row] for row in some], images_BHWC[list(some)])
                    for row, raw in zip(some, raw_B.tolist(), strict=True):
                        values[row] = (raw - MEAN) / DEVIATION
        return scores(values, reasons, self.digest())

    def _raw(
        self, model: ImageRewardModel, texts: Sequence[str], images_BHWC: UInt8[ndarray, "B H W 3"]
    ) -> Float[Tensor, " B"]:
        device = self.settings.place.torch_device()
        pad = self.words.id_of(PAD)
        ids = [self.words.enclosed(text, PIECES) for text in texts]
        ids_BL = torch.tensor([each + [pad] * (PIECES - len(each)) for each in ids])
        mask_BL = torch.tensor([[1] * len(each) + [0] * (PIECES - len(each)) for each in ids])
        pixels_B3SS = preprocessed(images_BHWC, model.side)
        return model(pixels_B3SS.to(device), ids_BL.to(device), mask_BL.to(device)).double()

    def digest(self) -> str:
        """Returns a hash of the weights, the vocabulary, the preprocessing and the trunk's dtype."""
        return config_digest(
            {
                "kind": self.name,
                "dtype": self.settings.place.dtype,
                "preprocessing": PREPROCESSING,
                "files": files_digest(self.files),
            }
        )


def preprocessed(images_BHWC: UInt8[ndarray, "B H W 3"], side: int) -> Float[Tensor, "B 3 S S"]:
    """Returns the middle squares of the pictures at the model's size."""
    squares = [centre_crop(shortest_edge(to_pil(image_HWC), side), side) for image_HWC in images_BHWC]
    return normalised(squares, CLIP_MEAN, CLIP_STD)


def load_imagereward(settings: ImageRewardConfig) -> ImageReward:
    """Returns the scorer, its files found; its weights are read when it first scores."""
    folder = locate(HOME, settings.weights, "weights")
    words_folder = locate(vocabulary.HOME, settings.tokenizer, "tokenizer")
    weights = folder / HOME.files[0]
    med = [folder / MED] if (folder / MED).is_file() else []
    files = (*found(HOME, folder), *med, *found(vocabulary.HOME, words_folder))
    words, dtype = read_words(words_folder), settings.place.torch_dtype()
    key = ("imagereward", weights, words.path)
    return ImageReward(
        settings, files, words, held(key, lambda: read_model(weights, words, dtype), settings.place)
    )


def read_model(weights: Path, words: Words, dtype: torch.dtype) -> ImageRewardModel:
    """Returns the model of a file in the authors' layout."""
    state = renamed(read_state(weights))
    model = ImageRewardModel(state, str(weights), _heads(weights.parent / MED))
    words.check_fits(model.embeddings, OWN_PIECES, str(weights))
    # The two projections belong to BLIP's contrastive training; no reward goes through them.
    fill(model, state, str(weights), ignore=("vision_proj.", "text_proj.", *COUNTERS))
    for tower in (model.vision_model, model.text_encoder):
        nn.Module.to(tower, dtype)  # transformers' own `to` is not typed for a dtype
    return model


def _heads(med: Path) -> int | None:
    """Returns the heads of the text tower where a file tells them."""
    if not med.is_file():
        return None
    try:
        count = json.loads(med.read_text(encoding="utf-8"))["num_attention_heads"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise CheckpointError(f"{med} names no num_attention_heads ({error}); copy it again") from error
    return count
