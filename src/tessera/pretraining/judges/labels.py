"""What the exact verifier says of a picture, in the form that judges learn from.

Beside the verdict there are two dense labels, which cost nothing here: what every patch shows, and for every
word of the prompt whether the fact that it names holds.

Axes: N pictures, L word slots, T patches, A attributes of a look.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from torch import Tensor

from tessera.scorers.judges.judge import word_ids
from tessera.scorers.judges.sizes import GRID, TEXT_SLOTS
from tessera.types import Grade
from tessera.world.grammar import parse, split_words
from tessera.world.scene import COLORS, SHAPES, SIZES, TEXTURES
from tessera.world.verify import Reading, read, verify

# Values of each attribute of a look; class 0 stands for a patch that shows no whole piece.
ATTRIBUTES = (SHAPES, COLORS, TEXTURES, SIZES)
NOTHING = -1  # a word without a fact
_RELATIONS = frozenset({"left", "right", "top", "bottom", "above", "below"})  # one in every position's words


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """Pictures with the prompts they were made for, `group` of one prompt side by side."""

    group: int
    images: UInt8[ndarray, "N H W 3"]
    ids: Int[Tensor, "N L"]
    strict: Float[Tensor, " N"]
    soft: Float[Tensor, " N"]
    words: Int[Tensor, "N L"]  # 1 the word's fact holds, 0 it does not, NOTHING
    looks: Int[Tensor, "N T A"]

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, index_N: Int[Tensor, " N"]) -> "Labelled":
        """Returns the chosen rows in the order given; whole groups, or the claim of `group` is lost."""
        return Labelled(
            group=self.group,
            images=self.images[index_N.numpy()],
            ids=self.ids[index_N],
            strict=self.strict[index_N],
            soft=self.soft[index_N],
            words=self.words[index_N],
            looks=self.looks[index_N],
        )


def join(parts: Sequence[Labelled]) -> Labelled:
    """Returns the pictures of all parts in one record; their groups must be of one size."""
    group = parts[0].group
    if any(part.group != group for part in parts):
        raise ValueError(f"groups of {sorted({part.group for part in parts})} do not belong in one record")
    return Labelled(
        group=group,
        images=np.concatenate([part.images for part in parts]),
        ids=torch.cat([part.ids for part in parts]),
        strict=torch.cat([part.strict for part in parts]),
        soft=torch.cat([part.soft for part in parts]),
        words=torch.cat([part.words for part in parts]),
        looks=torch.cat([part.looks for part in parts]),
    )


def label(texts: Sequence[str], images_NHWC: UInt8[ndarray, "N H W 3"], group: int) -> Labelled:
    """Returns the pictures with everything the verifier says of them."""
    readings = read(images_NHWC)
    grades = [verify(parse(text), reading) for text, reading in zip(texts, readings, strict=True)]
    return Labelled(
        group=group,
        images=images_NHWC,
        ids=torch.tensor([word_ids(text) for text in texts]).reshape(-1, TEXT_SLOTS),
        strict=torch.tensor([grade.strict for grade in grades], dtype=torch.float32),
        soft=torch.tensor([grade.soft for grade in grades], dtype=torch.float32),
        words=torch.from_numpy(np.stack([word_facts(*row) for row in zip(texts, grades, strict=True)])),
        looks=torch.from_numpy(np.stack([patch_looks(reading) for reading in readings])),
    )


def word_facts(text: str, grade: Grade) -> Int[ndarray, " L"]:
    """Returns for each word whether the fact that it names holds.

    Facts and words come in the same order, phrase by phrase: the noun's fact first (a `shape` or a `count`),
    then those of its attributes, which stand before it.
    """
    words = split_words(text)
    facts_L = np.full(TEXT_SLOTS, NOTHING, dtype=np.int64)
    nouns = [place for place, word in enumerate(words) if word.removesuffix("s") in SHAPES]
    start, phrase = 0, -1
    for fact in grade.facts:
        if fact.kind in ("shape", "count"):
            phrase += 1
            start = nouns[phrase - 1] + 1 if phrase else 0
            facts_L[nouns[phrase]] = fact.holds
        elif fact.kind in ("color", "texture", "size"):
            wanted = fact.text.rpartition(": ")[2]
            facts_L[words.index(wanted, start, nouns[phrase])] = fact.holds
        elif fact.kind == "relation":
            between = range(nouns[0], nouns[1])
            facts_L[next(p for p in between if words[p] in _RELATIONS)] = fact.holds
    # The last fact, "nothing else", has no word: the last slot of the window stands for it.
    facts_L[-1] = grade.facts[-1].holds
    return facts_L


def patch_looks(reading: Reading) -> Int[ndarray, "T A"]:
    """Returns for each patch the attributes of the piece on it, counted from 1; 0 where there is none."""
    looks_RCA = np.zeros((GRID, GRID, len(ATTRIBUTES)), dtype=np.int64)
    for piece in reading.pieces:
        look = (piece.look.shape, piece.look.color, piece.look.texture, piece.look.size)
        values = [known.index(value) + 1 for known, value in zip(ATTRIBUTES, look, strict=True)]
        looks_RCA[piece.row : piece.row + piece.span, piece.col : piece.col + piece.span] = values
    return looks_RCA.reshape(-1, len(ATTRIBUTES))
