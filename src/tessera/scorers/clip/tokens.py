"""Prompts as CLIP reads them: OpenAI's cleaning, byte-pair codes, a fixed window that ends in the end token.

Two tokenizers are in use. That of OpenAI and open_clip mends broken characters (ftfy) and resolves HTML
entities first; that of transformers does neither. Otherwise their ids are equal. The window is padded with 0
up to its whole length: the text tower looks backwards only, and its feature is read at the first end token,
so nothing after that counts, and a row has the same shape whatever stands beside it.

Axes: B rows, L the window.
"""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import CLIPTokenizer

from tessera.errors import CheckpointError

Cleaning = Literal["openai", "none"]

START, END = "<|startoftext|>", "<|endoftext|>"
PAD = 0
# Beside the products of merges: each byte inside a word and at its end, and the two marks.
BASE_CODES = 2 * 256 + 2


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenRows:
    """Prompts as ids, and where each one's first end token stands."""

    ids_BL: Int[Tensor, "B L"]
    end_B: Int[Tensor, " B"]


def cleaned(text: str) -> str:
    """Returns the text as OpenAI's tokenizer cleans it; without ftfy, broken characters stay as they are."""
    if find_spec("ftfy") is not None:
        from ftfy import fix_text  # noqa: PLC0415 # pyright: ignore[reportMissingImports] - only if installed

        text = fix_text(text)
    return html.unescape(html.unescape(text)).strip()


def cleaning_word(cleaning: Cleaning) -> str:
    """Returns what a digest says of the cleaning: some prompts have other ids where ftfy is missing."""
    if cleaning == "none":
        return "none"
    return "openai" if find_spec("ftfy") is not None else "openai without ftfy"


def read_tokenizer(folder: Path) -> CLIPTokenizer:
    """Returns the tokenizer of a folder: vocab.json and merges.txt, or tokenizer.json if one is missing."""
    vocab, merges = folder / "vocab.json", folder / "merges.txt"
    try:
        if vocab.is_file() and merges.is_file():
            codes = json.loads(vocab.read_text(encoding="utf-8"))
            lines = merges.read_text(encoding="utf-8").splitlines()
            pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
        else:
            model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
            codes = model["vocab"]
            pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
        made = {first + second for first, second in pairs}
        whole = made.issubset(codes) and len(codes) == len(pairs) + BASE_CODES and {START, END} <= set(codes)
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder}: the tokenizer cannot be read ({error}); copy it again") from error
    if not whole:
        raise CheckpointError(
            f"{folder}: {len(codes)} codes and {len(pairs)} merges make no whole vocabulary of CLIP; "
            "copy the tokenizer again"
        )
    return CLIPTokenizer(vocab=codes, merges=[tuple(pair) for pair in pairs])  # pyright: ignore[reportArgumentType] - pairs, as its own loader passes them


def tokenize(tokenizer: CLIPTokenizer, texts: Sequence[str], *, cleaning: Cleaning, length: int) -> TokenRows:
    """Returns the texts as rows of `length` ids: start, words, end, padding; what is too long is cut."""
    ids_BL = torch.full((len(texts), length), PAD)
    end_B = torch.zeros(len(texts), dtype=torch.int64)
    end = tokenizer.convert_tokens_to_ids(END)
    for row, text in enumerate(texts):
        words = cleaned(text) if cleaning == "openai" else text
        ids = tokenizer(words, truncation=True, max_length=length)["input_ids"]
        ids_BL[row, : len(ids)] = torch.tensor(ids)
        end_B[row] = ids.index(end)  # the first: a prompt may spell the end token out
    return TokenRows(ids_BL=ids_BL, end_B=end_B)
