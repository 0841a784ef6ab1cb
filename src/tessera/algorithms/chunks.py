"""Drawing and judging by chunks: the pictures of one may be decoded and judged while the next one is drawn.

A chunk is what a batch of drawing has completed: whole groups, as a reward may compare a picture with its
group. Chunks are the same whether they are judged beside the drawing or in between, and so is every number.
One is judged while one is drawn, and no third one waits: the pictures of a single chunk are in memory.

The clock's `decode` and `reward` then are what drawing waited for: nothing, where it takes the longer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import UInt8
from numpy import ndarray

from tessera.algorithms.base import Beside, Context
from tessera.rewards.ask import ask
from tessera.sampling.sampler import Request, concatenate, sample_batches
from tessera.tensors import Rollouts, Scores
from tessera.types import Prompt, View

# Who drew what is learnt from at once and written nowhere: hashing all weights of a 7 B model at every step
# would take longer than the step.
UNHASHED = "the policy as it was"


@dataclass(frozen=True, slots=True)
class Pending:
    """Pictures that are being decoded and judged: each waits for what it returns."""

    pictures: Callable[[], UInt8[ndarray, "B H W 3"]]
    scores: Callable[[], Scores]


def judge(context: Context, prompts: Sequence[Prompt], rollouts: Rollouts, group: int) -> Scores:
    """Returns the scores of the rollouts' pictures, whole groups of them; `prompts` has one per rollout."""
    with context.phase("decode"):
        images_BHWC = context.policy.decode(rollouts.tokens)
    with context.phase("reward"):
        return ask(context.reward, prompts, images_BHWC, group)


def judge_beside(
    context: Context, beside: Beside, prompts: Sequence[Prompt], rollouts: Rollouts, group: int
) -> Pending:
    """Begins what `judge` does, beside whatever else is done; `awaited` returns the scores."""
    pictures = beside.start(partial(context.policy.decode, rollouts.tokens))
    scores = beside.start(lambda: ask(context.reward, prompts, pictures(), group))
    return Pending(pictures, scores)


def awaited(context: Context, pending: Pending) -> Scores:
    """Returns the scores once they are there; raises what decoding or the reward has raised."""
    with context.phase("decode"):
        pending.pictures()
    with context.phase("reward"):
        return pending.scores()


def draw_and_judge(
    context: Context,
    wanted: Sequence[Request],
    prompts: Sequence[Prompt],
    view: View,
    *,
    group: int,
    seed: int,
) -> tuple[Rollouts, Scores]:
    """Returns the requested rollouts by the policy as it is now, whole groups of them, and their scores.

    `prompts` has one per request.
    """
    drawn, judged, first = list[Rollouts](), list[Scores](), 0
    beside = context.beside if len(wanted) > context.batch_size else None
    pending: Pending | None = None
    try:
        for chunk in _chunks(context, wanted, view, group, seed):
            drawn.append(chunk)
            asked = prompts[first : first + len(chunk)]
            first += len(chunk)
            if pending is not None:
                judged.append(awaited(context, pending))
            if beside is None:
                judged.append(judge(context, asked, chunk, group))
            else:
                pending = judge_beside(context, beside, asked, chunk, group)
        if pending is not None:
            judged.append(awaited(context, pending))
    finally:
        if beside is not None:
            beside.wait()
    return concatenate(drawn), joined(judged)


def _chunks(
    context: Context, wanted: Sequence[Request], view: View, group: int, seed: int
) -> Iterator[Rollouts]:
    """Yields the rollouts as they are drawn, whole groups at a time; a batch may end within one."""
    batches = sample_batches(
        context.policy, wanted, view, seed=seed, batch_size=context.batch_size, policy_digest=UNHASHED
    )
    begun = list[Rollouts]()
    while True:
        with context.phase("sample"):
            batch = next(batches, None)
        if batch is None:
            return
        rollouts = concatenate([*begun, batch])
        whole = len(rollouts) // group * group
        begun = [rollouts.rows(whole, len(rollouts))] if whole < len(rollouts) else []
        if whole:
            yield rollouts.rows(0, whole)


def joined(judged: Sequence[Scores]) -> Scores:
    """Returns scores of one reward in one record."""
    first = judged[0]
    return Scores(
        value_B=torch.cat([scores.value_B for scores in judged]),
        reasons=tuple(reason for scores in judged for reason in scores.reasons),
        digest=first.digest,
        parts={name: torch.cat([scores.parts[name] for scores in judged]) for name in first.parts},
    )
