"""A finished store looked at: what its pairing gave, and what another pairing of the same scores would give.

Reads, and changes nothing.

Axes: P prompts, G samples per prompt.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tessera.config import from_plain
from tessera.data.store import RolloutStore
from tessera.errors import UserError
from tessera.objective.advantage import MIN_GROUP
from tessera.objective.pairing import PairIndex
from tessera.storage import CONFIG
from tessera.tensors import Rollouts
from tessera.types import Prompt, View

STORES = ("rollouts", ".")  # where a run folder has its rounds; a folder may be a store or its rounds itself


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A chosen and a rejected rollout of one prompt, by their rows in the store."""

    place: int  # of the prompt in the round: the same words may be asked twice
    prompt: Prompt
    chosen: int
    rejected: int
    chosen_reward: float
    rejected_reward: float

    @property
    def margin(self) -> float:
        """How far apart the two rewards are."""
        return self.chosen_reward - self.rejected_reward


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredStore:
    """A store whose rollouts are all drawn and scored."""

    store: RolloutStore
    seed: int  # of the round
    prompts: tuple[Prompt, ...]
    reward_PG: Float[Tensor, "P G"]
    rollouts: tuple[Rollouts, ...]  # by part

    @property
    def name(self) -> str:
        """Its folder's: the round."""
        return self.store.folder.name

    def tokens(self, rows: Sequence[int]) -> Int[Tensor, "R T"]:
        """Returns the tokens of these rollouts."""
        return torch.cat([part.tokens for part in self.rollouts])[list(rows)]

    def pairs(self) -> list[Pair]:
        """Returns the pairs that are learnt from; raises a `UserError` if they have not been made."""
        made = self.store.read_pairs()
        if made is None:
            raise UserError(
                f"{self.store.folder} has scores, but no pairs yet. Let its run go on with --resume, or see "
                "what a pairing would give: --pairing widest"
            )
        group = self.reward_PG.shape[1]
        return [
            Pair(
                place=row["chosen_row"] // group,
                prompt=self.prompts[row["chosen_row"] // group],
                chosen=row["chosen_row"],
                rejected=row["rejected_row"],
                chosen_reward=row["chosen_reward"],
                rejected_reward=row["rejected_reward"],
            )
            for row in made
        ]

    def paired(self, index: PairIndex) -> list[Pair]:
        """Returns the pairs that a pairing of the stored scores gives."""
        group = self.reward_PG.shape[1]
        return [
            Pair(
                place=prompt,
                prompt=self.prompts[prompt],
                chosen=prompt * group + chosen,
                rejected=prompt * group + rejected,
                chosen_reward=self.reward_PG[prompt, chosen].item(),
                rejected_reward=self.reward_PG[prompt, rejected].item(),
            )
            for prompt, chosen, rejected in zip(
                index.prompt.tolist(), index.chosen.tolist(), index.rejected.tolist(), strict=True
            )
        ]


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
    group, prompts, rollouts = header["group"], [], []
    for part in parts:
        asked, drawn_part = store.read_rollouts(part)
        prompts += asked[::group]
        rollouts.append(drawn_part)
    value_B = torch.cat([store.read_scores(part).value_B for part in parts])
    return ScoredStore(
        store=store,
        seed=header["seed"],
        prompts=tuple(prompts),
        reward_PG=value_B.view(len(prompts), group),
        rollouts=tuple(rollouts),
    )


def summary(scored: ScoredStore, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Returns what a pairing gave as plain data: counts, margins, and the same by category."""
    known_PG = scored.reward_PG.isfinite()
    unknown = set((known_PG.sum(dim=1) < MIN_GROUP).nonzero().flatten().tolist())
    places: dict[str, list[int]] = {}
    for place, prompt in enumerate(scored.prompts):
        places.setdefault(prompt.category, []).append(place)
    return {
        "store": scored.name,
        "group": scored.reward_PG.shape[1],
        "missing": int((~known_PG).sum()),
        **_counts(range(len(scored.prompts)), pairs, unknown),
        "categories": {
            name: _counts(inside, [pair for pair in pairs if pair.prompt.category == name], unknown)
            for name, inside in places.items()
        },
    }


def _counts(places: Sequence[int], pairs: Sequence[Pair], unknown: set[int]) -> dict[str, Any]:
    """Returns the counts of some prompts, by their places, and of their pairs."""
    paired = {pair.place for pair in pairs}
    too_few = sum(place in unknown for place in places)
    margins = [pair.margin for pair in pairs]
    return {
        "prompts": len(places),
        "paired_prompts": len(paired),
        "no_contrast": len(places) - len(paired) - too_few,  # rewards no further apart than the margin
        "too_few_rewards": too_few,
        "pairs": len(pairs),
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
