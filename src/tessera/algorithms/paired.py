"""The pairs of a round in memory: each rollout once, however many pairs it is in, until a step asks for some.

Axes: P prompts, B rollouts, N pairs, M of them, T tokens.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tessera.algorithms.base import Context, branches
from tessera.algorithms.collecting import diversity
from tessera.data.store import RolloutStore
from tessera.protocols import Policy
from tessera.sampling.replay import replay_logp
from tessera.tensors import TextBatch
from tessera.types import View


@dataclass(frozen=True, kw_only=True, slots=True)
class PairBatch:
    """Chosen and rejected rollouts of the same prompts, row by row."""

    text: TextBatch  # N rows
    chosen_NT: Int[Tensor, "N T"]
    rejected_NT: Int[Tensor, "N T"]
    chosen_logp_NT: Float[Tensor, "N T"]  # as drawn
    rejected_logp_NT: Float[Tensor, "N T"]
    drawn_by: Literal["reference", "policy", "neither"]  # who stands as it stood when it drew
    # The reference's log-probabilities of the chosen and the rejected rollout. None: each loss makes them.
    ref_logp_N2: Float[Tensor, "N 2"] | None = None

    def __len__(self) -> int:
        return len(self.text)

    def select(self, index_N: Int[Tensor, " M"]) -> "PairBatch":
        """Returns the chosen rows, in the order given."""
        return replace(
            self,
            text=self.text.rows(index_N),
            chosen_NT=self.chosen_NT[index_N],
            rejected_NT=self.rejected_NT[index_N],
            chosen_logp_NT=self.chosen_logp_NT[index_N],
            rejected_logp_NT=self.rejected_logp_NT[index_N],
            ref_logp_N2=None if self.ref_logp_N2 is None else self.ref_logp_N2[index_N],
        )

    def rows(self, start: int, stop: int) -> "PairBatch":
        """Returns these rows as a batch."""
        return self.select(torch.arange(start, min(stop, len(self)), device=self.chosen_NT.device))


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedRollouts:
    """The rollouts of a round that are in a pair, each once: of G pictures there are up to G(G-1)/2 pairs."""

    text: TextBatch  # of their prompts, each once
    tokens_BT: Int[Tensor, "B T"]
    logp_BT: Float[Tensor, "B T"]  # as drawn
    prompt_N: Int[Tensor, " N"]  # of each pair, in `text`
    chosen_N: Int[Tensor, " N"]  # of each pair, in 0 .. B-1
    rejected_N: Int[Tensor, " N"]
    ref_logp_B: Float[Tensor, " B"] | None = None  # the reference's, of whole rollouts, where known


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """All pairs of a round, and the seed of the order in which they are visited."""

    rollouts: PairedRollouts
    drawn_by: Literal["reference", "policy"]
    seed: int
    images: int
    metrics: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.rollouts.prompt_N)

    def select(self, index_M: Int[Tensor, " M"]) -> PairBatch:
        """Returns these pairs, in the order given, on the policy's device."""
        made = self.rollouts
        device = made.text.ids.device
        chosen_M, rejected_M = made.chosen_N[index_M], made.rejected_N[index_M]
        known = made.ref_logp_B
        return PairBatch(
            text=made.text.rows(made.prompt_N[index_M].to(device)),
            chosen_NT=made.tokens_BT[chosen_M].long().to(device),
            rejected_NT=made.tokens_BT[rejected_M].long().to(device),
            chosen_logp_NT=made.logp_BT[chosen_M].to(device),
            rejected_logp_NT=made.logp_BT[rejected_M].to(device),
            drawn_by=self.drawn_by,
            ref_logp_N2=None if known is None else known[torch.stack([chosen_M, rejected_M], 1)].to(device),
        )


def stored_rows(store: RolloutStore) -> tuple[Int[Tensor, " N"], Int[Tensor, " N"]]:
    """Returns the chosen and the rejected rollout of each stored pair, as rows of the store."""
    chosen, rejected = array("q"), array("q")  # there may be millions
    for row in store.read_pairs() or ():
        chosen.append(row["chosen_row"])
        rejected.append(row["rejected_row"])
    return torch.tensor(np.asarray(chosen)), torch.tensor(np.asarray(rejected))


def paired(
    policy: Policy,
    store: RolloutStore,
    parts: int,
    group: int,
    chosen_N: Int[Tensor, " N"],
    rejected_N: Int[Tensor, " N"],
) -> tuple[PairedRollouts, Float[Tensor, " P"]]:
    """Returns the rollouts that these rows of the store pair, and the diversity of every prompt's group."""
    wanted_B = torch.unique(torch.cat([chosen_N, rejected_N]))  # in the order of the store
    first, texts, tokens, logp, varied = 0, [], [], [], []
    for part in range(parts):
        _, rollouts = store.read_rollouts(part)
        varied.append(diversity(rollouts.tokens, group))
        low, high = torch.searchsorted(wanted_B, torch.tensor([first, first + len(rollouts)])).tolist()
        inside = wanted_B[low:high] - first
        texts += [rollouts.prompts[row] for row in torch.unique(inside // group * group).tolist()]
        tokens.append(rollouts.tokens[inside].int())
        logp.append(rollouts.logp[inside])
        first += len(rollouts)
    rollouts = PairedRollouts(
        text=policy.tokenize(texts),
        tokens_BT=torch.cat(tokens),
        logp_BT=torch.cat(logp),
        prompt_N=torch.searchsorted(torch.unique(wanted_B // group), chosen_N // group),
        chosen_N=torch.searchsorted(wanted_B, chosen_N),
        rejected_N=torch.searchsorted(wanted_B, rejected_N),
    )
    return rollouts, torch.cat(varied)


def asked_once(
    context: Context, made: PairedRollouts, view: View, *, visits: int, resumed: bool
) -> PairedRollouts:
    """Returns the rollouts with what the reference says of them, if a round visits them more than once.

    It moves between rounds only, so later visits would ask it the same again.
    """
    if visits <= len(made.tokens_BT):
        return made
    if not resumed:  # a round that was begun before has paid for it
        mine = context.peers.share(made.tokens_BT.numel())
        context.spend("tokens_scored", len(mine) * branches(view))
    with context.phase("replay"):
        return replace(made, ref_logp_B=_reference_logp(context, made, view))


@torch.no_grad()
def _reference_logp(context: Context, made: PairedRollouts, view: View) -> Float[Tensor, " B"]:
    """Returns the reference's log-probability of each rollout; each process makes those of its share.

    A share that ends behind the last rollout repeats it, as all processes must bring as many.
    """
    count, peers = len(made.tokens_BT), context.peers
    prompt_B = torch.empty(count, dtype=torch.long)
    prompt_B[made.chosen_N], prompt_B[made.rejected_N] = made.prompt_N, made.prompt_N
    share = peers.share(-(-count // peers.count) * peers.count)
    device, parts = made.text.ids.device, []
    for index_B in torch.tensor(share).clamp(max=count - 1).split(context.batch_size):
        text = made.text.rows(prompt_B[index_B].to(device))
        tokens_BT = made.tokens_BT[index_B].long().to(device)
        with context.autocast():
            parts.append(replay_logp(context.reference, text, tokens_BT, view).sum(dim=1))
    return peers.gather(torch.cat(parts).cpu())[:count]
