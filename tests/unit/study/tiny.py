"""A study at tiny size: the tiny policy, four steps, two arms that sample 32 pictures each."""

import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tessera.study.config import (
    BASE,
    ArmConfig,
    EvaluationConfig,
    ExperimentConfig,
    PinnedRates,
    StudyConfig,
)
from tessera.study.runner import Executor, log_path
from tessera.study.study import Finished, run_study
from tessera.study.worker import main
from tessera.types import silent
from tests.tiny import save_tiny_policy

EVALUATION = EvaluationConfig(benchmarks=("mosaic-id",), prompts_per_category=1, samples_per_prompt=1)

QUICKLY = (
    "steps=4",
    "precision=float32",
    "checkpoint_every=2",
    "batch_size=16",
    'watch.benchmarks=["mosaic-id"]',
    "watch.prompts_per_category=1",
    "watch.film_every=0",
)

ARMS = (
    ArmConfig(
        name="grpo",
        recipe="mosaic-grpo",
        changes=("algorithm.prompts_per_step=2", "algorithm.group=4"),
    ),
    ArmConfig(
        name="dpo",
        recipe="mosaic-dpo",
        changes=("algorithm.prompts=8", "algorithm.group=4", "algorithm.pairs_per_step=4"),
    ),
)

VERSUS = ExperimentConfig(
    name="versus",
    question="Which?",
    arms=(BASE, "grpo", "dpo"),
    rewards=("noise",),
    best_of=2,
    choosers=("noise",),
)


def tiny_study(policy: Path | str, **changes: Any) -> StudyConfig:
    """Returns the study on the policy in a folder."""
    study = StudyConfig(
        name="tiny",
        arms=ARMS,
        experiments=(VERSUS,),
        policy=str(policy),
        changes=QUICKLY,
        images=32,
        evaluation=EVALUATION,
        rates=PinnedRates(source="a test", rates={"grpo": 1e-3, "dpo": 1e-3}),
    )
    return replace(study, **changes)


def saved(folder: Path) -> Path:
    """Returns a folder with the tiny policy."""
    return save_tiny_policy(folder / "policy")


def run_tiny(
    study: StudyConfig,
    out: Path,
    *,
    resume: bool = False,
    executor: Executor | None = None,
    told: list[str] | None = None,
    only: Sequence[str] = (),
) -> Finished:
    """Runs a study, one stage at a time unless told otherwise."""
    return run_study(
        study,
        out,
        executor or Here(),
        resume=resume,
        command="tessera study tiny",
        on_progress=silent,
        tell=(told if told is not None else []).append,
        only=only,
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """A stage that has run."""

    exit_code: int

    def code(self) -> int | None:
        """Returns the exit code."""
        return self.exit_code

    def stop(self) -> None:
        """Does nothing: it has ended."""


@dataclass(frozen=True, slots=True)
class Here:
    """Runs stages in this process, one after another: torch is loaded once, and shapes are checked."""

    slots: int = 1

    def start(self, out: Path, name: str) -> Ended:
        """Runs the stage."""
        with log_path(out, name).open("w") as log, redirect_stdout(log), redirect_stderr(log):
            try:
                return Ended(main(out, name, None))
            except Exception:  # noqa: BLE001 - a process too ends with 1 whatever was raised
                traceback.print_exc()
                return Ended(1)
