"""DPO: sample, score and pair once, into a store on disk; then make the better of each pair likelier.

    loss = -log sigmoid(beta h),  h = log-ratio of the chosen rollout - log-ratio of the rejected one
    (arXiv:2305.18290, equation 7)

with the family's variants by TRL's names (docs/objectives.md). The reference is what drew, so the data is
on-policy at the first step. Pairs store the drawn tokens; nothing is ever encoded from pixels again.

Axes: P prompts, G samples per prompt, N pairs, B rows, T tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tessera.algorithms.base import (
    MAX_REPLAY_GAP,
    Context,
    LogpView,
    check_gap,
    require_unfiltered,
    trained_view,
)
from tessera.algorithms.collecting import group_requests, judge, reward_spread
from tessera.config import config
from tessera.data.store import RolloutStore
from tessera.errors import TrainingError, UserError
from tessera.objective.kl import entropy
from tessera.objective.pairing import PairIndex, all_pairs, random_pairs, widest_pairs
from tessera.objective.policy import token_logp
from tessera.objective.preference import (
    SMOOTHED,
    PairLogp,
    PreferenceType,
    preference_loss,
    preference_metrics,
    sft,
)
from tessera.objective.reduce import tally
from tessera.protocols import Policy
from tessera.rewards.ask import refuse_missing
from tessera.rng import derive_seed
from tessera.sampling.decode import replay_distribution, replay_logp
from tessera.sampling.sampler import concatenate, sample
from tessera.tensors import LossTerm, Rollouts, Scores, TextBatch
from tessera.types import Prompt, View

STORE = "rollouts"


@config
class DPOConfig:
    """What is drawn, how it is paired, and how pairs are learnt from."""

    kind: Literal["dpo"] = "dpo"
    prompts: int = 400  # P
    group: int = 8  # G
    pairing: Literal["widest", "random", "all"] = "widest"  # widest, one per prompt: best against worst
    pairs_per_prompt: int = 1  # of `widest` and `random`
    margin: float = 0.0  # rewards of a pair are further apart than this
    pairs_per_step: int = 32
    loss_type: PreferenceType = "sigmoid"
    beta: float = 0.1
    label_smoothing: float = 0.0
    gamma: float = 0.0  # target margin of `simpo`
    sft_weight: float = 0.0  # of the chosen rollout's negative log-likelihood per token
    logp_view: LogpView = "guided"
    max_replay_gap: float = MAX_REPLAY_GAP

    def __post_init__(self) -> None:
        if self.group < 2:
            raise UserError(f"a pair needs two pictures of a prompt, got group={self.group}")
        for name in ("prompts", "pairs_per_prompt", "pairs_per_step"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if not self.beta > 0:
            raise UserError(f"beta must be above 0, got {self.beta}")
        if self.margin < 0 or self.sft_weight < 0:
            raise UserError("margin and sft_weight must be 0 or more")
        if self.pairing == "all" and self.pairs_per_prompt != 1:
            raise UserError("pairing=all takes every pair; leave pairs_per_prompt at 1")
        if self.label_smoothing and self.loss_type not in SMOOTHED:
            raise UserError(f"{self.loss_type} has no label smoothing; set it to 0")
        if not 0 <= self.label_smoothing < 0.5:
            raise UserError(f"label_smoothing must lie in [0, 0.5), got {self.label_smoothing}")
        if self.gamma and self.loss_type != "simpo":
            raise UserError(f"{self.loss_type} has no target margin; set gamma to 0 or use simpo")


@dataclass(frozen=True, kw_only=True, slots=True)
class PairBatch:
    """Chosen and rejected rollouts of the same prompts, row by row."""

    text: TextBatch  # N rows
    chosen_NT: Int[Tensor, "N T"]
    rejected_NT: Int[Tensor, "N T"]
    chosen_logp_NT: Float[Tensor, "N T"]  # as drawn
    rejected_logp_NT: Float[Tensor, "N T"]

    def __len__(self) -> int:
        return len(self.text)

    def select(self, index_N: Int[Tensor, " M"]) -> "PairBatch":
        """Returns the chosen rows, in the order given."""
        return PairBatch(
            text=self.text.rows(index_N),
            chosen_NT=self.chosen_NT[index_N],
            rejected_NT=self.rejected_NT[index_N],
            chosen_logp_NT=self.chosen_logp_NT[index_N],
            rejected_logp_NT=self.rejected_logp_NT[index_N],
        )

    def rows(self, start: int, stop: int) -> "PairBatch":
        """Returns these rows as a batch."""
        return self.select(torch.arange(start, min(stop, len(self)), device=self.chosen_NT.device))


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """All pairs of a run, and the seed of the order in which they are visited."""

    batch: PairBatch
    seed: int
    images: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class DPO:
    """The algorithm, for pictures drawn under `view`, in one round of `steps` steps."""

    settings: DPOConfig
    view: View
    steps: int

    def __post_init__(self) -> None:
        require_unfiltered(self.view)

    @property
    def trained_view(self) -> View:
        """The view whose log-probabilities are trained."""
        return trained_view(self.view, self.settings.logp_view)

    @property
    def steps_per_round(self) -> int:
        """All steps: what was collected serves the whole run."""
        return self.steps

    def collect(self, context: Context, round_: int) -> Pairs:
        """Returns the pairs, made stage by stage where the store lacks them."""
        settings = self.settings
        seed = derive_seed("round", context.seed, round_)
        store = RolloutStore.open(
            context.folder / STORE,
            {
                "prompts": settings.prompts,
                "group": settings.group,
                "prompts_per_part": len(self._parts(context)[0]),
                "seed": seed,
            },
            self.view,
            context.reference.digest(),
            context.reward.digest(),
        )
        prompts = context.prompts(round_ * settings.prompts, settings.prompts)
        rollouts = self._draw(context, store, prompts, seed)
        scores = self._score(context, store, len(prompts))
        missing = refuse_missing(scores, context.max_missing, context.reward.name)
        reward_PG = scores.value_B.view(settings.prompts, settings.group)
        index = self._pair(reward_PG, seed)
        rows = store.read_pairs()
        if rows is None:
            store.write_pairs(index, prompts, reward_PG)
            rows = store.read_pairs() or []
        if len(rows) < settings.pairs_per_step:
            raise TrainingError(
                f"{len(rows)} pairs of {settings.prompts} prompts are fewer than pairs_per_step="
                f"{settings.pairs_per_step}; draw more prompts, or lower the margin or pairs_per_step"
            )
        return Pairs(
            batch=_pair_batch(context.policy, rollouts, rows),
            seed=seed,
            images=len(rollouts),
            metrics={
                "reward": torch.nanmean(reward_PG).item(),
                "reward_std": reward_spread(reward_PG),
                "missing": missing,
                "zero_variance_groups": index.no_contrast_groups,
                "empty_groups": index.empty_groups,
                "pairs": len(rows),
            },
        )

    def _parts(self, context: Context) -> list[range]:
        """Returns the prompts of each part: about as many rollouts as are made at once."""
        size = max(1, context.batch_size // self.settings.group)
        return [
            range(first, min(first + size, self.settings.prompts))
            for first in range(0, self.settings.prompts, size)
        ]

    def _draw(self, context: Context, store: RolloutStore, prompts: Sequence[Prompt], seed: int) -> Rollouts:
        # The reference draws: where a run goes on, the policy is no longer the one that the pairs are of.
        group = self.settings.group
        wanted = group_requests(prompts, group)
        made, parts = [], self._parts(context)
        with context.phase("sample"):
            for part, places in enumerate(parts):
                rows = slice(places.start * group, places.stop * group)
                if not store.has_rollouts(part):
                    rollouts = sample(
                        context.reference, wanted[rows], self.view, seed=seed, batch_size=context.batch_size
                    )
                    store.write_rollouts(part, [prompts[p] for p in places for _ in range(group)], rollouts)
                made.append(store.read_rollouts(part)[1])
                context.on_progress("sampling", places.stop, len(prompts))
        return concatenate(made)

    def _score(self, context: Context, store: RolloutStore, prompts: int) -> Scores:
        made = []
        for part, places in enumerate(self._parts(context)):
            if not store.has_scores(part):
                asked, rollouts = store.read_rollouts(part)
                store.write_scores(part, judge(context, asked, rollouts))
            made.append(store.read_scores(part))
            context.on_progress("scoring", places.stop, prompts)
        return Scores(
            value_B=torch.cat([scores.value_B for scores in made]),
            reasons=tuple(reason for scores in made for reason in scores.reasons),
            digest=context.reward.digest(),
        )

    def _pair(self, reward_PG: Float[Tensor, "P G"], seed: int) -> PairIndex:
        margin, count = self.settings.margin, self.settings.pairs_per_prompt
        match self.settings.pairing:
            case "widest":
                return widest_pairs(reward_PG, per_prompt=count, margin=margin)
            case "random":
                generator = torch.Generator().manual_seed(derive_seed("pairing", seed))
                return random_pairs(reward_PG, generator, per_prompt=count, margin=margin)
            case "all":
                return all_pairs(reward_PG, margin=margin)

    def batch(self, collected: Pairs, step: int) -> PairBatch:
        """Returns the step's pairs: each pair once before any comes again, every time in another order."""
        count, size = len(collected.batch), self.settings.pairs_per_step
        places = range(step * size, (step + 1) * size)
        order = {epoch: _permutation(collected.seed, epoch, count) for epoch in {p // count for p in places}}
        index = [int(order[place // count][place % count]) for place in places]
        return collected.batch.select(torch.tensor(index, device=collected.batch.chosen_NT.device))

    def count(self, batch: PairBatch) -> Float[Tensor, ""]:
        """Returns the number of pairs."""
        return torch.tensor(float(len(batch)), device=batch.chosen_NT.device)

    def loss(self, policy: Policy, reference: Policy, batch: PairBatch) -> LossTerm:
        """Returns the preference loss, plus the chosen rollout's likelihood if it is weighted."""
        settings, view = self.settings, self.trained_view
        text, tokens_BT = batch.text.cat(batch.text), torch.cat([batch.chosen_NT, batch.rejected_NT])
        logp_BTV = replay_distribution(policy, text, tokens_BT, view)
        logp_BT = token_logp(logp_BTV, tokens_BT)
        with torch.no_grad():
            ref_logp_BT = replay_logp(reference, text, tokens_BT, view)
        chosen_N, rejected_N = logp_BT.sum(dim=1).chunk(2)
        ref_chosen_N, ref_rejected_N = ref_logp_BT.sum(dim=1).chunk(2)
        tokens_N = torch.full_like(batch.chosen_NT[:, 0], logp_BT.shape[1])
        pairs = PairLogp(
            chosen=chosen_N,
            rejected=rejected_N,
            ref_chosen=ref_chosen_N,
            ref_rejected=ref_rejected_N,
            chosen_tokens=tokens_N,
            rejected_tokens=tokens_N,
        )
        loss_N = preference_loss(
            settings.loss_type,
            pairs,
            beta=settings.beta,
            label_smoothing=settings.label_smoothing,
            gamma=settings.gamma,
        )
        if settings.sft_weight:
            loss_N = loss_N + settings.sft_weight * sft(pairs)
        metrics = {
            **preference_metrics(settings.loss_type, pairs, beta=settings.beta),
            "entropy": tally(entropy(logp_BTV.detach())),
        }
        if view == self.view:  # the reference drew, so its replay is held against what it drew at every step
            drawn_BT = torch.cat([batch.chosen_logp_NT, batch.rejected_logp_NT])
            metrics["sample_replay_gap"] = tally((ref_logp_BT - drawn_BT).abs())
        return LossTerm(sum=loss_N.sum(), count=self.count(batch).to(loss_N), metrics=metrics)

    def check(self, metrics: Mapping[str, float]) -> None:
        """Raises where replayed log-probabilities are not those that were drawn."""
        check_gap(metrics, self.settings.max_replay_gap)


def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=derive_seed("order", seed, epoch))).permutation(count)


def _pair_batch(policy: Policy, rollouts: Rollouts, rows: Sequence[Mapping[str, Any]]) -> PairBatch:
    """Returns the pairs' rollouts, on the policy's device."""
    chosen_N = torch.tensor([row["chosen_row"] for row in rows])
    rejected_N = torch.tensor([row["rejected_row"] for row in rows])
    text = policy.tokenize([rollouts.prompts[row] for row in chosen_N.tolist()])
    device = text.ids.device
    return PairBatch(
        text=text,
        chosen_NT=rollouts.tokens[chosen_N].to(device),
        rejected_NT=rollouts.tokens[rejected_N].to(device),
        chosen_logp_NT=rollouts.logp[chosen_N].to(device),
        rejected_logp_NT=rollouts.logp[rejected_N].to(device),
    )
