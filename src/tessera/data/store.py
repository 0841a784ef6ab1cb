"""Rollouts on disk, with their scores and pairs: what offline training is made of, stage by stage.

    config.json             what all of it depends on
    part_00003.safetensors  tokens and log-probabilities as drawn of some prompts' rollouts
    part_00003.jsonl        one line per rollout: prompt, sample, seed
    scores_00003.jsonl      one line per rollout: value (null is missing), reason, parts if there are several
    pairs.jsonl             one line per pair: prompt, samples, rewards; rows count over all parts

A file is whole or absent, and a stage makes what is absent. So every stage resumes by itself, and deleting
the scores or the pairs is how to make them again, without sampling again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float64
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tessera.config import from_plain, to_plain
from tessera.errors import CheckpointError
from tessera.objective.pairing import PairIndex
from tessera.storage import full_disk_told, open_in_place, read_jsonl, write_lines
from tessera.tensors import Rollouts, Scores
from tessera.types import Prompt, View

PAIRS = "pairs.jsonl"
BLOCK = 1 << 14  # pairs written at once: there may be millions


@dataclass(frozen=True, slots=True)
class RolloutStore:
    """A folder of rollouts by one policy under one view, in numbered parts."""

    folder: Path
    view: View
    policy_digest: str
    reward_digest: str

    @staticmethod
    def open(
        folder: Path, settings: Mapping[str, Any], view: View, policy: str, reward: str
    ) -> "RolloutStore":
        """Returns the store, made with these settings now or before; refuses one of others."""
        header = {**settings, "view": to_plain(view), "policy_digest": policy, "reward_digest": reward}
        open_in_place(folder, header, resume=True)
        return RolloutStore(folder, view, policy, reward)

    def has_rollouts(self, part: int) -> bool:
        """Returns whether the part has been sampled."""
        return self._tensors(part).exists()

    def write_rollouts(self, part: int, prompts: Sequence[Prompt], rollouts: Rollouts) -> None:
        """Writes a part; `prompts` has one entry per rollout."""
        rows = [
            {**asdict(prompt), "sample": sample, "seed": seed}
            for prompt, sample, seed in zip(prompts, rollouts.samples, rollouts.seeds, strict=True)
        ]
        final = self._tensors(part)
        temporary = final.with_name(f".{final.name}")
        with full_disk_told(self.folder):
            write_lines(final.with_suffix(".jsonl"), rows)
            save_file({"tokens": rollouts.tokens.int(), "logp": rollouts.logp}, temporary)
            temporary.replace(final)  # last: it says that the part is there

    def read_rollouts(self, part: int) -> tuple[list[Prompt], Rollouts]:
        """Returns a part: the prompt of each rollout, and the rollouts."""
        path = self._tensors(part)
        try:
            tensors = load_file(path)
        except SafetensorError as error:
            raise CheckpointError(
                f"{path} is damaged ({error}); delete it, and it is sampled again"
            ) from error
        rows = self._rows(part)
        prompts = self._prompts(part, rows)
        rollouts = Rollouts(
            prompts=tuple(prompt.text for prompt in prompts),
            samples=tuple(row["sample"] for row in rows),
            seeds=tuple(row["seed"] for row in rows),
            tokens=tensors["tokens"].long(),
            logp=tensors["logp"],
            view=self.view,
            policy_digest=self.policy_digest,
        )
        return prompts, rollouts

    def read_prompts(self, part: int, group: int) -> list[Prompt]:
        """Returns the prompts of a part, each of which has so many rollouts."""
        return self._prompts(part, self._rows(part)[::group])

    def has_scores(self, part: int) -> bool:
        """Returns whether the part has been scored."""
        return self._scores(part).exists()

    def write_scores(self, part: int, scores: Scores) -> None:
        """Writes a part's scores, in the order of its rollouts."""
        rows: list[dict[str, Any]] = [
            {"value": value, "reason": reason}
            for value, reason in zip(scores.value_B.tolist(), scores.reasons, strict=True)
        ]
        for name, part_B in scores.parts.items():
            for row, value in zip(rows, part_B.tolist(), strict=True):
                row.setdefault("parts", {})[name] = value
        with full_disk_told(self.folder):
            write_lines(self._scores(part), rows)

    def read_scores(self, part: int) -> Scores:
        """Returns a part's scores."""
        rows = list(read_jsonl(self._scores(part)))
        names = rows[0].get("parts", {}) if rows else {}
        return Scores(
            value_B=_numbers(row["value"] for row in rows),
            reasons=tuple(row["reason"] for row in rows),
            digest=self.reward_digest,
            parts={name: _numbers(row["parts"][name] for row in rows) for name in names},
        )

    def write_pairs(self, pairs: PairIndex, prompts: Sequence[Prompt], reward_PG: torch.Tensor) -> None:
        """Writes the pairs, with what a reader wants to see of each; `prompts` has one entry per group."""
        columns = (
            pairs.prompt,
            *pairs.rows(reward_PG.shape[1]),
            reward_PG[pairs.prompt, pairs.chosen],
            reward_PG[pairs.prompt, pairs.rejected],
        )
        rows = (
            {
                "prompt": prompts[prompt].text,
                "category": prompts[prompt].category,
                "chosen_row": chosen,
                "rejected_row": rejected,
                "chosen_reward": chosen_reward,
                "rejected_reward": rejected_reward,
            }
            for block in zip(*(column.split(BLOCK) for column in columns), strict=True)
            for prompt, chosen, rejected, chosen_reward, rejected_reward in zip(
                *(column.tolist() for column in block), strict=True
            )
        )
        with full_disk_told(self.folder):
            write_lines(self.folder / PAIRS, rows)

    def read_pairs(self) -> Iterator[dict[str, Any]] | None:
        """Returns the pairs one by one, or None if they have not been made."""
        path = self.folder / PAIRS
        return read_jsonl(path) if path.exists() else None

    def _rows(self, part: int) -> list[dict[str, Any]]:
        return list(read_jsonl(self._tensors(part).with_suffix(".jsonl")))

    def _prompts(self, part: int, rows: Sequence[Mapping[str, Any]]) -> list[Prompt]:
        names, where = ("id", "text", "category", "metadata"), str(self._tensors(part))
        return [from_plain(Prompt, {name: row[name] for name in names}, where=where) for row in rows]

    def _tensors(self, part: int) -> Path:
        return self.folder / f"part_{part:05d}.safetensors"

    def _scores(self, part: int) -> Path:
        return self.folder / f"scores_{part:05d}.jsonl"


def _numbers(values: Iterable[float | None]) -> Float64[torch.Tensor, " B"]:
    """Returns values as they stand in a file, where null is missing."""
    return torch.tensor([float("nan") if value is None else value for value in values], dtype=torch.float64)
