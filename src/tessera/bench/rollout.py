"""How fast pictures are drawn: our sampler, the loop of the field, and transformers' `generate`, in turns.

Where this process chose who makes products (`products`), the others run without that and with it.
Where the sampler replays recorded steps (on a GPU), it is timed step by step, too.

Before anything is timed all of them draw the likeliest tokens, which must be the same. Where a row parts from
ours, it must do so between two tokens as likely as each other to rounding; from there on it is another
picture, and both are as good.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from tessera.bench.baselines import drawing, growing_rollout, likeliest
from tessera.bench.limits import Limits, step_cost
from tessera.bench.ratio import Clock, in_turns, of_others, rate, ratio, with_our_products
from tessera.config import to_plain
from tessera.policies.base import PolicyModule
from tessera.rng import rollout_seed, uniforms
from tessera.sampling.captured import can_capture, release, sample_rows
from tessera.sampling.decode import decode_rows
from tessera.sampling.replay import replay_logp
from tessera.tensors import TextBatch
from tessera.types import Progress, View, silent

# Nats between two tokens that rounding may exchange. Guidance multiplies what two orders of summation differ
# by; 16 bits have 3 digits.
NEAR_TIE = {torch.float32: 1e-3, torch.bfloat16: 0.5, torch.float16: 0.1}
NEAR_TIE_INT8 = 0.5  # of a cache in 8 bits, which has no more digits than bfloat16

BY_STEPS = "ours, step by step"

Draw = Callable[[], Tensor]


def bench_rollout(
    policy: PolicyModule,
    prompts: Sequence[str],
    view: View,
    limits: Limits,
    *,
    batch: int,
    group: int,
    repeats: int,
    on_progress: Progress = silent,
) -> dict[str, Any]:
    """Returns speeds and ratios of drawing `batch` pictures, `group` of a prompt, as plain data."""
    count = -(-batch // group)
    texts = [prompts[index % len(prompts)] for index in range(count)]
    rows_B = torch.arange(count).repeat_interleave(group)[:batch].to(policy.device)
    text_P = policy.tokenize(texts)
    text_B = text_P.rows(rows_B)
    seeds = [rollout_seed(0, texts[place], row) for row, place in enumerate(rows_B.tolist())]
    uniform_BT = torch.from_numpy(uniforms(seeds, policy.spec.tokens)).to(policy.device)

    recorded = can_capture(policy, policy.device)

    def ours(view: View) -> Tensor:
        return sample_rows(policy, text_P, rows_B, uniform_BT, view)[0]

    def by_steps(view: View) -> Tensor:
        return decode_rows(policy, text_P, rows_B, uniform_BT, view)[0]

    on_progress("the same tokens", 0, 1)
    greedy = replace(view, temperature=1.0, top_k=1, top_p=1.0)
    expected_BT = ours(greedy)
    drawn = {"growing cache": growing_rollout(policy, text_B, greedy, likeliest)}
    if recorded:
        drawn[BY_STEPS] = by_steps(greedy)
    generate = generating(policy, text_B, view)
    if generate is not None:
        drawn["generate"] = generate(greedy=True)
    parted = {
        name: parting(policy, text_B, expected_BT, theirs_BT, greedy, name)
        for name, theirs_BT in drawn.items()
    }
    pick = drawing(view)
    theirs: dict[str, Draw] = {"growing cache": lambda: growing_rollout(policy, text_B, view, pick)}
    if generate is not None:
        theirs["generate"] = lambda: generate(greedy=False)
    works = {"ours": lambda: ours(view), **of_others(theirs)}
    if recorded:
        works[BY_STEPS] = lambda: by_steps(view)
        ours(view)  # recorded now, as for all batches but the first
    clock = Clock(policy.device)
    on_progress("drawing in turns", 0, 1)
    seconds = in_turns(clock, works, repeats)
    release(policy, policy.device)
    total, mine = policy.spec.tokens, seconds["ours"]
    cost = step_cost(policy, text_B, guided=view.guided)
    a_step = [each / total for each in mine]
    middle = sorted(a_step)[len(a_step) // 2]
    return {
        "batch": batch,
        "prompts": count,
        "images_per_second": {name: to_plain(rate(batch, each)) for name, each in seconds.items()},
        "tokens_per_second": to_plain(rate(batch * total, mine)),
        "ms_per_step": 1e3 * middle,
        "bytes_per_step": cost.bytes,
        "flops_per_step": cost.flops,
        **cost.share(middle, limits),
        "ratio_vs_growing_cache": to_plain(ratio(seconds["growing cache"], mine)),
        "ratio_vs_generate": to_plain(ratio(seconds["generate"], mine)) if generate is not None else None,
        "ratios_with_our_products": to_plain(with_our_products(seconds)),
        "ratio_of_replay": to_plain(ratio(seconds[BY_STEPS], mine)) if recorded else None,
        "near_ties": parted,
    }


def generating(policy: PolicyModule, text_B: TextBatch, view: View) -> Callable[..., Tensor] | None:
    """Returns what draws by transformers' `generate`; None where it has none for this policy and view."""
    match policy.spec.name:
        case "janus" if view.guidance > 1:
            from tessera.bench.baselines_janus import janus_generate  # noqa: PLC0415 - takes seconds

            return lambda *, greedy: janus_generate(policy, text_B, view, greedy=greedy)
        case "emu3" if view.guided:
            from tessera.bench.baselines_emu3 import emu3_generate, emu3_model  # noqa: PLC0415 - likewise

            model = emu3_model(policy)
            return lambda *, greedy: emu3_generate(policy, model, text_B, view, greedy=greedy)
        case _:
            return None


@torch.no_grad()
def parting(
    policy: PolicyModule,
    text_B: TextBatch,
    ours_BT: Int[Tensor, "B T"],
    theirs_BT: Int[Tensor, "B T"],
    greedy: View,
    name: str,
) -> int:
    """Returns how many rows differ from ours, each from a near tie on; any other difference is an error."""
    differ_BT = ours_BT != theirs_BT
    rows = differ_BT.any(1).nonzero()[:, 0]
    if not len(rows):
        return 0
    text, first = text_B.rows(rows), differ_BT[rows].int().argmax(1, keepdim=True)
    plain = replace(greedy, top_k=0)
    at_first = [
        replay_logp(policy, text, tokens_BT[rows], plain).gather(1, first)
        for tokens_BT in (ours_BT, theirs_BT)
    ]
    worst = (at_first[0] - at_first[1]).abs().max().item()
    bound = NEAR_TIE_INT8 if policy.footprint.cache_scales else NEAR_TIE[next(policy.parameters()).dtype]
    if worst > bound:
        raise ValueError(
            f"{name} draws another likeliest token than ours, {worst:.3g} nats away from it where {bound:g} "
            "could be rounding: they do not compute the same, and their times do not compare"
        )
    return len(rows)
