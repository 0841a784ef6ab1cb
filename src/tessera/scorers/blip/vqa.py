"""BLIP-VQA: whether a picture shows what phrases of its prompt name, as T2I-CompBench measures attributes.

"a red car?" is put to BLIP, and the score is p(yes) / (p(yes) + p(no)) of the answer's first piece: in
[0, 1], comparable across prompts of as many phrases. Published weights: the authors' file at 480 pixels, with
which the benchmark's tables were made, and the same resized to 384 pixels on the hub, whose numbers are not
comparable with those. The former is model_base_vqa_capfilt_large.pth, named in the README of salesforce/BLIP.

transformers 4.55 to 5.23 drop the mask of the cross-attention (BlipTextLayer hands it over as another
argument), so that an answer would depend on how far its question is padded. Here only questions of equal
length share a batch, and no mask is needed. A picture is encoded once, whatever is asked of it.

Axes: B pictures, Q questions of one length, S pixels of the model's square, N patches and the class token,
L pieces, D width.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from torch import Tensor, nn

from tessera.config import digest as config_digest
from tessera.hub import SAVED, Home, files_digest, fill, found, locate, pretrained, read_state
from tessera.scorers import bert as vocabulary
from tessera.scorers.bert import Words, read_words
from tessera.scorers.blip.questions import MOST_PHRASES, dec, product, question_ids
from tessera.scorers.blip.settings import BlipVqaConfig
from tessera.scorers.blip.towers import (
    COUNTERS,
    OWN_PIECES,
    VISION_EPS,
    renamed,
    text_config,
    vision_config,
)
from tessera.scorers.pictures import CLIP_MEAN, CLIP_STD, normalised, squashed, to_pil
from tessera.scorers.placed import Held, held
from tessera.scorers.rows import phrases, pieces, scores
from tessera.tensors import Scores
from tessera.types import Prompt

AUTHORS = "model_base_vqa_capfilt_large.pth"
HOME = Home(
    repo="Salesforce/blip-vqa-capfilt-large", files=("config.json", "|".join(SAVED)), licence="BSD-3-Clause"
)
PREPROCESSING = "squashed by PIL bicubic, CLIP mean; questions as T2I-CompBench; yes against no"


class BlipVqaModel(nn.Module):
    """BLIP's three towers in the trunk's dtype; the head of two answers in float32."""

    def __init__(self, blip: Any, words: Words, dtype: torch.dtype) -> None:
        super().__init__()
        self.side = blip.config.vision_config.image_size
        head = blip.text_decoder.cls.predictions
        answers = torch.tensor([words.id_of("yes"), words.id_of("no")])
        # Copies, made before the cast: the rows are the embeddings' own where the two are tied.
        self.weight = nn.Parameter(head.decoder.weight.detach()[answers].clone())
        self.bias = nn.Parameter(head.decoder.bias.detach()[answers].clone())
        self.transform = head.transform.float()
        self.vision = blip.vision_model.to(dtype)
        self.encoder = blip.text_encoder.to(dtype)
        self.decoder = blip.text_decoder.bert.to(dtype)
        self.first = dec(words)

    def see(self, pixels_B3SS: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B N D"]:
        """Returns the states of pictures, which all their questions look at."""
        return self.vision(pixels_B3SS).last_hidden_state

    def ask(self, seen_QND: Float[Tensor, "Q N D"], ids_QL: Int[Tensor, "Q L"]) -> Float[Tensor, " Q"]:
        """Returns p(yes) / (p(yes) + p(no)) of questions of one length."""
        asked_QLD = self.encoder(ids_QL, encoder_hidden_states=seen_QND, is_decoder=False).last_hidden_state
        first_Q1 = torch.full_like(ids_QL[:, :1], self.first)
        answer_QD = self.decoder(
            first_Q1, encoder_hidden_states=asked_QLD, is_decoder=True, use_cache=False
        ).last_hidden_state[:, 0]
        yes_no_Q2 = nn.functional.linear(self.transform(answer_QD.float()), self.weight, self.bias)
        return torch.sigmoid((yes_no_Q2[:, 0] - yes_no_Q2[:, 1]).double())


@dataclass(frozen=True, slots=True)
class BlipVqa:
    """BLIP-VQA at work."""

    settings: BlipVqaConfig
    files: tuple[Path, ...]  # what its numbers depend on
    words: Words
    held: Held[BlipVqaModel]

    @property
    def name(self) -> str:
        """As in messages."""
        return self.settings.kind

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns the rounded product over each prompt's phrases; NaN where it lists none."""
        asked = [phrases(prompt, "phrases") for prompt in prompts]
        questions = [[f"{phrase}?" for phrase in each[:MOST_PHRASES]] for each, _ in asked]
        answers = self.probability_yes(images_BHWC, questions)
        values = [product(each) if each else float("nan") for each in answers]
        return scores(values, [reason for _, reason in asked], self.digest())

    def probability_yes(
        self, images_BHWC: UInt8[ndarray, "B H W 3"], questions: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Returns p(yes) / (p(yes) + p(no)) of each question, by picture; each picture is encoded once."""
        answers = [[float("nan")] * len(each) for each, _ in zip(questions, images_BHWC, strict=True)]
        rows = [row for row, each in enumerate(questions) if each]
        if rows:
            with self.held.at_work() as model:
                for some in pieces(rows, self.settings.place.batch_size):
                    self._answer(model, images_BHWC, questions, some, answers)
        return answers

    def _answer(
        self,
        model: BlipVqaModel,
        images_BHWC: UInt8[ndarray, "B H W 3"],
        questions: Sequence[Sequence[str]],
        rows: Sequence[int],
        answers: list[list[float]],
    ) -> None:
        """Writes the answers of some pictures into their places."""
        device = self.settings.place.torch_device()
        seen_BND = model.see(preprocessed(images_BHWC[list(rows)], model.side).to(device))
        by_length: dict[int, list[tuple[int, int, list[int]]]] = defaultdict(list)
        for place, row in enumerate(rows):
            for index, question in enumerate(questions[row]):
                ids = question_ids(question, self.words)
                by_length[len(ids)].append((place, index, ids))
        for alike in by_length.values():
            for some in pieces(alike, self.settings.place.batch_size):
                seen_QND = seen_BND[[place for place, _, _ in some]]
                ids_QL = torch.tensor([ids for _, _, ids in some], device=device)
                for (place, index, _), value in zip(some, model.ask(seen_QND, ids_QL).tolist(), strict=True):
                    answers[rows[place]][index] = value

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
    """Returns the whole pictures at the model's size, their proportions lost."""
    return normalised([squashed(to_pil(image_HWC), side) for image_HWC in images_BHWC], CLIP_MEAN, CLIP_STD)


def load_blip_vqa(settings: BlipVqaConfig) -> BlipVqa:
    """Returns the scorer, its files found; its weights are read when it first scores."""
    authors = Path(settings.weights or "").expanduser() / AUTHORS
    if settings.weights is not None and authors.is_file():
        weights, files = authors, [authors]
    else:
        weights = locate(HOME, settings.weights, "weights")
        files = found(HOME, weights)
    words_folder = locate(vocabulary.HOME, settings.tokenizer, "tokenizer")
    words, dtype = read_words(words_folder), settings.place.torch_dtype()
    return BlipVqa(
        settings,
        (*files, *found(vocabulary.HOME, words_folder)),
        words,
        held(("blip-vqa", weights, words.path), lambda: read_model(weights, words, dtype), settings.place),
    )


def read_model(weights: Path, words: Words, dtype: torch.dtype) -> BlipVqaModel:
    """Returns the model with what it needs to ask."""
    blip = read_blip(weights)
    embeddings = blip.text_encoder.embeddings.word_embeddings.num_embeddings
    words.check_fits(embeddings, OWN_PIECES, str(weights))
    return BlipVqaModel(blip, words, dtype)


def read_blip(weights: Path) -> Any:
    """Returns transformers' model from the authors' file, or from a folder as transformers saves it."""
    if weights.is_dir():
        sizes = transformers.BlipConfig.from_pretrained(weights)
        vision = cast(transformers.BlipVisionConfig, sizes.vision_config)
        vision.layer_norm_eps = VISION_EPS  # the hub's file leaves it to the library's default
        return pretrained(transformers.BlipForQuestionAnswering, weights, config=sizes)
    state, where = renamed(read_state(weights)), str(weights)
    sizes = transformers.BlipConfig(
        text_config=text_config(state, where), vision_config=vision_config(state, where)
    )
    return fill(transformers.BlipForQuestionAnswering(sizes), state, where, ignore=COUNTERS)
