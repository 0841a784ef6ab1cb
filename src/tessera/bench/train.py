"""What one step of GRPO costs, by phase, and how it compares with the loop of the field at the same work.

Ours is what a run does: GRPO's own collection, then `update`. The plain loop draws with a growing cache, runs
the prompt's branch and the null prompt's one after the other, makes the logits of all tokens of both, takes
their log-softmax, and the same for a copy of the policy as the reference (T2I-R1, arXiv:2505.00703: one
forward pass for the policy and one for the reference, on the conditional branch; with guidance in the trained
log-probability there are two each), and makes pictures by the published decoder. Reward, loss and optimizer
are the same. Both see as many rows per backward pass, and before anything is timed they must find the same
gradient on the same pictures.

The learning rate is 0: every step does all of its work on the same weights.

Precision is that of training alone, as in a run: under bfloat16 both loops replay and learn in autocast, and
draw with the weights as they are. Then a third work stands beside the two, the plain loop without autocast:
the first ratio is that of the loops, the second has in it what the lower precision buys, too.

Where this process has its products of float32 made by other kernels than torch's choice (`products`),
the plain loops stand there twice: as they run for whoever writes them, and with these products.

Phases: `sample` and `update` are timed as they run. Of the parts inside, `prefill`, `reference` and
`optimizer` are run again by themselves; `steps` and `policy` are what is left of `sample` and of the loss.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tessera.algorithms.base import MAX_REPLAY_GAP, LogpView
from tessera.algorithms.grouped import TokenBatch
from tessera.algorithms.grpo import GRPO, GRPOConfig
from tessera.bench.limits import Limits, measure_products
from tessera.bench.ratio import Clock, Phases, in_turns, of_others, ratio, spread, with_our_products
from tessera.bench.steps import Precision, Work, checked, our_step, plain_loop
from tessera.config import to_plain
from tessera.policies.base import PolicyModule
from tessera.policies.lora import LoRAConfig, LoRAPolicy
from tessera.policies.reference import frozen_copy
from tessera.protocols import Policy, Reward
from tessera.sampling.decode import prefill_rows
from tessera.sampling.replay import replay_logp
from tessera.types import Progress, Prompt, View, silent

# Nats that drawing and replaying may be apart; under autocast, random weights are further than trained ones.
GAPS: dict[Precision, float] = {"float32": MAX_REPLAY_GAP, "bfloat16": 0.1}
PLAIN, PLAIN_FLOAT32 = "plain loop", "plain loop, float32"


def bench_train(
    policy: PolicyModule,
    reward: Reward,
    prompts: Sequence[Prompt],
    limits: Limits,
    *,
    group: int,
    micro_batch: int,
    logp_view: LogpView,
    precision: Precision,
    lora: int | None,
    recompute: bool,
    repeats: int,
    on_progress: Progress = silent,
) -> dict[str, Any]:
    """Returns phases, shares and ratios of a step on `group` pictures of each prompt, as plain data.

    `lora` is the rank of an adapter that alone trains; both loops then have one, and the reference is the
    policy without it. Both recompute activations, or keep them.
    """
    policy.recompute(recompute)
    policy, reference = _learning(policy, lora)
    view = View(guidance=policy.spec.default_view.guidance)
    settings = GRPOConfig(
        prompts_per_step=len(prompts), group=group, logp_view=logp_view, max_replay_gap=GAPS[precision]
    )
    work = Work(
        policy=policy,
        reference=reference,
        reward=reward,
        prompts=prompts,
        grpo=GRPO(settings, view),
        optimizer=torch.optim.AdamW([parameter for _, parameter in policy.trainable()], lr=0.0),
        micro_batch=micro_batch,
        precision=precision,
    )
    clock = Clock(policy.device)
    on_progress("the same gradient", 0, 1)
    flops = checked(work)
    laps: list[dict[str, float]] = []
    last: list[TokenBatch] = []
    peaks: list[int] = []

    def ours() -> None:
        phases = Phases(clock)
        if policy.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(policy.device)
        last[:] = [our_step(work, phases)]
        laps.append(phases.seconds)
        if policy.device.type == "cuda":
            peaks.append(torch.cuda.max_memory_allocated(policy.device))

    works: dict[str, Callable[[], object]] = {"ours": ours, **of_others({PLAIN: partial(plain_loop, work)})}
    if precision == "bfloat16" and next(policy.parameters()).dtype == torch.float32:
        works |= of_others({PLAIN_FLOAT32: partial(plain_loop, work, autocast=False)})
    on_progress("steps in turns", 0, 1)
    seconds = in_turns(clock, works, repeats)
    alone = _alone(work, last[0], clock)
    pictures = len(prompts) * group
    middle, updating = (spread(each).median for each in (seconds["ours"], [lap["update"] for lap in laps]))
    products = limits.flops if precision == "float32" else measure_products(policy.device, work.dtype)
    return {
        "prompts": len(prompts),
        "group": group,
        "micro_batch": micro_batch,
        "logp_view": logp_view,
        "precision": precision,
        "lora": lora,
        "recompute": recompute,
        "peak_bytes": max(peaks, default=None),  # of a GPU, both loops' weights and optimizer in it
        "seconds": {name: to_plain(spread(each)) for name, each in seconds.items()},
        "images_per_second": pictures / middle,
        "phases": _table(laps, alone, seconds["ours"]),
        "flops": flops,
        "flops_of_products": products,  # of a large one, as the update makes them
        "share_of_products": {
            "step": (flops["collect"] / limits.flops + flops["update"] / products) / middle,
            "update": flops["update"] / products / updating,
        },
        "ratio_vs_plain_loop": to_plain(ratio(seconds[PLAIN], seconds["ours"])),
        "ratio_vs_plain_loop_float32": (
            to_plain(ratio(seconds[PLAIN_FLOAT32], seconds["ours"])) if PLAIN_FLOAT32 in seconds else None
        ),
        "ratios_with_our_products": to_plain(with_our_products(seconds)),
    }


def _learning(policy: PolicyModule, lora: int | None) -> tuple[PolicyModule, Policy]:
    """Returns the policy as it trains, and its reference."""
    if lora is None:
        return policy, frozen_copy(policy)
    adapted = LoRAPolicy(policy, LoRAConfig(rank=lora), seed=0).to(policy.device)
    return adapted, adapted.reference()


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
        with work.autocast():
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
