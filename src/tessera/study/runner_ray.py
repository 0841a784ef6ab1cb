"""Runs stages on a Ray cluster; needs the extra `ray`, and a folder that all machines share."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tessera.errors import UserError
from tessera.study.runner import ENVIRONMENT, log_path, worker_command


@dataclass(frozen=True, slots=True)
class RayJob:
    """A task of the cluster."""

    ray: Any
    task: Any

    def code(self) -> int | None:
        """Returns the exit code, None while it runs; a machine that was lost is an exit code, too."""
        done, _ = self.ray.wait([self.task], timeout=0)
        if not done:
            return None
        try:
            return self.ray.get(self.task)
        except self.ray.exceptions.RayError:
            return 1

    def stop(self) -> None:
        """Ends it."""
        self.ray.cancel(self.task, force=True)


@dataclass(frozen=True, slots=True)
class OnRay:
    """One core of the cluster for each stage, or a GPU."""

    ray: Any
    slots: int
    gpu: bool = False

    def start(self, out: Path, name: str) -> RayJob:
        """Starts the stage wherever a core is free, or a GPU."""
        task = self.ray.remote(_run).options(num_cpus=1, num_gpus=int(self.gpu), max_retries=0)
        return RayJob(self.ray, task.remote(str(out), name))


@contextmanager
def open_ray(workers: int, *, gpu: bool = False) -> Iterator[OnRay]:
    """Yields the cluster of RAY_ADDRESS, or one of this machine with so many cores."""
    try:
        import ray  # pyright: ignore[reportMissingImports] - an extra  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UserError("--runner ray needs Ray: pip install 'tessera-rl[ray]'") from error
    cluster = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers, "include_dashboard": False}
    ray.init(log_to_driver=False, **cluster)
    try:
        yield OnRay(ray, workers, gpu)
    finally:
        ray.shutdown()


def _run(out: str, name: str) -> int:
    """Returns the exit code of a stage, which leaves when Ray ends this process."""
    with log_path(Path(out), name).open("wb") as log:
        return subprocess.call(
            worker_command(Path(out), name, os.getpid()),
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ENVIRONMENT},
        )
