"""Runs stages in the order that their inputs ask for, several at once, each in a process of its own.

A stage that fails is recorded, and so is whatever needs it; the others go on. Nothing is kept in memory that
the folder does not say, so a study that is killed goes on where it was.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from tessera.config import to_plain
from tessera.storage import append_jsonl, drop_torn_line, write_json
from tessera.study.expected import START, chains, remaining
from tessera.study.stages import STAGES, Plan, read_complete
from tessera.types import Progress

TIMELINE = "timeline.jsonl"  # in the study's folder: when each stage was started and when it had ended

POLL = 0.1  # seconds between two looks at the processes
GRACE = 5.0  # seconds that a process has to leave

# One thread each: processes that fill the cores would wait for each other's threads.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}


@runtime_checkable  # so that tests check arguments at run time
class Job(Protocol):
    """A stage at work."""

    def code(self) -> int | None:
        """Returns the exit code, None while it runs."""
        ...

    def stop(self) -> None:
        """Ends it; what it has made so far stays."""
        ...


@runtime_checkable
class Executor(Protocol):
    """Where stages run."""

    @property
    def slots(self) -> int:
        """How many at once."""
        ...

    def start(self, out: Path, name: str) -> Job:
        """Starts the stage of that name, its output going to its log."""
        ...


@dataclass(frozen=True, slots=True)
class LocalJob:
    """A process of this machine."""

    process: "subprocess.Popen[bytes]"
    slot: int

    def code(self) -> int | None:
        """Returns the exit code, None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """Ends it, gently if it listens."""
        self.process.terminate()
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True, slots=True)
class Local:
    """Processes of this machine; with GPUs, each slot has one of them in turn."""

    slots: int
    gpus: tuple[str, ...] = ()  # as CUDA_VISIBLE_DEVICES names them; none: stages see what there is
    jobs: list[LocalJob] = field(default_factory=list)  # that may still run

    def start(self, out: Path, name: str) -> LocalJob:
        """Starts the stage in a process that leaves when this one does."""
        self.jobs[:] = [job for job in self.jobs if job.code() is None]
        slot = min(set(range(len(self.jobs) + 1)) - {job.slot for job in self.jobs})
        mine = {"CUDA_VISIBLE_DEVICES": self.gpus[slot % len(self.gpus)]} if self.gpus else {}
        with log_path(out, name).open("wb") as log:
            process = subprocess.Popen(
                worker_command(out, name, os.getpid()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **ENVIRONMENT, **mine},
                start_new_session=True,  # Ctrl-C is for the study, which ends its stages itself
            )
        self.jobs.append(LocalJob(process, slot))
        return self.jobs[-1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How it ended."""

    errors: Mapping[str, str]  # by stage
    made: int  # stages finished now, not before
    interrupted: bool


def run_stages(
    plan: Plan,
    names: Sequence[str],
    out: Path,
    executor: Executor,
    *,
    commands: Mapping[str, str],
    on_progress: Progress,
    tell: Callable[[str], None],
) -> Outcome:
    """Makes the named stages, which are in the order of their inputs; `commands` are for their records."""
    (out / STAGES).mkdir(exist_ok=True)
    drop_torn_line(out / TIMELINE)
    found = {name: read_complete(out, name) for name in names}
    seconds = {name: START + cost["seconds"] for name, cost in found.items() if cost}
    urgency, before = chains(plan, names), len(seconds)
    waiting = sorted((n for n in names if n not in seconds), key=lambda name: -urgency[name])
    running: dict[str, Job] = {}
    begun: dict[str, float] = {}
    errors: dict[str, str] = {}
    interrupted = False
    if before:
        tell(f"{before} of {len(names)} stages are there already")
    try:
        while waiting or running:
            for name in list(waiting):
                sources = plan.stages[name].inputs.values()
                if broken := [source for source in sources if source in errors]:
                    errors[name] = f"{plan.labels[broken[0]]} failed: {errors[broken[0]]}"
                    waiting.remove(name)
                elif len(running) < executor.slots and all(source in seconds for source in sources):
                    words = {"label": plan.labels[name], "command": commands.get(name, "")}
                    write_json(out / STAGES / f"{name}.json", {**words, "stage": to_plain(plan.stages[name])})
                    begun[name] = time.monotonic()
                    running[name] = executor.start(out, name)
                    waiting.remove(name)
            note = "; ".join(plan.labels[name] for name in running)
            on_progress("stages", len(seconds) + len(errors), len(names), note)
            time.sleep(POLL)
            for name, job in list(running.items()):
                if (code := job.code()) is None:
                    continue
                del running[name]
                now = time.time()
                times = {"began": round(now - time.monotonic() + begun[name], 2), "ended": round(now, 2)}
                append_jsonl(out / TIMELINE, [{"stage": name, **times, "slots": executor.slots}])
                if read_complete(out, name) is not None:
                    seconds[name] = time.monotonic() - begun[name]
                    left = remaining(plan, [n for n in names if n not in errors], seconds, executor.slots)
                    ended = f"in {duration(seconds[name])}; about {duration(left)} left"
                else:
                    errors[name] = _why(log_path(out, name), code)
                    ended = f"FAILED: {errors[name]} ({log_path(out, name)})"
                tell(f"[{len(seconds) + len(errors)}/{len(names)}] {plan.labels[name]}: {ended}")
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for job in running.values():
            job.stop()
    on_progress("stages", len(seconds) + len(errors), len(names))
    return Outcome(errors=errors, made=len(seconds) - before, interrupted=interrupted)


def worker_command(out: Path, name: str, parent: int) -> list[str]:
    """Returns the command that makes a stage; it ends when the process `parent` does."""
    return [sys.executable, "-m", "tessera.study.worker", str(out), name, str(parent)]


def log_path(out: Path, name: str) -> Path:
    """Returns where a stage's output goes."""
    return out / STAGES / f"{name}.log"


def duration(seconds: float) -> str:
    """Returns a time as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _why(log: Path, code: int) -> str:
    """Returns the last line that a stage printed: of a traceback, the error itself."""
    if code < 0:
        return f"ended by signal {-code}; where memory is short, use fewer --workers"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else f"exit code {code}"
