"""From rewards to pairs: which rollouts of a prompt are held up as better and worse.

A pair is an ordered couple of one prompt's rollouts whose rewards differ by more than a margin. A tie never
makes one, and neither does a missing reward (NaN). The three ways to choose differ only in which of the
possible pairs they keep.

Axes: P prompts, G samples per prompt, N pairs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tessera.objective.advantage import MIN_GROUP, known_rewards

COUPLES = 1 << 18  # considered at once, some tens of bytes each


@dataclass(frozen=True, kw_only=True, slots=True)
class PairIndex:
    """Pairs as indices into the rewards, ordered by prompt; and the prompts that gave none."""

    prompt: Int[Tensor, " N"]  # in 0 .. P-1
    chosen: Int[Tensor, " N"]  # in 0 .. G-1, the sample of higher reward
    rejected: Int[Tensor, " N"]
    margin: Float[Tensor, " N"]  # reward of chosen minus reward of rejected, above 0
    missing: int  # rollouts without a reward
    empty_groups: int  # prompts with fewer than two known rewards
    no_contrast_groups: int  # prompts with two or more, none further apart than the margin

    def __len__(self) -> int:
        return len(self.prompt)

    def rows(self, group: int) -> tuple[Int[Tensor, " N"], Int[Tensor, " N"]]:
        """Returns the chosen and the rejected rollouts as rows 0 .. P*G-1, the group side by side."""
        return self.prompt * group + self.chosen, self.prompt * group + self.rejected


def widest_pairs(reward_PG: Float[Tensor, "P G"], *, per_prompt: int = 1, margin: float = 0.0) -> PairIndex:
    """Returns each prompt's pairs of largest reward difference; one per prompt is best against worst.

    Among equal differences the lower chosen sample wins, then the lower rejected one, so the result is a
    function of the rewards. A prompt with fewer possible pairs than `per_prompt` gives those; its pairs may
    share a rollout.
    """
    return _in_blocks(
        reward_PG, margin, lambda block_PG: _keep_first(block_PG, _differences(block_PG), per_prompt, margin)
    )


def random_pairs(
    reward_PG: Float[Tensor, "P G"],
    generator: torch.Generator,
    *,
    per_prompt: int = 1,
    margin: float = 0.0,
) -> PairIndex:
    """Returns up to `per_prompt` of each prompt's possible pairs, drawn evenly and without replacement.

    Every couple draws a number whether it can pair or not: a reward changes no other prompt's draw.
    """

    def kept(block_PG: Float[Tensor, "P G"]) -> Bool[Tensor, "P G G"]:
        prompts, samples = block_PG.shape
        draw_PGG = torch.rand(
            prompts, samples, samples, generator=generator, dtype=torch.float64, device=generator.device
        )
        return _keep_first(block_PG, draw_PGG.to(block_PG.device), per_prompt, margin)

    return _in_blocks(reward_PG, margin, kept)


def all_pairs(reward_PG: Float[Tensor, "P G"], *, margin: float = 0.0) -> PairIndex:
    """Returns every possible pair: G(G-1)/2 of a prompt whose rewards are all known and apart."""
    return _in_blocks(reward_PG, margin, lambda block_PG: _possible(block_PG, margin))


def _in_blocks(
    reward_PG: Float[Tensor, "P G"],
    margin: float,
    kept: Callable[[Float[Tensor, "P G"]], Bool[Tensor, "P G G"]],
) -> PairIndex:
    """Returns the pairs that `kept` keeps, some prompts at a time, for there are many couples.

    Prompts do not know of each other, and a generator goes on where it stopped: the blocks change nothing.
    """
    prompts, samples = reward_PG.shape
    size = max(1, COUPLES // samples**2)
    parts, firsts = [], range(0, max(prompts, 1), size)
    for first in firsts:
        block_PG = reward_PG[first : first + size]
        parts.append(_index(block_PG, kept(block_PG), margin))
    return PairIndex(
        prompt=torch.cat([part.prompt + first for first, part in zip(firsts, parts, strict=True)]),
        chosen=torch.cat([part.chosen for part in parts]),
        rejected=torch.cat([part.rejected for part in parts]),
        margin=torch.cat([part.margin for part in parts]),
        missing=sum(part.missing for part in parts),
        empty_groups=sum(part.empty_groups for part in parts),
        no_contrast_groups=sum(part.no_contrast_groups for part in parts),
    )


def _differences(reward_PG: Float[Tensor, "P G"]) -> Float[Tensor, "P G G"]:
    """Returns reward of the first sample minus reward of the second; NaN where either is missing."""
    return reward_PG[:, :, None] - reward_PG[:, None, :]


def _possible(reward_PG: Float[Tensor, "P G"], margin: float) -> Bool[Tensor, "P G G"]:
    """Returns which (chosen, rejected) are further apart than the margin; NaN never is."""
    if margin < 0:
        raise ValueError(f"the margin must be 0 or more, got {margin}: below 0 a pair could be upside down")
    return _differences(reward_PG) > margin


def _keep_first(
    reward_PG: Float[Tensor, "P G"], key_PGG: Float[Tensor, "P G G"], per_prompt: int, margin: float
) -> Bool[Tensor, "P G G"]:
    """Returns which couples are each prompt's possible pairs of largest key."""
    if per_prompt < 1:
        raise ValueError(f"pairs per prompt must be 1 or more, got {per_prompt}")
    possible_PGG = _possible(reward_PG, margin)
    key_PC = torch.where(possible_PGG, key_PGG, -torch.inf).flatten(1)  # C couples, G*G of them
    first_PK = key_PC.argsort(dim=1, descending=True, stable=True)[:, :per_prompt]
    first_PC = torch.zeros_like(key_PC, dtype=torch.bool).scatter_(1, first_PK, value=True)
    return possible_PGG & first_PC.view_as(possible_PGG)


def _index(reward_PG: Float[Tensor, "P G"], kept_PGG: Bool[Tensor, "P G G"], margin: float) -> PairIndex:
    """Returns the kept pairs as indices, with the prompts that have none counted by reason."""
    known_PG = known_rewards(reward_PG)
    empty_P = known_PG.sum(dim=1) < MIN_GROUP
    prompt_N, chosen_N, rejected_N = kept_PGG.nonzero(as_tuple=True)
    return PairIndex(
        prompt=prompt_N,
        chosen=chosen_N,
        rejected=rejected_N,
        margin=reward_PG[prompt_N, chosen_N] - reward_PG[prompt_N, rejected_N],
        missing=int((~known_PG).sum()),
        empty_groups=int(empty_P.sum()),
        no_contrast_groups=int((~empty_P & ~_possible(reward_PG, margin).flatten(1).any(dim=1)).sum()),
    )
