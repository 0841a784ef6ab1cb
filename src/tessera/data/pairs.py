"""A finished store looked at: what its pairing gave, and what another pairing of the same scores would give.

Reads, and changes nothing.

Axes: P prompts, G samples per prompt, N pairs, T tokens.
"""

import json
import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from numpy import ndarray
from torch import Tensor

from tessera.config import from_plain
from tessera.data.store import RolloutStore
from tessera.errors import UserError
from tessera.objective.advantage import MIN_GROUP
from tessera.objective.pairing import PairIndex
from tessera.storage import CONFIG
from tessera.types import Prompt, View

STORES = ("rollouts", ".")  # where a run folder has its rounds; a folder may be a store or its rounds itself


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A chosen and a rejected rollout of one prompt, by their rows in the store."""

    prompt: Prompt
    chosen: int
    rejected: int
    chosen_reward: float
    rejected_reward: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PairColumns:
    """All pairs of a store, in the order of its prompts: there may be millions."""

    chosen_N: Int64[ndarray, " N"]  # rows in the store
    rejected_N: Int64[ndarray, " N"]
    chosen_reward_N: Float64[ndarray, " N"]
    rejected_reward_N: Float64[ndarray, " N"]

    def __len__(self) -> int:
        return len(self.chosen_N)

    @property
    def margins(self) -> Float64[ndarray, " N"]:
        """How far apart the two rewards are."""
        return self.chosen_reward_N - self.rejected_reward_N


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredStore:
    """A store whose rollouts are all drawn and scored; they themselves are read when they are asked for."""

    store: RolloutStore
    seed: int  # of the round
    prompts: tuple[Prompt, ...]
    reward_PG: Float[Tensor, "P G"]
    prompts_per_part: int

    @property
    def name(self) -> str:
        """Its folder's: the round."""
        return self.store.folder.name

    @property
    def group(self) -> int:
        """How many rollouts each prompt has."""
        return self.reward_PG.shape[1]

    def pair(self, pairs: PairColumns, number: int) -> Pair:
        """Returns one of the pairs."""
        chosen = int(pairs.chosen_N[number])
        return Pair(
            prompt=self.prompts[chosen // self.group],
            chosen=chosen,
            rejected=int(pairs.rejected_N[number]),
            chosen_reward=float(pairs.chosen_reward_N[number]),
            rejected_reward=float(pairs.rejected_reward_N[number]),
        )

    def tokens(self, pair: Pair) -> Int[Tensor, "2 T"]:
        """Returns the tokens of the chosen rollout and of the rejected one."""
        part, first = divmod(pair.chosen, self.prompts_per_part * self.group)
        _, rollouts = self.store.read_rollouts(part)
        return rollouts.tokens[[first, first + pair.rejected - pair.chosen]]

    def pairs(self) -> PairColumns:
        """Returns the pairs that are learnt from; raises a `UserError` if they have not been made."""
        made = self.store.read_pairs()
        if made is None:
            raise UserError(
                f"{self.store.folder} has scores, but no pairs yet. Let its run go on with --resume, or see "
                "what a pairing would give: --pairing widest"
            )
        rows, rewards = (array("q"), array("q")), (array("d"), array("d"))
        for row in made:
            for side, rows_N, reward_N in zip(("chosen", "rejected"), rows, rewards, strict=True):
                rows_N.append(row[f"{side}_row"])
                reward_N.append(row[f"{side}_reward"])
        return PairColumns(
            chosen_N=np.array(rows[0], dtype=np.int64),
            rejected_N=np.array(rows[1], dtype=np.int64),
            chosen_reward_N=np.array(rewards[0]),
            rejected_reward_N=np.array(rewards[1]),
        )

    def paired(self, index: PairIndex) -> PairColumns:
        """Returns the pairs that a pairing of the stored scores gives."""
        chosen_N, rejected_N = index.rows(self.group)
        reward_B = self.reward_PG.flatten()
        return PairColumns(
            chosen_N=chosen_N.numpy(),
            rejected_N=rejected_N.numpy(),
            chosen_reward_N=reward_B[chosen_N].numpy(),
            rejected_reward_N=reward_B[rejected_N].numpy(),
        )


def find_stores(folder: Path) -> list[Path]:
    """Returns the stores in a run folder, or the store that the folder is, in the order of rounds."""
    if not folder.is_dir():
        raise UserError(
            f"{folder} is no folder. `tessera train mosaic-dpo --out {folder}` makes one with pairs"
        )
    for place in (folder / name for name in STORES):
        rounds = sorted(path for path in place.glob("round_*") if (path / CONFIG).is_file())
        if rounds:
            return rounds
        if (place / CONFIG).is_file() and "prompts_per_part" in _header(place):
            return [place]
    raise UserError(
        f"{folder} holds no rollouts to pair. Give the folder of a DPO run that has begun, or a store "
        "(RUN/rollouts/round_000); GRPO keeps none on the disk"
    )


def read_scored(folder: Path) -> ScoredStore:
    """Returns the store in a folder; raises a `UserError` that says how far it is, if it is not finished."""
    header = _header(folder)
    view = from_plain(View, header["view"], where=str(folder / CONFIG))
    store = RolloutStore(folder, view, header["policy_digest"], header["reward_digest"])
    parts = range(math.ceil(header["prompts"] / header["prompts_per_part"]))
    drawn, scored = (sum(has(part) for part in parts) for has in (store.has_rollouts, store.has_scores))
    if min(drawn, scored) < len(parts):
        raise UserError(
            f"{folder} is not finished: of {len(parts)} parts {drawn} are drawn and {scored} are scored. "
            "Go on where it stopped, with the `tessera train` line of its run and --resume"
        )
    group = header["group"]
    prompts = [prompt for part in parts for prompt in store.read_prompts(part, group)]
    value_B = torch.cat([store.read_scores(part).value_B for part in parts])
    return ScoredStore(
        store=store,
        seed=header["seed"],
        prompts=tuple(prompts),
        reward_PG=value_B.view(len(prompts), group),
        prompts_per_part=header["prompts_per_part"],
    )


def summary(scored: ScoredStore, pairs: PairColumns) -> dict[str, Any]:
    """Returns what a pairing gave as plain data: counts, margins, and the same by category."""
    known_PG = scored.reward_PG.isfinite()
    unknown_P = (known_PG.sum(dim=1) < MIN_GROUP).numpy()
    numbers: dict[str, int] = {}
    category_P = np.array(
        [numbers.setdefault(each.category, len(numbers)) for each in scored.prompts], dtype=np.int64
    )
    place_N, margin_N = pairs.chosen_N // scored.group, pairs.margins
    # The pairs of a category side by side, in their order: one sort, however many categories there are.
    category_N = category_P[place_N]
    order_N = np.argsort(category_N, kind="stable")
    ends = np.searchsorted(category_N[order_N], np.arange(len(numbers) + 1)).tolist()
    prompts, too_few = (
        np.bincount(category_P, weights=weight_P, minlength=len(numbers)).astype(int).tolist()
        for weight_P in (None, unknown_P)
    )
    return {
        "store": scored.name,
        "group": scored.group,
        "missing": int((~known_PG).sum()),
        **_counts(len(scored.prompts), int(unknown_P.sum()), place_N, margin_N),
        "categories": {
            name: _counts(prompts[number], too_few[number], place_N[mine_M], margin_N[mine_M])
            for name, number in numbers.items()
            for mine_M in (order_N[ends[number] : ends[number + 1]],)
        },
    }


def _counts(
    prompts: int, too_few: int, place_N: Int64[ndarray, " N"], margin_N: Float64[ndarray, " N"]
) -> dict[str, Any]:
    """Returns the counts of so many prompts, and of their pairs by place of prompt and margin."""
    paired, margins = len(np.unique(place_N)), margin_N.tolist()
    return {
        "prompts": prompts,
        "paired_prompts": paired,
        "no_contrast": prompts - paired - too_few,  # rewards no further apart than the margin
        "too_few_rewards": too_few,
        "pairs": len(margins),
        "mean_margin": sum(margins) / len(margins) if margins else None,
        "narrowest": min(margins, default=None),
        "widest": max(margins, default=None),
    }


def _header(folder: Path) -> Mapping[str, Any]:
    path = folder / CONFIG
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path} is not whole ({error}); delete {folder}, and its run makes it again"
        ) from error
