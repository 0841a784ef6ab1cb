"""What a round of GRPO learns from, in memory, and which of its rows are worth a pass.

Log-probabilities that the policy's or the reference's next pass makes anyway are not made before: the first
update of a round writes down what later ones need. Its passes are those of every update, in the same rows and
precision, so at the first update the ratio is 1 and, until something has moved, KL is 0, both exactly.

Axes: B rows, T tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tessera.algorithms.base import Peers
from tessera.tensors import TextBatch


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenBatch:
    """Rollouts with what each is worth. Rows of one group lie side by side."""

    text: TextBatch  # B rows
    tokens_BT: Int[Tensor, "B T"]
    old_logp_BT: Float[Tensor, "B T"]  # under the trained view, by the policy that drew
    old_known: bool = True  # else the first update writes them here: they are its own
    # By the reference. None: each loss makes them; else they are known, or the first update writes them here.
    ref_logp_BT: Float[Tensor, "B T"] | None = None
    ref_known: bool = False
    advantage_B: Float[Tensor, " B"]
    weight_BT: Float[Tensor, "B T"]  # 0 where the reward is missing
    fresh: bool  # the policy is still the one that drew
    images: int  # sampled by all processes, those of replaced groups included
    metrics: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.text)

    def rows(self, start: int, stop: int) -> "TokenBatch":
        """Returns these rows as a batch, as views: what the first update writes is there for the next."""
        piece = slice(start, stop)
        index_B = torch.arange(len(self), device=self.tokens_BT.device)[piece]
        return replace(
            self,
            text=self.text.rows(index_B),
            tokens_BT=self.tokens_BT[piece],
            old_logp_BT=self.old_logp_BT[piece],
            ref_logp_BT=None if self.ref_logp_BT is None else self.ref_logp_BT[piece],
            advantage_B=self.advantage_B[piece],
            weight_BT=self.weight_BT[piece],
        )

    def select(self, index_B: Int[Tensor, " N"]) -> "TokenBatch":
        """Returns the chosen rows, in the order given."""
        return replace(
            self,
            text=self.text.rows(index_B),
            tokens_BT=self.tokens_BT[index_B],
            old_logp_BT=self.old_logp_BT[index_B],
            ref_logp_BT=None if self.ref_logp_BT is None else self.ref_logp_BT[index_B],
            advantage_B=self.advantage_B[index_B],
            weight_BT=self.weight_BT[index_B],
        )


def worthwhile(peers: Peers, weight_BT: Float[Tensor, "B T"]) -> Int[Tensor, " N"]:
    """Returns the rows that have any weight: nothing is learnt, counted or measured of the others.

    Processes take their backward passes together, so who has fewer such rows than another keeps some without.
    """
    kept_B = (weight_BT > 0).any(dim=1)
    most = int(peers.gather(kept_B.sum()[None]).max())
    return kept_B.logical_not().long().argsort(stable=True)[: max(most, 1)].sort().values
