"""The loop: collect, update, look, write down, keep. Whatever a step needs is a function of its number."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from tessera.algorithms.base import Algorithm, Context
from tessera.policies.base import PolicyModule
from tessera.policies.reference import move
from tessera.protocols import Policy
from tessera.training.checkpoint import RunState, save_checkpoint
from tessera.training.config import RunConfig
from tessera.training.distributed import Team
from tessera.training.ledger import Ledger, write_entry
from tessera.training.metrics import OnStep, Stopwatch, write_line
from tessera.training.update import set_rate, update
from tessera.training.watch import Watch, due


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run, ready to start or to go on."""

    settings: RunConfig
    folder: Path
    policy: PolicyModule  # that trains: called by the loss alone, as its weights may be pieces
    drawer: PolicyModule  # it again, whole: as it was when last refreshed
    reference: Policy
    algorithm: Algorithm
    context: Context
    team: Team
    optimizer: Optimizer
    watch: Watch
    stopwatch: Stopwatch
    ledger: Ledger
    autocast: Callable[[], AbstractContextManager[Any]]
    micro_batch: int  # rows per backward pass
    state: RunState


def train(run: Run, on_step: OnStep) -> RunState:
    """Trains until the last step; returns the state that the last checkpoint holds."""
    settings, algorithm, context, watch = run.settings, run.algorithm, run.context, run.settings.watch
    state, steps, collected = run.state, run.settings.steps, None
    if state.step == 0:
        look(run, 0, measure=True, film=True)
        run.stopwatch.lap()
    while state.step < steps:
        round_, within = divmod(state.step, algorithm.steps_per_round)
        images = 0
        if collected is None or within == 0:
            run.team.refresh(run.policy, run.drawer)
            if within == 0 and (share := algorithm.reference_share(state.step)):
                move(run.reference, run.drawer, share)
            collected = algorithm.collect(context, round_, resumed=within > 0)
            images = collected.images if within == 0 else 0
        batch = algorithm.batch(context, collected, state.step)
        rate = settings.optimizer.rate(state.step, steps)
        set_rate(run.optimizer, rate)
        with run.stopwatch.phase("update"):
            metrics = update(
                run.optimizer,
                [parameter for _, parameter in run.policy.trainable()],
                batch,
                lambda rows: algorithm.loss(run.policy, run.reference, rows),
                algorithm.count(batch),
                team=run.team,
                micro_batch=run.micro_batch,
                max_grad_norm=settings.optimizer.max_grad_norm,
                autocast=run.autocast,
                check=algorithm.check,
            )
        for what, amount in algorithm.expenses(batch).items():
            run.ledger.spend(what, amount)
        step, total = state.step + 1, state.images + images
        row: dict[str, Any] = {"step": step, "lr": rate, "images": images, "images_total": total}
        row |= {**collected.metrics, **metrics, "logp_view": settings.algorithm.logp_view}
        row |= look(run, step, measure=due(step, watch.every, steps), film=due(step, watch.film_every, steps))
        clock = run.stopwatch.lap()
        state = replace(state, step=step, images=total, seconds=state.seconds + clock["seconds"])
        entry = run.ledger.entry(run.team, step, clock)
        if run.team.first:
            write_entry(run.folder, entry)
            on_step(write_line(run.folder, row | clock))
        if due(step, settings.checkpoint_every, steps) or step % settings.round_steps == 0:
            keep(run, state)
    return state


def look(run: Run, step: int, *, measure: bool, film: bool) -> dict[str, Any]:
    """Measures on validation prompts and draws the film strip, as asked; returns what the line says of it.

    The first process does both while the others go on, as far as they can without it.
    """
    row: dict[str, Any] = {}
    if measure or film:
        run.team.refresh(run.policy, run.drawer)
    if not run.team.first:
        return row
    if measure:
        with run.stopwatch.phase("held_out"):
            row["held_out"] = run.watch.measure(run.drawer, run.folder, step)
    if film:
        with run.stopwatch.phase("film"):
            run.watch.film(run.drawer, run.folder, step)
    return row


def keep(run: Run, state: RunState) -> None:
    """Writes a checkpoint."""
    iterated = run.settings.iterated
    # Before the second round the reference is what the run started from.
    moved = iterated is not None and iterated.share() > 0 and state.step > run.settings.round_steps
    run.team.refresh(run.policy, run.drawer)
    save_checkpoint(
        run.folder,
        run.drawer,
        run.optimizer,
        run.policy.trainable(),
        state,
        run.team,
        moved_reference=run.reference if moved else None,
    )
