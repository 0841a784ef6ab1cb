"""Tiny checkpoints, words and pictures for the tests of BLIP's and GIT's scorers; nothing is downloaded."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from tests.outside import example_pictures
from tests.unit.scorers.blip.reference import Sizes, State

REPO = Path(__file__).parents[4]

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [
    "no", "yes", "?", "a", "the", "red", "blue", "green", "car", "dog", "cat", "star", "two", "on", "of",
    "and", "big", "small", "round", "table", "with",
]  # fmt: skip
PARTS = ["##s", "##ed", ",", ".", "'"]
VOCABULARY = [*SPECIAL, *WORDS, *PARTS, *(f"[unused{i}]" for i in range(9))]
SIZES = Sizes(pieces=len(VOCABULARY))


def words_folder(folder: Path, vocabulary: Sequence[str] = VOCABULARY) -> Path:
    """Returns a folder with a vocabulary."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in vocabulary), encoding="utf-8")
    return folder


def saved(folder: Path, name: str, state: State, under: str | None = None) -> Path:
    """Returns a folder with a torch file of these weights, as the authors publish them."""
    folder.mkdir(exist_ok=True, parents=True)
    torch.save({under: state} if under else state, folder / name)  # noqa: TID251 - makes what is read
    return folder


def ids_of(text: str) -> list[int]:
    """Returns the ids of words that the vocabulary holds whole."""
    return [VOCABULARY.index(word) for word in text.split()]


def padded_ids(rows: Sequence[Sequence[int]], length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns rows of ids padded on the right, and their mask."""
    ids = torch.tensor([[*row, *[0] * (length - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
    return ids, mask


def pictures(count: int, height: int = 30, width: int = 37) -> NDArray[np.uint8]:
    """Returns smooth random pictures: noise, enlarged."""
    rng = np.random.default_rng(count)
    small = rng.integers(0, 256, size=(count, 6, 6, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(each).resize((width, height))) for each in small])


def real_pictures() -> list[Image.Image]:
    """Returns the four pictures of ImageReward's README; skips where the data directory is not there."""
    return [Image.open(path).convert("RGB") for path in example_pictures()]
