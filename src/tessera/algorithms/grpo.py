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
from tessera.algorithms.collecting import draw_groups, judge, replay_in_batches, reward_spread
from tessera.config import config
from tessera.errors import UserError
from tessera.objective.advantage import AdvantageKind, group_advantages
from tessera.objective.kl import KLKind, entropy, token_kl
from tessera.objective.policy import token_logp
from tessera.objective.reduce import tally, token_weights, uniform_weighting
from tessera.objective.surrogate import (
    CLIP,
    CLIP_SEQUENCE,
    Level,
    LossType,
    aggregate,
    aggregate_count,
    surrogate,
)
from tessera.protocols import Policy
from tessera.rewards.ask import refuse_missing
from tessera.rng import derive_seed
from tessera.sampling.decode import replay_distribution, replay_logp
from tessera.tensors import LossTerm, TextBatch
from tessera.types import View


@config
class GRPOConfig:
    """What is drawn and how it is learnt from."""

    kind: Literal["grpo"] = "grpo"
    prompts_per_step: int = 8  # P
    group: int = 8  # G
    updates: int = 1  # mu, optimizer steps per collected batch
    loss_type: LossType = "grpo"
    level: Level = "token"  # of the importance ratio; "sequence" is GSPO
    clip: tuple[float, float] | None = None  # (below, above) 1; unset: the published one of the loss type
    advantage: AdvantageKind = "grpo"
    kl: KLKind = "k3"
    kl_weight: float = 0.01  # 0 is off; KL is measured all the same
    entropy_bonus: float = 0.0
    logp_view: LogpView = "guided"
    max_replay_gap: float = MAX_REPLAY_GAP

    def __post_init__(self) -> None:
        if self.group < 2:
            raise UserError(f"a group needs two pictures or more to compare, got group={self.group}")
        for name in ("prompts_per_step", "updates"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.kl == "k1" and self.kl_weight:
            raise UserError("k1 as a loss has no gradient in expectation; use k2 or k3, or kl_weight=0")
        if self.kl_weight < 0:
            raise UserError(f"kl_weight must be 0 (off) or more, got {self.kl_weight}")

    def bounds(self) -> tuple[float, float]:
        """Returns how far below and above 1 the ratio may go."""
        if self.clip is not None:
            return self.clip
        return CLIP_SEQUENCE if self.level == "sequence" else CLIP[self.loss_type]


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenBatch:
    """Rollouts with what each is worth. Rows of one group lie side by side."""

    text: TextBatch  # B rows
    tokens_BT: Int[Tensor, "B T"]
    old_logp_BT: Float[Tensor, "B T"]  # under the trained view, by the policy that drew
    advantage_B: Float[Tensor, " B"]
    weight_BT: Float[Tensor, "B T"]  # 0 where the reward is missing
    fresh: bool  # the policy is still the one that drew
    metrics: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.text)

    @property
    def images(self) -> int:
        """How many pictures were sampled."""
        return len(self)

    def rows(self, start: int, stop: int) -> "TokenBatch":
        """Returns these rows as a batch."""
        index_B = torch.arange(start, min(stop, len(self)), device=self.tokens_BT.device)
        return replace(
            self,
            text=self.text.rows(index_B),
            tokens_BT=self.tokens_BT[index_B],
            old_logp_BT=self.old_logp_BT[index_B],
            advantage_B=self.advantage_B[index_B],
            weight_BT=self.weight_BT[index_B],
        )


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

    def collect(self, context: Context, round_: int) -> TokenBatch:
        """Returns the rollouts of the round's prompts, with advantages and log-probabilities as drawn."""
        count, group = self.settings.prompts_per_step, self.settings.group
        prompts = context.prompts(round_ * count, count)
        with context.phase("sample"):
            # A prompt that comes again in another round gets other pictures: the round is in the seed.
            rollouts = draw_groups(
                context, prompts, group, self.view, seed=derive_seed("round", context.seed, round_)
            )
        scores = judge(context, [prompt for prompt in prompts for _ in range(group)], rollouts)
        missing = refuse_missing(scores, context.max_missing, context.reward.name)
        reward_PG = scores.value_B.view(count, group)
        advantages = group_advantages(reward_PG, self.settings.advantage)
        text = context.policy.tokenize(rollouts.prompts)
        device = text.ids.device
        tokens_BT, logp_BT = rollouts.tokens.to(device), rollouts.logp.to(device)
        if self.trained_view != self.view:
            with context.phase("replay"):
                logp_BT = replay_in_batches(
                    context.policy, text, tokens_BT, self.trained_view, context.batch_size
                )
        mask_BT = advantages.valid_PG.reshape(-1, 1).expand_as(logp_BT).to(device)
        return TokenBatch(
            text=text,
            tokens_BT=tokens_BT,
            old_logp_BT=logp_BT,
            advantage_B=advantages.advantage_PG.flatten().to(logp_BT),
            weight_BT=token_weights(uniform_weighting, tokens_BT, logp_BT, mask_BT),
            fresh=True,
            metrics={
                "reward": torch.nanmean(reward_PG).item(),
                "reward_std": reward_spread(reward_PG),
                "missing": missing,
                "zero_variance_groups": advantages.zero_variance_groups,
                "empty_groups": advantages.empty_groups,
            },
        )

    def batch(self, collected: TokenBatch, step: int) -> TokenBatch:
        """Returns the whole collection, each time."""
        return replace(collected, fresh=step % self.settings.updates == 0)

    def count(self, batch: TokenBatch) -> Float[Tensor, ""]:
        """Returns the rows or tokens that count."""
        return aggregate_count(self.settings.loss_type, batch.weight_BT)

    def loss(self, policy: Policy, reference: Policy, batch: TokenBatch) -> LossTerm:
        """Returns the surrogate plus the KL pull, less the entropy bonus, as the loss type averages them."""
        settings, view = self.settings, self.trained_view
        mask_BT = batch.weight_BT > 0
        logp_BTV = replay_distribution(policy, batch.text, batch.tokens_BT, view)
        logp_BT = token_logp(logp_BTV, batch.tokens_BT)
        with torch.no_grad():
            ref_logp_BT = replay_logp(reference, batch.text, batch.tokens_BT, view)
        low, high = settings.bounds()
        terms = surrogate(
            settings.loss_type,
            logp_BT,
            batch.old_logp_BT,
            batch.advantage_B,
            mask_BT,
            eps_low=low,
            eps_high=high,
            level=settings.level,
        )
        value_BT = terms.loss_BT
        if settings.kl_weight:
            value_BT = value_BT + settings.kl_weight * token_kl(settings.kl, logp_BT, ref_logp_BT)
        # Without a bonus the entropy is only looked at, and its graph over V codes would be dear.
        entropy_BT = entropy(logp_BTV if settings.entropy_bonus else logp_BTV.detach())
        if settings.entropy_bonus:
            value_BT = value_BT - settings.entropy_bonus * entropy_BT
        total = aggregate(settings.loss_type, value_BT, batch.weight_BT, length=value_BT.shape[1])
        metrics = {
            **terms.metrics(mask_BT),
            "kl": tally(token_kl("k3", logp_BT, ref_logp_BT), mask_BT),
            "entropy": tally(entropy_BT, mask_BT),
        }
        if batch.fresh:
            metrics["sample_replay_gap"] = tally((logp_BT - batch.old_logp_BT).abs(), mask_BT)
        return LossTerm(sum=total.sum, count=total.count, metrics=metrics)

    def check(self, metrics: Mapping[str, float]) -> None:
        """Raises where replayed log-probabilities are not those that were drawn."""
        check_gap(metrics, self.settings.max_replay_gap)
