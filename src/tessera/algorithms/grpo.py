"""GRPO: draw a group of pictures per prompt, and make those better than their group's mean likelier.

    loss = mean of -min(rho A, clip(rho) A) + beta KL,   A = (r - mean of group) / std of group,
    rho = pi / pi_old per token (DeepSeekMath, arXiv:2402.03300, equation 3)

with the family's variants by TRL's names: loss types, advantages, sequence-level ratios (see
docs/objectives.md). Departures: pictures have no length, so every mask is whole; a missing reward leaves the
baseline, the loss and the count; the log-probability is that of the declared view, *guided* (what was drawn)
or *conditional* (the prompt's branch alone, as peers do).

Axes: P prompts, G samples per prompt, B rows (P*G), T tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

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
from tessera.algorithms.collecting import draw_groups, replay_in_batches
from tessera.algorithms.grouped import TokenBatch, worthwhile
from tessera.config import config
from tessera.errors import UserError
from tessera.objective.advantage import AdvantageKind, group_advantages
from tessera.objective.kl import KLKind, penalised_reward, token_kl, with_ratio
from tessera.objective.reduce import TokenWeighting, tally, token_weights, uniform_weighting
from tessera.objective.surrogate import (
    CLIP,
    CLIP_SEQUENCE,
    Level,
    LossType,
    aggregate,
    aggregate_count,
    surrogate,
)
from tessera.plugins import check_name, load_named
from tessera.protocols import Policy
from tessera.rng import derive_seed
from tessera.sampling.replay import replay_logp, replay_logp_entropy
from tessera.tensors import LossTerm
from tessera.types import View


@config
class GRPOConfig:
    """What is drawn and how it is learnt from."""

    kind: Literal["grpo"] = "grpo"
    prompts_per_step: int = 8  # P
    group: int = 8  # G
    updates: int = 1  # mu, optimizer steps per collected batch
    # Groups whose rewards are all equal. keep: advantage 0, still in the count and under the KL pull (TRL);
    # drop: out of loss and count; resample: other prompts in their place, at most `resamples` times, and
    # what is flat even then is dropped (DAPO's dynamic sampling, arXiv:2503.14476, section 3.2, bounded).
    flat_groups: Literal["keep", "drop", "resample"] = "keep"
    resamples: int = 3  # of `resample`
    loss_type: LossType = "grpo"
    level: Level = "token"  # of the importance ratio; "sequence" is GSPO
    clip: tuple[float, float] | None = None  # (below, above) 1; unset: the published one of the loss type
    advantage: AdvantageKind = "grpo"
    kl: KLKind = "k3"
    kl_weight: float = 0.01  # 0 is off; KL is measured all the same
    kl_in: Literal["loss", "reward"] = "loss"  # reward: summed over a picture, and taken off its reward
    kl_ratio: bool = False  # in the loss, times the importance ratio (objective/kl.py says what changes)
    entropy_bonus: float = 0.0
    token_weights: str = "uniform"  # or module:function, a `TokenWeighting` (objective/reduce.py)
    logp_view: LogpView = "guided"
    max_replay_gap: float = MAX_REPLAY_GAP

    def __post_init__(self) -> None:
        if self.group < 2:
            raise UserError(f"a group needs two pictures or more to compare, got group={self.group}")
        for name in ("prompts_per_step", "updates", "resamples"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.kl == "k1" and self.kl_weight and self.kl_in == "loss" and not self.kl_ratio:
            raise UserError(
                "k1 as a loss has no gradient in expectation; use k2 or k3, kl_ratio=true, kl_in=reward or "
                "kl_weight=0"
            )
        if self.kl_ratio and self.kl_in == "reward":
            raise UserError("kl_ratio corrects the KL in the loss; leave it off with kl_in=reward")
        if self.kl_weight < 0:
            raise UserError(f"kl_weight must be 0 (off) or more, got {self.kl_weight}")
        if self.token_weights != "uniform":
            check_name(self.token_weights, "a token weighting")

    def bounds(self) -> tuple[float, float]:
        """Returns how far below and above 1 the ratio may go."""
        if self.clip is not None:
            return self.clip
        return CLIP_SEQUENCE if self.level == "sequence" else CLIP[self.loss_type]

    def weighting(self) -> TokenWeighting:
        """Returns the function that weighs tokens."""
        if self.token_weights == "uniform":
            return uniform_weighting
        return load_named(self.token_weights, "the token weighting")


@dataclass(frozen=True, slots=True)
class GRPO:
    """The algorithm, for pictures drawn under `view`."""

    settings: GRPOConfig
    view: View

    def __post_init__(self) -> None:
        require_unfiltered(self.view)

    @property
    def trained_view(self) -> View:
        """The view whose log-probabilities are trained."""
        return trained_view(self.view, self.settings.logp_view)

    @property
    def steps_per_round(self) -> int:
        """How many optimizer steps one collection feeds."""
        return self.settings.updates

    @property
    def prompts_per_round(self) -> int:
        """How many prompts of the stream one collection takes, or keeps free for resampling."""
        return self.settings.prompts_per_step * self._attempts

    @property
    def _attempts(self) -> int:
        return 1 + self.settings.resamples if self.settings.flat_groups == "resample" else 1

    @property
    def divided(self) -> Mapping[str, int]:
        """Prompts, as a group is never cut."""
        return {"prompts_per_step": self.settings.prompts_per_step}

    def reference_share(self, step: int) -> float:  # noqa: ARG002 - every algorithm is asked
        """Returns 0: the reference stays."""
        return 0.0

    def collect(self, context: Context, round_: int, *, resumed: bool = False) -> TokenBatch:
        """Returns the rollouts of the round's prompts, with advantages and log-probabilities as drawn."""
        if resumed:
            raise ValueError("a round of GRPO is not resumed: what it learns from was never written down")
        settings = self.settings
        groups = draw_groups(
            context,
            context.prompts(round_ * self.prompts_per_round, self.prompts_per_round),
            self.view,
            count=settings.prompts_per_step,
            group=settings.group,
            # A prompt that comes again in another round gets other pictures: the round is in the seed.
            seed=derive_seed("round", context.seed, round_),
        )
        text = context.policy.tokenize(groups.rollouts.prompts)
        device = text.ids.device
        tokens_BT, logp_BT = groups.rollouts.tokens.to(device), groups.rollouts.logp.to(device)
        penal = settings.kl_weight > 0 and settings.kl_in == "reward"
        # Under another view than the drawn one, the first update makes the old log-probabilities by itself.
        old_known = self.trained_view == self.view
        if not old_known and (penal or settings.token_weights != "uniform"):
            with context.phase("replay"):
                logp_BT = replay_in_batches(context, context.policy, text, tokens_BT, self.trained_view)
            old_known = True
        reward_PG = groups.reward_PG
        ref_logp_BT = torch.full_like(logp_BT, torch.nan) if settings.updates > 1 else None
        if penal:
            with context.phase("replay"):
                ref_logp_BT = replay_in_batches(
                    context, context.reference, text, tokens_BT, self.trained_view
                )
            reward_PG = self._penalised(context, logp_BT, ref_logp_BT, reward_PG)
        # Every process sees all rewards: some baselines, and all counts, are those of the whole batch.
        advantages = group_advantages(reward_PG, settings.advantage)
        valid_PG = advantages.valid_PG
        if settings.flat_groups != "keep":
            valid_PG = valid_PG & groups.contrast_P[:, None]
        mask_BT = groups.mine(valid_PG).reshape(-1, 1).expand_as(logp_BT).to(device)
        weight_BT = token_weights(settings.weighting(), tokens_BT, logp_BT, mask_BT)
        batch = TokenBatch(
            text=text,
            tokens_BT=tokens_BT,
            old_logp_BT=logp_BT,
            old_known=old_known,
            ref_logp_BT=ref_logp_BT,
            ref_known=penal,
            advantage_B=groups.mine(advantages.advantage_PG).flatten().to(logp_BT),
            weight_BT=weight_BT,
            fresh=True,
            images=groups.images,
            metrics=groups.metrics(),
        )
        index_B = worthwhile(context.peers, weight_BT)
        return batch if len(index_B) == len(batch) else batch.select(index_B)

    def _penalised(
        self,
        context: Context,
        logp_BT: Float[Tensor, "B T"],
        ref_logp_BT: Float[Tensor, "B T"],
        reward_PG: Float[Tensor, "P G"],
    ) -> Float[Tensor, "P G"]:
        """Returns everybody's rewards less the weighted KL of each picture."""
        kl_BT = token_kl(self.settings.kl, logp_BT, ref_logp_BT).cpu()
        nothing_B = torch.zeros(len(kl_BT), dtype=reward_PG.dtype)
        whole_BT = torch.ones_like(kl_BT, dtype=torch.bool)
        penalty_B = penalised_reward(nothing_B, kl_BT, whole_BT, self.settings.kl_weight)
        return reward_PG + context.peers.gather(penalty_B).view_as(reward_PG)

    def batch(self, context: Context, collected: TokenBatch, step: int) -> TokenBatch:  # noqa: ARG002 - every algorithm is asked the same way
        """Returns the whole collection, each time; the updates of a round come in their order."""
        fresh = step % self.settings.updates == 0
        return replace(
            collected,
            fresh=fresh,
            old_known=collected.old_known or not fresh,
            ref_known=collected.ref_known or not fresh,
        )

    def count(self, batch: TokenBatch) -> Float[Tensor, ""]:
        """Returns the rows or tokens that count."""
        return aggregate_count(self.settings.loss_type, batch.weight_BT)

    def expenses(self, batch: TokenBatch) -> Mapping[Expense, int]:
        """Returns the tokens that policy and reference replay."""
        tokens = batch.tokens_BT.numel() * branches(self.trained_view)
        return {"tokens_trained": tokens, "tokens_scored": 0 if batch.ref_known else tokens}

    def loss(self, policy: Policy, reference: Policy, batch: TokenBatch) -> LossTerm:
        """Returns the surrogate plus the KL pull, less the entropy bonus, as the loss type averages them."""
        settings, view = self.settings, self.trained_view
        mask_BT = batch.weight_BT > 0
        logp_BT, entropy_BT = replay_logp_entropy(
            policy, batch.text, batch.tokens_BT, view, entropy_gradient=settings.entropy_bonus > 0
        )
        ref_logp_BT = self._ref_logp(reference, batch)
        old_logp_BT = batch.old_logp_BT
        if not batch.old_known:
            old_logp_BT = logp_BT.detach()
            batch.old_logp_BT.copy_(old_logp_BT)
        low, high = settings.bounds()
        terms = surrogate(
            settings.loss_type,
            logp_BT,
            old_logp_BT,
            batch.advantage_B,
            mask_BT,
            eps_low=low,
            eps_high=high,
            level=settings.level,
        )
        value_BT = terms.loss_BT
        if settings.kl_weight and settings.kl_in == "loss":
            kl_BT = token_kl(settings.kl, logp_BT, ref_logp_BT)
            if settings.kl_ratio:
                kl_BT = with_ratio(kl_BT, terms.ratio_BT)
            value_BT = value_BT + settings.kl_weight * kl_BT
        if settings.entropy_bonus:
            value_BT = value_BT - settings.entropy_bonus * entropy_BT
        total = aggregate(settings.loss_type, value_BT, batch.weight_BT, length=value_BT.shape[1])
        # A reference that was asked in the collection spoke in the precision of drawing; so did the policy.
        spoken_BT = old_logp_BT if batch.fresh and batch.ref_known else logp_BT
        metrics = {
            **terms.metrics(mask_BT),
            "kl": tally(token_kl("k3", spoken_BT, ref_logp_BT), mask_BT),
            "entropy": tally(entropy_BT, mask_BT),
        }
        if batch.fresh and view == self.view:
            metrics["sample_replay_gap"] = tally((logp_BT - old_logp_BT).abs(), mask_BT)
        return LossTerm(sum=total.sum, count=total.count, metrics=metrics)

    @torch.no_grad()
    def _ref_logp(self, reference: Policy, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """Returns what the reference says of the rows, which it is asked once in a round."""
        if batch.ref_known and batch.ref_logp_BT is not None:
            return batch.ref_logp_BT
        ref_logp_BT = replay_logp(reference, batch.text, batch.tokens_BT, self.trained_view)
        if batch.ref_logp_BT is not None:
            batch.ref_logp_BT.copy_(ref_logp_BT)
        return ref_logp_BT

    def check(self, metrics: Mapping[str, float]) -> None:
        """Raises where replayed log-probabilities are not those that were drawn."""
        check_gap(metrics, self.settings.max_replay_gap)
