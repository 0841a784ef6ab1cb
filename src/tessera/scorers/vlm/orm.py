"""Outcome reward model: LLaVA-OneVision says whether a picture shows its prompt, yes or no.

sigmoid((z_yes - z_no) / temperature) at the first token of its answer, where z are the logits of the bare
tokens `yes` and `no`. Fine-tuned: CaraJ/ORM-T2I-R1, the ORM of T2I-R1 (arXiv 2505.00703, reward_orm.py; made
as in arXiv 2501.13926). There the answer is *drawn* at temperature 0.3, the probabilities are those of the
draw, and a picture gets 0 where another word is drawn: temperature 0.3 gives the same number without the
draw, 1 the model's own odds. Zero-shot: any other LLaVA-OneVision, asked the same; arXiv 2501.13926 scores
that by P(yes) at temperature 1 over the whole vocabulary, so its numbers differ.

Pictures are padded to a square of grey 127 and resized to 384 (bicubic). Range 0 to 1; values compare across
prompts as far as the model is calibrated. Rows are scored one by one.

The fine-tuned weights are cc-by-nc-4.0, so they are used only where a user says so. The rule: where the
weights that would be used are those of the hub's CaraJ/ORM-T2I-R1 (unset, or named), `accept_noncommercial`
must be true. A folder is its user's own affair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import UInt8
from numpy import ndarray
from transformers import LlavaOnevisionForConditionalGeneration, SiglipVisionConfig

from tessera.hub import files_digest, found, locate
from tessera.rng import derive_seed
from tessera.scorers.pictures import HALF, normalised, padded, squashed, to_pil
from tessera.scorers.placed import Held, Placement, held
from tessera.scorers.vlm.heads import logits_of
from tessera.scorers.vlm.llava import features, picture_embeddings, read_llava, siglip_so400m
from tessera.scorers.vlm.questions import ORM
from tessera.scorers.vlm.rows import Verdict, finite, judged, missing
from tessera.scorers.vlm.settings import FINE_TUNED, OrmVlm
from tessera.scorers.vlm.words import AFTER, BEFORE, Words, read_words
from tessera.tensors import Scores
from tessera.types import Prompt

GREY = (127, 127, 127)  # int(255 * 0.5), the mean of SigLIP's preprocessing


@dataclass(frozen=True, kw_only=True, slots=True)
class OrmScorer:
    """The odds of yes against no for each picture."""

    words: Words
    held: Held[LlavaOnevisionForConditionalGeneration]
    files: tuple[Path, ...]
    temperature: float
    place: Placement
    answers: tuple[int, int]  # the tokens of yes and no

    @property
    def name(self) -> str:
        """As in messages."""
        return "orm-vlm"

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns the odds as probabilities."""
        return judged(self.held, self._odds, prompts, images_BHWC, self.digest())

    def _odds(
        self, model: LlavaOnevisionForConditionalGeneration, prompt: str, image_HWC: ndarray
    ) -> Verdict:
        if reason := self.words.control_in(prompt):
            return missing(reason)
        side = model.model.vision_tower.config.image_size
        square = squashed(padded(to_pil(image_HWC), GREY), side)
        picture_1ND = picture_embeddings(model, normalised([square], HALF, HALF))
        after = self.words.ids(ORM.format(prompt=prompt) + AFTER)
        told_D = features(model, self.words.ids(BEFORE), picture_1ND, after)
        yes, no = logits_of(model.lm_head, told_D, self.answers).double()
        return finite(float(torch.sigmoid((yes - no) / self.temperature)))

    def digest(self) -> str:
        """Returns a hash of the weights, their dtype, the temperature and the question."""
        names = (self.name, self.place.dtype, files_digest(self.files), str(self.temperature), ORM)
        return f"{derive_seed(*names):016x}"


def load_orm(settings: OrmVlm, tower: SiglipVisionConfig | None = None) -> OrmScorer:
    """Returns the scorer; its weights are read when it first scores.

    `tower` is the vision tower of weights in the authors' layout, whose configuration names and does not
    describe it; unset: the one that all their checkpoints name.
    """
    place, vision = settings.place, tower or siglip_so400m()
    folder = locate(FINE_TUNED, settings.weights, "weights")
    words = read_words(folder)
    return OrmScorer(
        words=words,
        held=held(
            ("llava-onevision", str(folder.resolve())),
            lambda: read_llava(folder, place.torch_dtype(), vision),
            place,
        ),
        files=tuple(found(FINE_TUNED, folder)),
        temperature=settings.temperature,
        place=place,
        answers=(words.single("yes"), words.single("no")),
    )
