"""What the processes of `test_processes.py` do: torchrun -m tests.invariants.processes JOBS."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import UInt8
from numpy import ndarray

from tessera.config import from_plain
from tessera.errors import UserError
from tessera.training.config import RunConfig
from tessera.training.distributed import Alone, Team
from tessera.training.distributed_processes import open_team
from tessera.training.loop import train
from tessera.training.run import open_run
from tessera.types import Prompt

# AdamW divides a gradient by its own size, so where it is nearly 0 a difference of rounding becomes a step.
# With 1 beside the size a step is about the gradient itself, and a wrong scale of it shows.
EPSILON = 1.0


def train_in(folder: Path, settings: RunConfig, team: Team, *, resume: bool = False) -> None:
    """Trains in the folder, by steps that are about as large as the gradients."""
    run = open_run(settings, folder, "test", resume=resume, team=team)
    for group in run.optimizer.param_groups:
        group["eps"] = EPSILON
    train(run, lambda row: None)


def fails_on_the_second(prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[float]:
    """A reward that one process cannot ask."""
    if os.environ["RANK"] == "1":
        raise RuntimeError("this process fails alone")
    return [float(image_HWC.mean()) for image_HWC, _ in zip(images_BHWC, prompts, strict=True)]


def main(jobs: Path) -> None:
    """Does one job after the other; what is refused is written into the job's folder."""
    torch.set_num_threads(1)
    with open_team() as team:
        assert not isinstance(team, Alone)
        for job in json.loads(jobs.read_text()):
            folder = Path(job["folder"])
            settings = from_plain(RunConfig, job["settings"], where=str(jobs))
            try:
                train_in(folder, settings, team, resume=job["resume"])
            except UserError as error:
                if team.first:
                    folder.with_suffix(".refused").write_text(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
