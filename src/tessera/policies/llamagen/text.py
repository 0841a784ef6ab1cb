"""What the prompt says to LlamaGen: a class by its number, or a caption as features of a frozen T5.

The encoder is held once, by the policy and all its copies. It is no module of the policy, so it is neither
trained nor saved with it; its files are part of the policy's digest. It reads each caption by itself, without
padding, so that the features depend on the caption alone, and keeps those of the last captions: a step asks
for the same ones at every pass.

Axes: B rows, P slots, L tokens of one caption, C features of T5.
"""

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor
from transformers import T5EncoderModel

from tessera.errors import CheckpointError, PromptError
from tessera.hub import SAVED, Home, files_digest, found, locate, pretrained
from tessera.policies.llamagen.captions import cleaned, cleaning_word
from tessera.policies.llamagen.config import ENCODER, Captions
from tessera.tensors import TextBatch

HOME = Home(repo=ENCODER, files=("config.json", "tokenizer.json", "|".join(SAVED)), licence="Apache-2.0")
END = "</s>"
NULL = -1  # the id that fills a row of the null caption
PADDING = 0
KEPT = 512  # captions whose features are kept: 1 MB each at most, mostly a tenth of that
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
_CLASS = re.compile(r"(?:class\s+)?(\d+)")


def class_ids(prompts: Sequence[str], count: int) -> TextBatch:
    """Returns classes by number: "207" or "class 207"."""
    numbers = []
    for prompt in prompts:
        match = _CLASS.fullmatch(prompt.strip().lower())
        if match is None or int(match[1]) >= count:
            raise PromptError(
                f"prompt {prompt[:60]!r}: this policy draws classes of ImageNet by their number, 'class 207' "
                f"or '207', at most {count - 1}"
            )
        numbers.append(int(match[1]))
    ids_B1 = torch.tensor(numbers, dtype=torch.long)[:, None]
    return TextBatch(ids=ids_B1, mask=torch.ones_like(ids_B1, dtype=torch.bool))


class TextEncoder:
    """T5 at work: captions to ids, ids to features."""

    def __init__(
        self,
        captions: Captions,
        tokenizer: Tokenizer,
        load: Callable[[], T5EncoderModel],
        digest: Callable[[], str],
    ) -> None:
        self._captions, self._tokenizer, self._load, self._digest = captions, tokenizer, load, digest
        self._model: T5EncoderModel | None = None  # read when it is first asked
        self._kept: OrderedDict[tuple[int, ...], Tensor] = OrderedDict()

    def __deepcopy__(self, memo: dict[int, Any]) -> "TextEncoder":
        """Returns itself: a copy of a policy, such as its reference, asks the same encoder."""
        return self

    def digest(self) -> str:
        """Returns a hash of its files, its precision and the cleaning before it."""
        return f"{self._digest()}/{self._captions.dtype}/{cleaning_word()}"

    def tokenize(self, prompts: Sequence[str]) -> TextBatch:
        """Returns captions as ids at the right end of their slots."""
        slots = self._captions.slots
        ids_BP = torch.full((len(prompts), slots), PADDING)
        mask_BP = torch.zeros(len(prompts), slots, dtype=torch.bool)
        for row, prompt in enumerate(prompts):
            caption = cleaned(prompt)
            if not caption:
                raise PromptError(
                    f"prompt {prompt[:60]!r} has no word that this policy reads: its text encoder is given "
                    "neither Chinese characters nor web addresses nor tags"
                )
            ids = self._tokenizer.encode(caption).ids
            if len(ids) > slots:
                raise PromptError(
                    f"prompt {prompt[:60]!r}... has {len(ids)} tokens; this policy reads at most {slots}"
                )
            ids_BP[row, slots - len(ids) :] = torch.tensor(ids, dtype=torch.long)
            mask_BP[row, slots - len(ids) :] = True
        return TextBatch(ids=ids_BP, mask=mask_BP)

    def features(self, text: TextBatch, null_PC: Float[Tensor, "P C"]) -> Float[Tensor, "B P C"]:
        """Returns each row's features in its slots and 0 where it is padding; the null caption's as given."""
        places: dict[tuple[int, ...], int] = {}  # of the distinct rows
        rows = []
        for ids, mask in zip(text.ids.tolist(), text.mask.tolist(), strict=True):
            key = (NULL,) if ids[0] == NULL else tuple(ids[mask.index(True) :])
            rows.append(places.setdefault(key, len(places)))
        table = null_PC.new_zeros(len(places), *null_PC.shape)
        for key, place in places.items():
            if key == (NULL,):
                table[place] = null_PC
            else:
                table[place, -len(key) :] = self._of(key, null_PC.device)
        return table[torch.tensor(rows, dtype=torch.long, device=null_PC.device)]

    def _of(self, ids: tuple[int, ...], device: torch.device) -> Float[Tensor, "L C"]:
        """Returns the features of one caption, made now or kept."""
        features_LC = self._kept.pop(ids, None)
        if features_LC is None:
            features_LC = self._made(ids, device)
        self._kept[ids] = features_LC  # the newest stands last
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return features_LC.to(device)

    def _made(self, ids: tuple[int, ...], device: torch.device) -> Float[Tensor, "L C"]:
        if self._model is None:
            # Building a model draws from torch's generator; a run must not depend on when it is read.
            with torch.random.fork_rng(devices=[]):
                self._model = self._load().eval().requires_grad_(False)
        self._model.to(device)  # pyright: ignore[reportArgumentType] - transformers' annotation lacks it
        ids_1L = torch.tensor([ids], dtype=torch.long, device=device)
        # The loss may run in autocast and the sampler without: both must get the same features.
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            return self._model(input_ids=ids_1L).last_hidden_state[0]


def read_encoder(captions: Captions) -> TextEncoder:
    """Returns the encoder that the settings name: its files are found now, its weights read when asked."""
    folder = locate(HOME, captions.encoder, "encoder")
    return TextEncoder(
        captions,
        read_tokenizer(folder / "tokenizer.json"),
        lambda: _t5(folder, captions),
        lambda: files_digest(found(HOME, folder)),
    )


def read_tokenizer(path: Path) -> Tokenizer:
    """Returns T5's tokenizer, which ends a text with its end token."""
    try:
        text = path.read_text(encoding="utf-8")
        json.loads(text)  # tokenizers raises a bare Exception for what is no JSON
    except ValueError as error:
        raise CheckpointError(f"{path} cannot be read ({error}); copy it again") from error
    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    end = tokenizer.token_to_id(END)
    if end is None or tokenizer.encode("a").ids[-1:] != [end]:
        raise CheckpointError(f"{path} does not end a text with {END!r}: it is no tokenizer of T5")
    return tokenizer


def _t5(folder: Path, captions: Captions) -> T5EncoderModel:
    model = pretrained(T5EncoderModel, folder, dtype=DTYPES[captions.dtype])
    if model.config.d_model != captions.width:
        raise CheckpointError(
            f"{folder}: this T5 gives {model.config.d_model} features a token, and the policy was trained "
            f"with {captions.width}; use the encoder that it was trained with ({ENCODER})"
        )
    return model
