"""From a configuration to a run: everything the loop needs, built or brought back from a checkpoint."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tessera.algorithms.base import Algorithm, Context
from tessera.algorithms.dpo import DPO, DPOConfig
from tessera.algorithms.grpo import GRPO, GRPOConfig
from tessera.algorithms.iterated import Iterated
from tessera.benchmarks.load import load_watched
from tessera.config import digest, to_plain
from tessera.data.sources import load_source, overlap_note
from tessera.data.streams import take
from tessera.errors import UserError
from tessera.policies.base import PolicyModule
from tessera.policies.load import load_policy
from tessera.policies.lora import LoRAPolicy
from tessera.policies.reference import frozen_copy
from tessera.protocols import Policy
from tessera.rewards.load import load_reward, load_scorer
from tessera.rewards.named import overlap
from tessera.rng import derive_seed
from tessera.storage import open_in_place
from tessera.training.beside import Thread, pays
from tessera.training.checkpoint import (
    RunState,
    load_adapter,
    load_checkpoint,
    load_optimizer,
    load_reference,
    resume_point,
)
from tessera.training.config import RunConfig
from tessera.training.distributed import Alone, Team
from tessera.training.ledger import Ledger
from tessera.training.loop import Run
from tessera.training.memory import plan_rows
from tessera.training.metrics import Stopwatch, forget_after
from tessera.training.watch import FILM_TRAINING, Watch
from tessera.types import Progress, Prompt, View, silent


def open_run(
    settings: RunConfig,
    folder: Path,
    version: str,
    *,
    resume: bool,
    command: str = "",
    team: Team | None = None,
    on_progress: Progress = silent,
) -> Run:
    """Returns the run of the settings in the folder, from its start or from its last checkpoint.

    `command` is the line that makes the run again, for whoever finds the folder. `team` is one process unless
    given.
    """
    team = team or Alone()
    source = load_source(settings.prompts)
    reward = load_reward(settings.reward)
    benchmarks = [load_watched(name) for name in settings.watch.benchmarks]
    policy, reference = _policies(settings, team.device)
    view = settings.view or policy.spec.default_view
    algorithm = _algorithm(settings, view)
    state = RunState(
        step=0,
        images=0,
        seconds=0.0,
        reference_digest=reference.digest(),
        config_digest=digest(settings.identity()),
    )
    recorded = {
        "policy_digest": state.reference_digest,
        "reward_digest": reward.digest(),
        "config_digest": state.config_digest,
        "tessera": version,
    }
    if source.prompts() is not None:  # a file may change under its name
        recorded["prompts_digest"] = source.digest()
    overlaps = (
        overlap(settings.reward, settings.watch.benchmarks, settings.watch.scorers),
        overlap_note(source, settings.watch.benchmarks),
        *source.notes,
    )
    _check_shares(algorithm, team)
    plan = plan_rows(
        settings, policy, folder, team, drawn=view, trained=algorithm.trained_view, resume=resume
    )
    beside = _beside(settings, policy.device, team)
    notes = {
        "command": command,
        "drawn_view": to_plain(view),
        "trained_view": to_plain(algorithm.trained_view),
        "strategy": settings.strategy,
        "judge_while_drawing": beside is not None,
        "overlap": " ".join(filter(None, overlaps)),
        "processes": team.count,
        **plan.notes,
    }
    if team.first:
        open_in_place(folder, {**settings.identity(), **recorded}, resume=resume, notes=notes)
    team.wait()
    checkpoint = resume_point(
        folder, reference_digest=state.reference_digest, config_digest=state.config_digest
    )
    if checkpoint is not None:
        saved, state = load_checkpoint(checkpoint)
        if isinstance(policy, LoRAPolicy):
            load_adapter(checkpoint, policy)  # what was saved is merged, and trains no further
        else:
            policy = saved.to(team.device)
        policy.recompute(settings.gradient_checkpointing)
    if team.first:
        forget_after(folder, state.step if checkpoint else -1)
    team, drawer = team.around(policy, policy.units(), settings.strategy)
    optimizer = torch.optim.AdamW(
        [parameter for _, parameter in policy.trainable()],
        lr=settings.optimizer.lr,
        betas=settings.optimizer.betas,
        weight_decay=settings.optimizer.weight_decay,
    )
    if checkpoint is not None:
        load_optimizer(checkpoint, optimizer, policy.trainable(), team)
        load_reference(checkpoint, reference)
    stopwatch, ledger, autocast = Stopwatch(), Ledger(), _autocast(settings, policy.device)

    def prompts(first: int, count: int) -> list[Prompt]:
        return take(source, settings.seed, first, count)

    return Run(
        settings=settings,
        folder=folder,
        policy=policy,
        drawer=drawer,
        reference=reference,
        algorithm=algorithm,
        team=team,
        context=Context(
            policy=drawer,
            reference=reference,
            reward=reward,
            prompts=prompts,
            peers=team,
            spend=ledger.spend,
            seed=settings.seed,
            max_missing=settings.max_missing,
            batch_size=settings.batch_size,
            folder=folder,
            phase=stopwatch.phase,
            on_progress=on_progress,
            beside=beside,
            autocast=autocast,
        ),
        optimizer=optimizer,
        watch=Watch(
            benchmarks=benchmarks,
            scorers=[load_scorer(each) for each in settings.watch.scorers],
            base=frozen_copy(_begun(settings).to(team.device)) if settings.watch.kl else None,
            prompts_per_category=settings.watch.prompts_per_category,
            view=view,
            seed=settings.seed,
            batch_size=settings.batch_size,
            training=tuple(take(source, derive_seed("film", settings.seed), 0, FILM_TRAINING)),
            reward=reward,
        ),
        stopwatch=stopwatch,
        ledger=ledger,
        autocast=autocast,
        micro_batch=plan.rows,
        state=state,
    )


def _begun(settings: RunConfig) -> PolicyModule:
    """Returns the policy that the run starts from."""
    return load_policy(settings.model or settings.policy)


def _policies(settings: RunConfig, device: torch.device) -> tuple[PolicyModule, Policy]:
    """Returns the policy that trains and its reference, both as the run starts."""
    base = _begun(settings).to(device)
    base.recompute(settings.gradient_checkpointing)
    if settings.adapter is None:
        return base, frozen_copy(base)
    moves = settings.iterated is not None and settings.iterated.share() > 0
    policy = LoRAPolicy(base, settings.adapter, seed=settings.seed, reference_moves=moves)
    return policy, policy.reference()


def _algorithm(settings: RunConfig, view: View) -> Algorithm:
    match settings.algorithm:
        case GRPOConfig():
            inner = GRPO(settings.algorithm, view)
        case DPOConfig():
            inner = DPO(settings.algorithm, view, settings.round_steps)
    return Iterated(inner, settings.iterated, settings.round_steps) if settings.iterated else inner


def _check_shares(algorithm: Algorithm, team: Team) -> None:
    """Refuses what cannot be divided evenly: processes with unequal shares would wait for each other."""
    for name, amount in algorithm.divided.items():
        if amount % team.count:
            raise UserError(
                f"{name}={amount} cannot be divided among {team.count} processes; make it a multiple of that"
            )


def _beside(settings: RunConfig, device: torch.device, team: Team) -> Thread | None:
    wanted = settings.judge_while_drawing
    return Thread(device) if (pays(device, team.count) if wanted is None else wanted) else None


def _autocast(settings: RunConfig, device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    enabled = settings.precision == "bfloat16"
    return partial(torch.autocast, device.type, dtype=torch.bfloat16, enabled=enabled)
