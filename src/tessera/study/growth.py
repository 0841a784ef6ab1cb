"""Axes along which compute grows: more samples, more prompts or more rounds on top of what there is.

At equal images (axes.py) more of one thing is less of another; here it is more of all that it costs. Arms are
compared with one another at each value, where they sample equally many pictures.
"""

from dataclasses import replace

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.algorithms.iterated import IteratedConfig
from tessera.errors import UserError
from tessera.study.axes import Axis, nearest, seen
from tessera.training.config import RunConfig


def more_samples(run: RunConfig, group: int) -> RunConfig:
    """Returns the run with so many samples of the same prompts, in as many gradient steps."""
    return replace(run, algorithm=replace(run.algorithm, group=group))


def more_prompts(run: RunConfig, count: int) -> RunConfig:
    """Returns the run on so many prompts, each sampled as often as before: longer or shorter."""
    if run.iterated is not None:
        raise UserError("the axis prompts needs an arm without rounds")
    longer = stretched(run, count / seen(run))
    if isinstance(longer.algorithm, DPOConfig):  # its pairs go round in steps, so they need not divide evenly
        longer = replace(longer, algorithm=replace(longer.algorithm, prompts=count))
    if seen(longer) != count:
        raise UserError(f"axis prompts, growing: {count} prompts are no whole number of steps")
    return longer


def more_rounds(run: RunConfig, count: int) -> RunConfig:
    """Returns the run so many times in a row, each round from where the last one ended, as its reference."""
    if count == 1:
        return replace(run, iterated=None)
    iterated = IteratedConfig(rounds=count, reference="refreshed")
    return replace(run, iterated=iterated, steps=run.steps * count)


def stretched(run: RunConfig, factor: float | int) -> RunConfig:
    """Returns the run about so many times as long, in pictures and in steps: the nearest that can be cut."""
    rounds = run.iterated.rounds if run.iterated else 1
    match run.algorithm:
        case GRPOConfig() as own:
            return replace(run, steps=nearest(run.steps * factor, rounds * own.updates))
        case DPOConfig() as own:
            steps = nearest(run.steps * factor, rounds)
            prompts = max(1, round(own.prompts * steps / run.steps))  # as many pairs for each step as before
            return replace(run, steps=steps, algorithm=replace(own, prompts=prompts))


GROWTH: dict[str, Axis] = {"samples": more_samples, "prompts": more_prompts, "rounds": more_rounds}
