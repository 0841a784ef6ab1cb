"""What one step of GRPO costs, by phase, and how it compares with the loop of the field at the same work.

Ours is what a run does: GRPO's own collection, then `update`. The plain loop draws with a growing cache, runs
the prompt's branch and the null prompt's one after the other, makes the logits of all tokens of both, takes
their log-softmax, and the same for a copy of the policy as the reference (T2I-R1, arXiv:2505.00703: one
forward pass for the policy and one for the reference, on the conditional branch; with guidance in the trained
log-probability there are two each). Pictures, reward, loss and optimizer are the same. Both see as many rows
per backward pass, and before anything is timed they must find the same gradient on the same pictures.

The learning rate is 0: every step does all of its work on the same weights.

Phases: `sample` and `update` are timed as they run. Of the parts inside, `prefill`, `reference` and
`optimizer` are run again by themselves; `steps` and `policy` are what is left of `sample` and of the loss.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.utils.flop_counter import FlopCounterMode

from tessera.algorithms.base import Context, LogpView
from tessera.algorithms.grpo import GRPO, GRPOConfig, TokenBatch
from tessera.bench.limits import Limits
from tessera.bench.plain_step import MAX_GRAD_NORM, plain_step, plain_update
from tessera.bench.ratio import Clock, Phases, in_turns, ratio, spread
from tessera.config import to_plain
from tessera.policies.base import PolicyModule
from tessera.policies.reference import frozen_copy
from tessera.protocols import Reward
from tessera.sampling.decode import prefill_rows
from tessera.sampling.replay import replay_logp
from tessera.tensors import LossTerm
from tessera.training.distributed import Alone
from tessera.training.update import update
from tessera.types import Progress, Prompt, View, silent

# Relative difference of the two gradients' norms: sums in another order; 16 bits have 3 digits.
SAME = {torch.float32: 1e-3, torch.bfloat16: 5e-2, torch.float16: 2e-2}


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A step's ingredients, the same for both loops."""

    policy: PolicyModule
    reference: PolicyModule
    reward: Reward
    prompts: Sequence[Prompt]
    grpo: GRPO
    optimizer: torch.optim.Optimizer
    micro_batch: int

    @property
    def parameters(self) -> list[Parameter]:
        """Those that train."""
        return [parameter for _, parameter in self.policy.trainable()]


def bench_train(
    policy: PolicyModule,
    reward: Reward,
    prompts: Sequence[Prompt],
    limits: Limits,
    *,
    group: int,
    micro_batch: int,
    logp_view: LogpView,
    repeats: int,
    on_progress: Progress = silent,
) -> dict[str, Any]:
    """Returns phases, shares and ratios of a step on `group` pictures of each prompt, as plain data."""
    view = View(guidance=policy.spec.default_view.guidance)
    settings = GRPOConfig(prompts_per_step=len(prompts), group=group, logp_view=logp_view)
    work = Work(
        policy=policy,
        reference=frozen_copy(policy),
        reward=reward,
        prompts=prompts,
        grpo=GRPO(settings, view),
        optimizer=torch.optim.AdamW([parameter for _, parameter in policy.trainable()], lr=0.0),
        micro_batch=micro_batch,
    )
    clock = Clock(policy.device)
    on_progress("the same gradient", 0, 1)
    flops = _checked(work)
    laps: list[dict[str, float]] = []
    last: list[TokenBatch] = []

    def ours() -> None:
        phases = Phases(clock)
        last[:] = [_our_step(work, phases)]
        laps.append(phases.seconds)

    def theirs() -> None:
        plain_step(
            work.policy, work.reference, work.reward, work.prompts, work.grpo, work.optimizer, micro_batch
        )

    on_progress("steps in turns", 0, 1)
    seconds = in_turns(clock, {"ours": ours, "plain loop": theirs}, repeats)
    alone = _alone(work, last[0], clock)
    pictures = len(prompts) * group
    middle = spread(seconds["ours"]).median
    return {
        "prompts": len(prompts),
        "group": group,
        "micro_batch": micro_batch,
        "logp_view": logp_view,
        "seconds": {name: to_plain(spread(each)) for name, each in seconds.items()},
        "images_per_second": pictures / middle,
        "phases": _table(laps, alone, seconds["ours"]),
        "flops": flops,
        "share_of_products": {
            "step": (flops["collect"] + flops["update"]) / middle / limits.flops,
            "update": flops["update"] / spread([lap["update"] for lap in laps]).median / limits.flops,
        },
        "ratio_vs_plain_loop": to_plain(ratio(seconds["plain loop"], seconds["ours"])),
    }


