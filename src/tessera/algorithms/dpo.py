"""DPO: sample, score and pair once, into a store on disk; then make the better of each pair likelier.

    loss = -log sigmoid(beta h),  h = log-ratio of the chosen rollout - log-ratio of the rejected one
    (arXiv:2305.18290, equation 7)

with the family's variants by TRL's names (docs/objectives.md). The policy draws as it stands when a round
begins, so the data is on-policy at the round's first step. Pairs store the drawn tokens; nothing is ever
encoded from pixels again.

Axes: P prompts, G samples per prompt, N pairs, B rows, T tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tessera.algorithms.base import (
    MAX_REPLAY_GAP,
    Context,
    Expense,
    LogpView,
    branches,
    check_gap,
    require_unfiltered,
    trained_view,
)
from tessera.algorithms.collecting import part_means, reward_spread
from tessera.algorithms.paired import PairBatch, Pairs, asked_once, paired, stored_rows
from tessera.algorithms.stages import draw_into, judged, parts_of, who_drew
from tessera.config import config
from tessera.data.store import RolloutStore
from tessera.errors import TrainingError, UserError
from tessera.objective.pairing import PairIndex, all_pairs, random_pairs, widest_pairs
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
from tessera.sampling.replay import replay_logp, replay_logp_entropy
from tessera.tensors import LossTerm
from tessera.types import View

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


@dataclass(frozen=True, slots=True)
class DPO:
    """The algorithm, for pictures drawn under `view`, in rounds of `steps` steps."""

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
        """All steps of a round: what it collects is dear, and serves until the next."""
        return self.steps

    @property
    def prompts_per_round(self) -> int:
        """How many prompts of the stream one collection takes."""
        return self.settings.prompts

    @property
    def divided(self) -> Mapping[str, int]:
        """Pairs, of which every process learns from its share."""
        return {"pairs_per_step": self.settings.pairs_per_step}

    def reference_share(self, step: int) -> float:  # noqa: ARG002 - every algorithm is asked
        """Returns 0: the reference stays."""
        return 0.0

    def collect(self, context: Context, round_: int, *, resumed: bool = False) -> Pairs:
        """Returns the pairs, made stage by stage where the store lacks them."""
        settings, reference_digest = self.settings, context.reference.digest()
        folder = context.folder / STORE / f"round_{round_:03d}"
        drawer = who_drew(context, folder, resumed=resumed)
        seed = derive_seed("round", context.seed, round_)
        header = {
            "prompts": settings.prompts,
            "group": settings.group,
            "prompts_per_part": len(parts_of(settings.prompts, settings.group, context.batch_size)[0]),
            "seed": seed,
            "logp_view": settings.logp_view,
        }
        if not context.peers.first:
            context.peers.wait()  # for the first to make the folder
        store = RolloutStore.open(folder, header, self.view, drawer, context.reward.digest())
        if context.peers.first:
            context.peers.wait()
        prompts = context.prompts(round_ * settings.prompts, settings.prompts)
        draw_into(
            context,
            store,
            prompts,
            settings.group,
            self.view,
            seed=seed,
            drawer=drawer,
            resumed=resumed,
        )
        scores = judged(context, store, settings.prompts, settings.group)
        missing = refuse_missing(scores, context.max_missing, context.reward.name)
        reward_PG = scores.value_B.view(settings.prompts, settings.group)
        index = self._pair(reward_PG, seed)
        if context.peers.first and store.read_pairs() is None:
            store.write_pairs(index, prompts, reward_PG)
        context.peers.wait()
        chosen_N, rejected_N = stored_rows(store)
        if len(chosen_N) < settings.pairs_per_step:
            raise TrainingError(
                f"{len(chosen_N)} pairs of {settings.prompts} prompts are fewer than pairs_per_step="
                f"{settings.pairs_per_step}; draw more prompts, or lower the margin or pairs_per_step"
            )
        parts = parts_of(settings.prompts, settings.group, context.batch_size)
        rollouts, diversity_P = paired(
            context.policy, store, len(parts), settings.group, chosen_N, rejected_N
        )
        visits = 2 * settings.pairs_per_step * self.steps
        rollouts = asked_once(context, rollouts, self.trained_view, visits=visits, resumed=resumed)
        return Pairs(
            rollouts=rollouts,
            drawn_by="reference" if drawer == reference_digest else "policy",
            seed=seed,
            images=len(scores),
            metrics={
                "reward": torch.nanmean(reward_PG).item(),
                "reward_std": reward_spread(reward_PG),
                "diversity": diversity_P.mean().item(),
                "missing": missing,
                "zero_variance_groups": index.no_contrast_groups,
                "empty_groups": index.empty_groups,
                "pairs": len(chosen_N),
                **part_means(scores.parts),
            },
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

    def batch(self, context: Context, collected: Pairs, step: int) -> PairBatch:
        """Returns the step's pairs: each pair once before any comes again, every time in another order."""
        count, size, within = len(collected), self.settings.pairs_per_step, step % self.steps
        mine = context.peers.share(size)
        places = range(within * size + mine.start, within * size + mine.stop)
        order = {epoch: _permutation(collected.seed, epoch, count) for epoch in {p // count for p in places}}
        index = [int(order[place // count][place % count]) for place in places]
        batch = collected.select(torch.tensor(index, dtype=torch.long))
        # Who drew says again what it said then; the reference only where it is still asked.
        moved = within > 0 and (batch.drawn_by == "policy" or batch.ref_logp_N2 is not None)
        return replace(batch, drawn_by="neither") if moved else batch

    def count(self, batch: PairBatch) -> Float[Tensor, ""]:
        """Returns the number of pairs."""
        return torch.tensor(float(len(batch)), device=batch.chosen_NT.device)

    def expenses(self, batch: PairBatch) -> Mapping[Expense, int]:
        """Returns the tokens of both rollouts of each pair that policy and reference replay."""
        tokens = 2 * batch.chosen_NT.numel() * branches(self.trained_view)
        return {"tokens_trained": tokens, "tokens_scored": tokens if batch.ref_logp_N2 is None else 0}

    def loss(self, policy: Policy, reference: Policy, batch: PairBatch) -> LossTerm:
        """Returns the preference loss, plus the chosen rollout's likelihood if it is weighted."""
        settings, view = self.settings, self.trained_view
        text, tokens_BT = batch.text.cat(batch.text), torch.cat([batch.chosen_NT, batch.rejected_NT])
        logp_BT, entropy_BT = replay_logp_entropy(policy, text, tokens_BT, view)
        again_BT = logp_BT  # by who drew, if anybody stands as it stood then
        if batch.ref_logp_N2 is not None:
            ref_chosen_N, ref_rejected_N = batch.ref_logp_N2.unbind(1)
        else:
            with torch.no_grad():
                ref_logp_BT = replay_logp(reference, text, tokens_BT, view)
            ref_chosen_N, ref_rejected_N = ref_logp_BT.sum(dim=1).chunk(2)
            again_BT = ref_logp_BT if batch.drawn_by == "reference" else logp_BT
        chosen_N, rejected_N = logp_BT.sum(dim=1).chunk(2)
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
            "entropy": tally(entropy_BT),
        }
        if view == self.view and batch.drawn_by != "neither":
            drawn_BT = torch.cat([batch.chosen_logp_NT, batch.rejected_logp_NT])
            metrics["sample_replay_gap"] = tally((again_BT - drawn_BT).abs())
        return LossTerm(sum=loss_N.sum(), count=self.count(batch).to(loss_N), metrics=metrics)

    def check(self, metrics: Mapping[str, float]) -> None:
        """Raises where replayed log-probabilities are not those that were drawn."""
        check_gap(metrics, self.settings.max_replay_gap)


@lru_cache(maxsize=2)  # steps follow one another, and drawing an order takes as long as there are pairs
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=derive_seed("order", seed, epoch))).permutation(count)
