"""The page of a pairing: how many pairs, and pairs to look at, the chosen picture beside the rejected one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from tessera.report.film import mark
from tessera.report.images import data_uri
from tessera.report.numbers import MISSING
from tessera.report.theme import render


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One picture of a pair; `strict` is the verifier's verdict, NaN where it has none."""

    image_HWC: UInt8[ndarray, "H W 3"]
    reward: float
    strict: float
    failed: tuple[str, ...]

    @property
    def uri(self) -> str:
        """All of the picture."""
        return data_uri(self.image_HWC)

    @property
    def mark(self) -> str:
        """Right, wrong or open (no verdict)."""
        return mark(self.strict)


@dataclass(frozen=True, kw_only=True, slots=True)
class PairCard:
    """A pair with its pictures."""

    prompt: str
    category: str
    store: str
    chosen: Side
    rejected: Side

    @property
    def margin(self) -> float:
        """How far apart the two rewards are."""
        return self.chosen.reward - self.rejected.reward


def pairs_page(
    name: str,
    pairing: str,
    summaries: Sequence[Mapping[str, Any]],
    cards: Sequence[PairCard],
) -> str:
    """Returns the page as HTML: `cards` are shown as given, in groups that `widest_and_narrowest` chose."""
    pairs = sum(summary["pairs"] for summary in summaries)
    half = -(-len(cards) // 2)
    groups = [("The widest margins", cards[:half]), ("The narrowest margins", cards[half:])]
    return render(
        "pairs.html",
        title=f"Pairs of {name}",
        pairing=pairing,
        summaries=summaries,
        pairs=pairs,
        groups=[(title, shown) for title, shown in groups if shown],
        number=reward_number,
    )


def widest_and_narrowest(margin_N: Float64[ndarray, " N"], most: int) -> list[int]:
    """Returns the places of at most so many margins, widest first: half from either end, the middle left out.

    Among equal margins the order given decides, so the choice does not depend on how a pair looks.
    """
    order_N = np.argsort(-margin_N, kind="stable")
    if len(order_N) > most:
        low = most // 2
        order_N = np.concatenate([order_N[: most - low], order_N[len(order_N) - low :]])
    return order_N.tolist()


def pairing_lines(summary: Mapping[str, Any]) -> list[str]:
    """Returns what a pairing gave as lines for a terminal."""
    width = max(14, *(len(name) for name in summary["categories"])) + 2
    head = f"{'':<{width}}  prompts  with pairs  no contrast  too few rewards  pairs  mean margin"
    lines = [f"{summary['store']}: {summary['group']} pictures of each prompt", head]
    for name, row in (*summary["categories"].items(), ("overall", summary)):
        lines.append(
            f"  {name:<{width - 2}}  {row['prompts']:>7}  {row['paired_prompts']:>10}"
            f"  {row['no_contrast']:>11}  {row['too_few_rewards']:>15}  {row['pairs']:>5}"
            f"  {reward_number(row['mean_margin']):>11}"
        )
    lines.append(
        f"Margins run from {reward_number(summary['narrowest'])} to {reward_number(summary['widest'])}; "
        f"{summary['missing']} of {summary['prompts'] * summary['group']} rewards are missing."
    )
    return [*lines, ""]


def reward_number(value: float | None) -> str:
    """Returns a reward or a margin as it is written."""
    return MISSING if value is None or math.isnan(value) else f"{value:.2f}"