def _our_step(work: Work, phases: Phases) -> TokenBatch:
    """Takes one step as a run does; returns what it learnt from."""
    batch = _collect(work, phases)
    with phases.phase("update"):
        _our_update(work, batch, phases)
    return batch


def _collect(work: Work, phases: Phases) -> TokenBatch:
    context = Context(
        policy=work.policy,
        reference=work.reference,
        reward=work.reward,
        prompts=lambda first, count: list(work.prompts),  # noqa: ARG005 - the same every time
        peers=Alone(),
        spend=lambda what, amount: None,  # noqa: ARG005 - there is no ledger
        seed=0,
        max_missing=1.0,
        batch_size=len(work.prompts) * work.grpo.settings.group,
        folder=Path(),
        phase=phases.phase,
        on_progress=silent,
    )
    return work.grpo.batch(context, work.grpo.collect(context, 0), 0)


def _our_update(work: Work, batch: TokenBatch, phases: Phases) -> dict[str, float]:
    """Takes the optimizer step of a run; returns its metrics."""

    def loss(rows: TokenBatch) -> LossTerm:
        with phases.phase("loss"):
            return work.grpo.loss(work.policy, work.reference, rows)

    return update(
        work.optimizer,
        work.parameters,
        batch,
        loss,
        work.grpo.count(batch),
        team=Alone(),
        micro_batch=work.micro_batch,
        max_grad_norm=MAX_GRAD_NORM,
        autocast=nullcontext,
        check=work.grpo.check,
    )


def _checked(work: Work) -> dict[str, float]:
    """Takes a step of both, refuses unequal gradients; returns the floating-point operations of ours.

    Products and convolutions are counted, and attention, but for the fused one of a CPU.
    """
    phases = Phases(Clock(work.policy.device))
    with FlopCounterMode(display=False) as collecting:
        batch = _collect(work, phases)
    with FlopCounterMode(display=False) as learning:
        mine = _our_update(work, batch, phases)["grad_norm"]
    plain = plain_update(work.policy, work.reference, batch, work.grpo, work.optimizer, work.micro_batch)
    bound = SAME[next(work.policy.parameters()).dtype]
    if abs(mine - plain) > bound * max(mine, plain):
        raise ValueError(
            f"the gradient's norm is {mine:.6g} here and {plain:.6g} in the plain loop: they do not compute "
            "the same, and their times do not compare"
        )
    return {"collect": float(collecting.get_total_flops()), "update": float(learning.get_total_flops())}


@torch.no_grad()
def _alone(work: Work, batch: TokenBatch, clock: Clock) -> dict[str, float]:
    """Returns the seconds of parts that run inside others, each run by itself."""
    drawn, trained = work.grpo.view, work.grpo.trained_view
    text_P = work.policy.tokenize([prompt.text for prompt in work.prompts])
    rows_B = torch.arange(len(work.prompts), device=work.policy.device)
    rows_B = rows_B.repeat_interleave(work.grpo.settings.group)

    def refer() -> list[Tensor]:
        pieces = [
            batch.rows(start, start + work.micro_batch) for start in range(0, len(batch), work.micro_batch)
        ]
        return [replay_logp(work.reference, each.text, each.tokens_BT, trained) for each in pieces]

    parts = {
        "prefill": lambda: prefill_rows(work.policy, text_P, rows_B, drawn),
        "reference": refer,
        "optimizer": work.optimizer.step,
    }
    return {name: spread([clock.seconds(part) for _ in range(3)]).median for name, part in parts.items()}


def _table(
    laps: Sequence[dict[str, float]], alone: dict[str, float], steps: Sequence[float]
) -> dict[str, float]:
    """Returns the seconds of each phase: medians over the rounds."""

    def middle(name: str) -> float:
        return spread([lap.get(name, 0.0) for lap in laps]).median

    whole = spread(steps).median
    table = {
        "prefill": alone["prefill"],
        "steps": middle("sample") - alone["prefill"],
        "decode": middle("decode"),
        "reward": middle("reward"),
        "replay": middle("replay"),
        "reference": alone["reference"],
        "policy": middle("loss") - alone["reference"],
        "backward": middle("update") - middle("loss") - alone["optimizer"],
        "optimizer": alone["optimizer"],
    }
    return {**table, "rest": whole - sum(table.values())}
