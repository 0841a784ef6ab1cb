"""Which rows of a batch share a text, and how its columns lie when each text is read once.

Rows of one text mostly lie side by side, and in groups of one size: the samples of a prompt, and under
guidance all rows of the null prompt. What such a group asks of its text's keys is then one larger product.

Axes: U texts of P slots, R rows of C codes, in G groups of W rows; N = U P + R C columns, the texts' first.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Int, Shaped
from torch import Tensor


def group_width(text_R: Int[Tensor, " R"]) -> int:
    """Returns the largest W for which each W rows, counted from the first, have one text; it divides R."""
    changes = (text_R[1:] != text_R[:-1]).nonzero()[:, 0] + 1
    return max(1, math.gcd(len(text_R), *changes.tolist()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """How the N columns of a batch lie."""

    texts: int  # U
    prefix: int  # P
    rows: int  # R
    codes: int  # C
    text_G: Int[Tensor, " G"]  # of each group

    @staticmethod
    def of(texts: int, prefix: int, text_R: Int[Tensor, " R"], codes: int) -> "Columns":
        """Returns the columns of rows whose texts are these, with groups as wide as they can be."""
        return Columns(
            texts=texts,
            prefix=prefix,
            rows=len(text_R),
            codes=codes,
            text_G=text_R[:: group_width(text_R)],
        )

    @property
    def width(self) -> int:
        """W, rows of a group."""
        return self.rows // max(1, len(self.text_G))

    @property
    def sizes(self) -> list[int]:
        """How many columns the texts have, and the codes."""
        return [self.texts * self.prefix, self.rows * self.codes]

    @property
    def plain(self) -> bool:
        """Whether every group has a text of its own, in their order."""
        return len(self.text_G) == self.texts and torch.equal(
            self.text_G, torch.arange(self.texts, device=self.text_G.device)
        )

    def split(
        self, columns: Shaped[Tensor, "N ..."]
    ) -> tuple[Shaped[Tensor, "U P ..."], Shaped[Tensor, "R C ..."]]:
        """Returns what stands in the columns of the texts, and of the codes."""
        texts, codes = columns.split(self.sizes)
        return texts.unflatten(0, (self.texts, self.prefix)), codes.unflatten(0, (self.rows, self.codes))
