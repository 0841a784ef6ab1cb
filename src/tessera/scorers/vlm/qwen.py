"""Qwen2.5-VL, shown pictures and asked one question.

transformers' processor of this model wants a video processor, and so torchvision. Its three steps are done
here: the pictures by its PIL image processor, one `<|image_pad|>` for every 2 x 2 patches, and the positions
by the model's own `get_rope_index`.

Axes: L tokens, N patches, K pictures, D features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from tessera.errors import CheckpointError
from tessera.hub import Home, found, locate, pretrained
from tessera.scorers.pictures import to_pil
from tessera.scorers.placed import Held, Placement, held
from tessera.scorers.vlm.files import MODEL_FILES
from tessera.scorers.vlm.heads import all_logits
from tessera.scorers.vlm.words import AFTER, BEFORE, Words, read_words

PICTURE_START, PICTURE, PICTURE_END = "<|vision_start|>", "<|image_pad|>", "<|vision_end|>"
END, END_OF_TEXT = "<|im_end|>", "<|endoftext|>"
QWEN_FILES = (*MODEL_FILES, "preprocessor_config.json")
QWEN_CONTROLS = (PICTURE_START, PICTURE, PICTURE_END, END_OF_TEXT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Pictures with a question, as the model takes them."""

    ids_1L: Int[Tensor, "1 L"]
    patches_NC: Float[Tensor, "N C"]
    grids_K3: Int[Tensor, "K 3"]  # frames, rows, columns of patches of each picture


@dataclass(frozen=True, kw_only=True, slots=True)
class Qwen:
    """A model in a folder; scorers that name the same folder share its weights."""

    words: Words
    pictures: Qwen2VLImageProcessorPil
    held: Held[Qwen2_5_VLForConditionalGeneration]
    files: tuple[Path, ...]

    def ask(self, question: str, images: Sequence[ndarray], lead: str = "") -> Asked:
        """Returns the pictures, the question after them, and how the answer begins."""
        return asked(self.words, self.pictures, question, images, lead)

    def features(self, model: Qwen2_5_VLForConditionalGeneration, turn: Asked) -> Float[Tensor, " D"]:
        """Returns the features that predict what follows."""
        return self._read(model, turn, positions_of(model, turn)).last_hidden_state[0, -1]

    def answer(self, model: Qwen2_5_VLForConditionalGeneration, turn: Asked, limit: int) -> str:
        """Returns the likeliest answer, token by token, of at most `limit` tokens."""
        ends = [self.words.single(token) for token in (END, END_OF_TEXT)]
        positions_31L = positions_of(model, turn)
        told = self._read(model, turn, positions_31L, use_cache=True)
        position = int(positions_31L.max()) + 1
        written: list[int] = []
        while True:
            token = int(all_logits(model.lm_head, told.last_hidden_state[0, -1]).argmax())
            if token in ends:
                break
            written.append(token)
            if len(written) == limit:
                break
            told = model.model(
                input_ids=torch.tensor([[token]], device=model.device),
                position_ids=torch.full((3, 1, 1), position, device=model.device),
                past_key_values=told.past_key_values,
                use_cache=True,
            )
            position += 1
        return self.words.tokenizer.decode(written, skip_special_tokens=True)

    def _read(
        self,
        model: Qwen2_5_VLForConditionalGeneration,
        turn: Asked,
        positions_31L: Int[Tensor, "3 1 L"],
        use_cache: bool = False,
    ):
        return model.model(
            input_ids=turn.ids_1L.to(model.device),
            pixel_values=turn.patches_NC.to(model.device),
            image_grid_thw=turn.grids_K3.to(model.device),
            position_ids=positions_31L,
            use_cache=use_cache,
        )


def asked(
    words: Words,
    processor: Qwen2VLImageProcessorPil,
    question: str,
    images: Sequence[ndarray],
    lead: str = "",
) -> Asked:
    """Returns pictures and a question in the chat format, a placeholder for every merged patch."""
    seen = processor([to_pil(image_HWC) for image_HWC in images], return_tensors="pt")
    counts = (seen["image_grid_thw"].prod(-1) // processor.merge_size**2).tolist()
    shown = "".join(f"{PICTURE_START}{PICTURE * count}{PICTURE_END}" for count in counts)
    ids = [*words.ids(f"{BEFORE}{shown}{question}{AFTER}"), *(words.ids(lead) if lead else [])]
    return Asked(ids_1L=torch.tensor([ids]), patches_NC=seen["pixel_values"], grids_K3=seen["image_grid_thw"])


def positions_of(model: Qwen2_5_VLForConditionalGeneration, turn: Asked) -> Int[Tensor, "3 1 L"]:
    """Returns the place of each token: time, row and column, the same three for text."""
    ids_1L = turn.ids_1L.to(model.device)
    inner: Any = model.model
    positions_31L, _ = inner.get_rope_index(
        ids_1L,
        mm_token_type_ids=(ids_1L == model.config.image_token_id).int(),
        image_grid_thw=turn.grids_K3.to(model.device),
    )
    return positions_31L


def check_placeholder(words: Words, image_id: int) -> None:
    """Refuses a tokenizer whose placeholder is not the one that the model replaces."""
    if (written := words.single(PICTURE)) != image_id:
        raise CheckpointError(
            f"the tokenizer in {words.folder} writes {PICTURE} as {written}, the model as {image_id}; "
            "take the tokenizer that was published with the weights"
        )


def read_qwen(home: Home, given: str | None, place: Placement) -> Qwen:
    """Returns the model of a home or of the folder that is given instead; its weights are read later."""
    folder = locate(home, given, "weights")
    words = read_words(folder, QWEN_CONTROLS)

    def load() -> Qwen2_5_VLForConditionalGeneration:
        model = pretrained(Qwen2_5_VLForConditionalGeneration, folder, dtype=place.torch_dtype())
        check_placeholder(words, model.config.image_token_id)
        return model

    return Qwen(
        words=words,
        pictures=Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True),
        held=held(("qwen2.5-vl", str(folder.resolve())), load, place),
        files=tuple(found(home, folder)),
    )
