"""HPSv2, PickScore and CLIPScore: the cosine of prompt and picture in a CLIP, for PickScore times its scale.

Values compare pictures of one prompt; from prompt to prompt they shift. No 2.5, no clipping at 0.

- HPSv2 (arXiv 2306.09341; tgxs002/HPSv2:hpsv2/img_score.py): open_clip's ViT-H/14 with weights of its own.
  Published in half precision on a GPU; its tables are 100 times the cosine.
- PickScore (arXiv 2305.01569; yuvalkirstain/PickScore:README.md): transformers' CLIPModel; the cosine times
  exp(logit_scale).
- CLIPScore as in Karine-Huang/T2I-CompBench:CLIPScore_eval/CLIP_similarity.py (ViT-B/32, half precision on a
  GPU), and with other backbones.

Axes: B pictures, D shared space.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor
from transformers import CLIPModel, CLIPTokenizer

from tessera.hub import files_digest
from tessera.scorers.clip.answers import answer, identity
from tessera.scorers.clip.pixels import Pipeline, prepared
from tessera.scorers.clip.tokens import Cleaning, cleaning_word, tokenize
from tessera.scorers.clip.towers import image_features, side, text_features, window
from tessera.scorers.placed import Held, Placement
from tessera.tensors import Scores
from tessera.types import Prompt

WORDLESS = "the prompt has no words"


@dataclass(frozen=True, kw_only=True, slots=True)
class Similarity:
    """One CLIP, with its tokenizer and its way to prepare prompts and pictures."""

    name: str  # as in messages
    towers: Held[CLIPModel]
    tokenizer: CLIPTokenizer
    cleaning: Cleaning
    pipeline: Pipeline
    scaled: bool  # by exp(logit_scale)
    place: Placement
    files: tuple[Path, ...]  # weights, configuration, tokenizer

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns the similarity of each picture and its prompt; NaN where the prompt has no words."""
        texts = [prompt.text for prompt, _ in zip(prompts, images_BHWC, strict=True)]
        value_B = torch.full((len(texts),), float("nan"), dtype=torch.float64)
        reasons = [""] * len(texts)
        if texts:
            with self.towers.at_work() as clip:
                read = self._read(clip, dict.fromkeys(texts))
                reasons = ["" if text in read else WORDLESS for text in texts]
                rows = [row for row, text in enumerate(texts) if text in read]
                for first in range(0, len(rows), self.place.batch_size):
                    some = rows[first : first + self.place.batch_size]
                    pixels_B3HW = prepared(self.pipeline, images_BHWC[some], side(clip))
                    seen_BD = image_features(clip, pixels_B3HW).cpu().double()
                    read_BD = torch.stack([read[texts[row]] for row in some])
                    value_B[some] = (seen_BD * read_BD).sum(-1)
                if self.scaled:
                    value_B *= clip.logit_scale.double().exp().cpu()
        return answer(value_B, reasons, dtype=self.place.dtype, digest=self.digest())

    def _read(self, clip: CLIPModel, texts: Iterable[str]) -> dict[str, Float[Tensor, " D"]]:
        """Returns the feature of each text that has words."""
        length = window(clip, len(self.tokenizer))
        known, step = list(texts), self.place.batch_size
        features: dict[str, Float[Tensor, " D"]] = {}
        for first in range(0, len(known), step):
            some = known[first : first + step]
            rows = tokenize(self.tokenizer, some, cleaning=self.cleaning, length=length)
            read_BD = text_features(clip, rows).cpu().double()
            ends = rows.end_B.tolist()
            # Start and end alone are no prompt.
            features |= {text: read_BD[row] for row, text in enumerate(some) if ends[row] > 1}
        return features

    def digest(self) -> str:
        """Returns a hash of weights, tokenizer, preparation, dtype and scale."""
        return identity(
            "cosine times scale" if self.scaled else "cosine",
            f"text: {cleaning_word(self.cleaning)}",
            f"pixels: {self.pipeline}",
            self.place.dtype,
            files_digest(self.files),
        )
