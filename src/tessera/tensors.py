"""Records that hold tensors: what flows from the sampler to whoever learns or measures."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from tessera.types import View


@dataclass(frozen=True, kw_only=True, slots=True)
class TextBatch:
    """Prompts as a policy's own ids. What they mean, and what the null prompt is, belongs to the policy."""

    ids: Int[Tensor, "B L"]
    mask: Bool[Tensor, "B L"]  # True where attended

    def __len__(self) -> int:
        return self.ids.shape[0]

    def rows(self, index_B: Int[Tensor, " N"]) -> "TextBatch":
        """Returns the chosen rows, in the order given."""
        return TextBatch(ids=self.ids[index_B], mask=self.mask[index_B])

    def distinct(self) -> tuple["TextBatch", Int[Tensor, " B"]]:
        """Returns the batch without repetitions, and where in it each row is now."""
        whole = torch.cat([self.ids, self.mask.to(self.ids.dtype)], dim=1)
        rows, place_B = torch.unique(whole, dim=0, return_inverse=True)
        ids, mask = rows.chunk(2, dim=1)
        return TextBatch(ids=ids, mask=mask.bool()), place_B

    def cat(self, other: "TextBatch") -> "TextBatch":
        """Returns both batches in one, this one first."""
        return TextBatch(ids=torch.cat([self.ids, other.ids]), mask=torch.cat([self.mask, other.mask]))


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollouts:
    """Sampled pictures as tokens: the record that everything else is made from.

    `logp` is the log-probability of each token under `view`, as drawn; whoever trains on a rollout must be
    able to replay it from `tokens` alone.
    """

    prompts: tuple[str, ...]  # B
    samples: tuple[int, ...]  # B, the index of the rollout within its prompt
    seeds: tuple[int, ...]  # B
    tokens: Int[Tensor, "B T"]
    logp: Float[Tensor, "B T"]
    view: View
    policy_digest: str

    def __len__(self) -> int:
        return len(self.prompts)

    def rows(self, start: int, stop: int) -> "Rollouts":
        """Returns these rows."""
        piece = slice(start, stop)
        return replace(
            self,
            prompts=self.prompts[piece],
            samples=self.samples[piece],
            seeds=self.seeds[piece],
            tokens=self.tokens[piece],
            logp=self.logp[piece],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """What a reward says of each picture. A picture it could not judge is NaN, with the reason."""

    value_B: Float64[Tensor, " B"]
    reasons: tuple[str, ...]  # B, empty where there is a value
    digest: str  # of the reward
    parts: Mapping[str, Float64[Tensor, " B"]] = field(default_factory=dict)  # raw, where it has several

    def __len__(self) -> int:
        return len(self.reasons)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """A sum with its count. Tallies of micro-batches and of processes add up; a mean of means would not."""

    sum: Float[Tensor, ""]
    count: Float[Tensor, ""]

    def mean(self) -> Float[Tensor, ""]:
        """Returns sum / count; NaN where nothing was counted."""
        return self.sum / self.count


@dataclass(frozen=True, kw_only=True, slots=True)
class LossTerm:
    """A loss before division: whoever updates divides by the count of all micro-batches and processes.

    `sum` carries the gradient. `count` depends on masks and weights alone, so the global one is known before
    the first backward pass. Metrics carry no gradient.
    """

    sum: Float[Tensor, ""]
    count: Float[Tensor, ""]
    metrics: Mapping[str, Tally] = field(default_factory=dict)
