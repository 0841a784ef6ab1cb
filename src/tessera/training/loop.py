"""The loop: collect, update, look, write down, keep. Whatever a step needs is a function of its number."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from tessera.algorithms.base import Algorithm, Context
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.training.checkpoint import RunState, save_checkpoint
from tessera.training.config import RunConfig
from tessera.training.metrics import OnStep, Stopwatch, write_line
from tessera.training.update import set_rate, update
from tessera.training.watch import Watch, due


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run, ready to start or to go on."""

    settings: RunConfig
    folder: Path
    policy: MosaicPolicy
    algorithm: Algorithm
    context: Context
    optimizer: Optimizer
    watch: Watch
    stopwatch: Stopwatch
    autocast: Callable[[], AbstractContextManager[Any]]
    state: RunState


def train(run: Run, on_step: OnStep) -> RunState:
    """Trains until the last step; returns the state that the last checkpoint holds."""
    settings, algorithm, context, watch = run.settings, run.algorithm, run.context, run.settings.watch
    parameters = [parameter for _, parameter in run.policy.trainable()]
    state, steps, collected = run.state, run.settings.steps, None
    if state.step == 0:
        run.watch.measure(run.policy, run.folder, 0)
        run.watch.film(run.policy, run.folder, 0)
        run.stopwatch.lap()
    while state.step < steps:
        round_, within = divmod(state.step, algorithm.steps_per_round)
        images = 0
        if collected is None or within == 0:
            collected = algorithm.collect(context, round_)
            images = collected.images if within == 0 else 0
        batch = algorithm.batch(collected, state.step)
        rate = settings.optimizer.rate(state.step, steps)
        set_rate(run.optimizer, rate)
        with run.stopwatch.phase("update"):
            metrics = update(
                run.optimizer,
                parameters,
                batch,
                lambda rows: algorithm.loss(run.policy, context.reference, rows),
                algorithm.count(batch),
                micro_batch=settings.micro_batch,
                max_grad_norm=settings.optimizer.max_grad_norm,
                autocast=run.autocast,
                check=algorithm.check,
            )
        step, total = state.step + 1, state.images + images
        row: dict[str, Any] = {"step": step, "lr": rate, "images": images, "images_total": total}
        row |= {**collected.metrics, **metrics}
        if due(step, watch.every, steps):
            with run.stopwatch.phase("held_out"):
                row["held_out"] = run.watch.measure(run.policy, run.folder, step)
        if due(step, watch.film_every, steps):
            with run.stopwatch.phase("film"):
                run.watch.film(run.policy, run.folder, step)
        row |= run.stopwatch.lap()
        state = replace(state, step=step, images=total, seconds=state.seconds + row["seconds"])
        on_step(write_line(run.folder, row))
        if due(step, settings.checkpoint_every, steps):
            save_checkpoint(run.folder, run.policy, run.optimizer, state)
    return state
