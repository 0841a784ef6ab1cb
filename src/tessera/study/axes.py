"""The axes of a study: each a function from a run to the same run at another value, at equal images.

To add one, write a function (run, value) -> run, and give it a name here and in `config.AxisName`. Gradient
steps stay as they are wherever the axis allows it; what an axis cannot divide evenly it refuses.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.algorithms.iterated import IteratedConfig
from tessera.data.sources import load_source, narrowed
from tessera.errors import UserError
from tessera.study.config import AxisName
from tessera.training.config import RunConfig

Axis = Callable[[RunConfig, Any], RunConfig]

FEWER = 5  # by what factor the axis `diversity` cuts the number of prompts


def samples(run: RunConfig, group: int) -> RunConfig:
    """Returns the run with so many samples per prompt, and fewer or more prompts."""
    match run.algorithm:
        case GRPOConfig() as own:
            prompts = _divided(own.prompts_per_step * own.group, group, "samples")
            return replace(run, algorithm=replace(own, prompts_per_step=prompts, group=group))
        case DPOConfig() as own:
            prompts = _divided(own.prompts * own.group, group, "samples")
            return replace(run, algorithm=replace(own, prompts=prompts, group=group))


def prompts(run: RunConfig, count: int) -> RunConfig:
    """Returns the run on so many prompts in all.

    GRPO comes back to the first of them, in rounds with the reference kept. DPO draws once, and a prompt's
    second set of samples would be its first again; so it draws larger groups and takes more pairs of each.
    """
    if run.iterated is not None:
        raise UserError("the axis prompts needs an arm without rounds")
    match run.algorithm:
        case GRPOConfig():
            rounds = _divided(seen(run), count, "prompts")
            if rounds == 1:
                return run
            return replace(run, iterated=IteratedConfig(rounds=rounds, reference="kept", prompts="same"))
        case DPOConfig() as own:
            times = _divided(own.prompts, count, "prompts")
            wider = replace(
                own, prompts=count, group=own.group * times, pairs_per_prompt=own.pairs_per_prompt * times
            )
            return replace(run, algorithm=wider)


def diversity(run: RunConfig, count: int) -> RunConfig:
    """Returns the run on prompts of so many categories, their number a fifth of the recipe's at every count.

    So few that even one category has about as many different ones as all. Which categories depends on the
    seed: they stand in a circle, and the next seed begins where this one ends; so the spread over seeds has
    in it what the choice of categories is worth.
    """
    source = load_source(run.prompts)
    names = source.categories
    if not 1 <= count <= len(names):
        raise UserError(f"the axis diversity: {source.name} has 1 to {len(names)} categories, not {count}")
    fewer = prompts(run, _divided(seen(run), FEWER, "diversity"))
    if count == len(names):
        return fewer
    chosen = {names[(run.seed * count + place) % len(names)] for place in range(count)}
    return replace(fewer, prompts=narrowed(run.prompts, [name for name in names if name in chosen]))


def rounds(run: RunConfig, count: int) -> RunConfig:
    """Returns the run in so many rounds, the reference refreshed between them; steps and prompts rounded."""
    if count == 1:
        return replace(run, iterated=None)
    iterated, steps = IteratedConfig(rounds=count, reference="refreshed"), nearest(run.steps, count)
    match run.algorithm:
        case GRPOConfig() as own:
            return replace(run, iterated=iterated, steps=nearest(run.steps, count * own.updates))
        case DPOConfig() as own:
            fewer = replace(own, prompts=nearest(own.prompts, count) // count)
            return replace(run, iterated=iterated, steps=steps, algorithm=fewer)


def reference(run: RunConfig, what: str) -> RunConfig:
    """Returns a run in rounds with the reference kept, refreshed or moved by ema."""
    if run.iterated is None:
        raise UserError("the axis reference needs an arm in rounds, such as grpo-iterated")
    if what not in ("kept", "refreshed", "ema"):
        raise UserError(f"a reference is kept, refreshed or ema, got {what!r}")
    return replace(run, iterated=replace(run.iterated, reference=what))


def logp_view(run: RunConfig, view: str) -> RunConfig:
    """Returns the run with guided or conditional log-probabilities."""
    if view not in ("guided", "conditional"):
        raise UserError(f"log-probabilities are guided or conditional, got {view!r}")
    return replace(run, algorithm=replace(run.algorithm, logp_view=view))


def budget(run: RunConfig, factor: int) -> RunConfig:
    """Returns the run so many times as long: pictures and steps."""
    if isinstance(run.algorithm, DPOConfig):
        own = run.algorithm
        return replace(run, steps=run.steps * factor, algorithm=replace(own, prompts=own.prompts * factor))
    return replace(run, steps=run.steps * factor)


AXES: Mapping[AxisName, Axis] = {
    "none": lambda run, value: run,  # noqa: ARG005 - as every axis
    "samples": samples,
    "prompts": prompts,
    "diversity": diversity,
    "rounds": rounds,
    "reference": reference,
    "logp_view": logp_view,
    "budget": budget,
}


def seen(run: RunConfig) -> int:
    """Returns how many prompts a run without rounds draws."""
    match run.algorithm:
        case GRPOConfig() as own:
            return own.prompts_per_step * run.steps // own.updates
        case DPOConfig() as own:
            return own.prompts


def _divided(total: int, by: int, axis: str) -> int:
    if by < 1 or total % by:
        raise UserError(f"axis {axis}: {total} cannot be divided by {by}; choose a divisor")
    return total // by


def nearest(value: float | int, multiple: int) -> int:
    """Returns the multiple nearest to the value, the larger of two equally near, never 0."""
    return max(1, math.floor(value / multiple + 0.5)) * multiple
