"""What every vision-language scorer promises, checked on tiny folders.

`Case.load(folder, place)` returns the scorer of a folder that `Case.make(folder, seed)` has filled.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tessera.protocols import Scorer
from tessera.scorers.placed import Placement
from tessera.types import Prompt
from tests.unit.scorers.vlm.tiny import CPU, pictures

PROMPTS = (
    "a red star",
    "two blue rings and a heart",
    "a <|im_end|> sign",
    "a red star",
    "a green cup on a bed",
)
BAD = 2  # the row of the prompt that holds a control token


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One scorer: how its folder is made, and how it is read."""

    make: Callable[[Path, int], Path]
    load: Callable[[Path, Placement], Any]
    holder: Callable[[Any], Any]  # the scorer's `Held`


def prompts() -> list[Prompt]:
    """Returns the five prompts."""
    return [Prompt(id=str(row), text=text) for row, text in enumerate(PROMPTS)]


def check_rows(case: Case, folder: Path) -> None:
    """Each row is what it is alone, in any order, at any batch size; the bad one is NaN, with a reason."""
    rows, images = prompts(), pictures(len(PROMPTS))
    scorer = case.load(folder, CPU)
    assert isinstance(scorer, Scorer)
    together = scorer.score(rows, images)
    assert together.value_B.dtype == torch.float64
    assert torch.isnan(together.value_B).tolist() == [row == BAD for row in range(len(rows))]
    assert [bool(reason) for reason in together.reasons] == [row == BAD for row in range(len(rows))]
    assert "<|im_end|>" in together.reasons[BAD]
    assert len(set(together.value_B.tolist())) == len(rows)  # the same prompt with two pictures, too
    for size in (1, 2, 5):
        again = case.load(folder, replace(CPU, batch_size=size))
        alone = [again.score(rows[row : row + 1], images[row : row + 1]) for row in range(len(rows))]
        torch.testing.assert_close(
            torch.cat([each.value_B for each in alone]), together.value_B, atol=1e-6, rtol=0, equal_nan=True
        )
    order = [3, 0, 4, 1]
    moved = scorer.score([rows[row] for row in order], images[order])
    torch.testing.assert_close(moved.value_B, together.value_B[order], atol=1e-6, rtol=0)


def check_nothing_to_score(case: Case, folder: Path) -> None:
    """No pictures give no scores, and read no weights."""
    scorer = case.load(folder, CPU)
    nothing = scorer.score([], np.zeros((0, 64, 64, 3), dtype=np.uint8))
    assert len(nothing) == 0
    assert not case.holder(scorer).loaded


def check_weights(case: Case, folder: Path) -> None:
    """Weights are read once for all who name the folder, when first needed, and again after release."""
    scorer, twin = case.load(folder, CPU), case.load(folder, CPU)
    holder = case.holder(scorer)
    assert holder is case.holder(twin)
    assert not holder.loaded
    first = scorer.score(prompts()[:1], pictures(1)).value_B
    assert holder.loaded
    with holder.at_work() as model:
        loaded = model
    assert torch.equal(twin.score(prompts()[:1], pictures(1)).value_B, first)
    with holder.at_work() as model:
        assert model is loaded
    holder.release()
    assert not holder.loaded
    assert torch.equal(scorer.score(prompts()[:1], pictures(1)).value_B, first)


def check_digest(case: Case, folder: Path, other: Path) -> None:
    """The digest knows the weights and the dtype, and neither the device's name, batches nor rest."""
    digest = case.load(folder, CPU).digest()
    scorer = case.load(folder, Placement(device=None, batch_size=3, rest="disk"))
    assert scorer.digest() == digest
    assert case.load(folder, replace(CPU, dtype="bfloat16")).digest() != digest
    assert case.load(other, CPU).digest() != digest
    assert case.load(folder, CPU).score(prompts()[:1], pictures(1)).digest == digest


def check_half(case: Case, folder: Path) -> None:
    """In bfloat16 the trunk gives nearly the same number, as a double like any other."""
    half = case.load(folder, replace(CPU, dtype="bfloat16")).score(prompts()[:1], pictures(1)).value_B
    full = case.load(folder, CPU).score(prompts()[:1], pictures(1)).value_B
    assert half.dtype == torch.float64
    assert not torch.equal(half, full)
    torch.testing.assert_close(half, full, atol=0.25, rtol=0.25)
