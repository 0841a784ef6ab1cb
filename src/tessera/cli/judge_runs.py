"""The runs of `tessera judge --over-optimise`: the same short GRPO on each scorer, kept under OUT/runs."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tessera import __version__
from tessera.errors import RewardError, SamplingError, TrainingError
from tessera.recipes import load_recipe
from tessera.report.run_files import RunFiles, read_run
from tessera.rewards.load import AnyScorer
from tessera.training.loop import train
from tessera.training.run import open_run
from tessera.types import Progress

RECIPE = "mosaic-grpo"
LOOK = 5  # steps between measurements with the verifier


def over_optimise(
    folder: Path, name: str, reward: AnyScorer, policy: str, steps: int, seed: int, on_progress: Progress
) -> dict[str, Any]:
    """Returns the trained reward and the verifier's scores over KL; a run that is there goes on.

    A run that stops itself (a broken policy, too many missing rewards) is a result: what it wrote so far is
    returned, with the reason.
    """
    base = load_recipe(RECIPE)
    settings = replace(
        base,
        policy=policy,
        reward=reward,
        steps=steps,
        seed=seed,
        watch=replace(base.watch, every=LOOK, film_every=0),
    )
    place = folder / "runs" / quote(name, safe="") / f"steps_{steps:06d}"
    stopped = ""

    def on_step(row: Mapping[str, Any]) -> None:
        on_progress(f"training on {name}", row["step"], steps)

    on_progress(f"training on {name}", 0, steps)
    run = open_run(settings, place, __version__, resume=place.exists())
    try:
        train(run, on_step)
    except (TrainingError, SamplingError, RewardError) as error:
        stopped = str(error)
    return {"recipe": RECIPE, "steps": steps, "stopped": stopped, **overshoot(read_run(place))}


def overshoot(run: RunFiles) -> dict[str, Any]:
    """Returns {"trained": reward and KL of each step, "held_out": verifier and KL at each look}.

    A step's KL is of the pictures drawn before its update, so a look after it goes with the next step's.
    """
    kl = {row["step"]: row.get("kl") for row in run.metrics}
    return {
        "trained": [
            {"step": row["step"], "kl": row.get("kl"), "reward": row["reward"]} for row in run.metrics
        ],
        "held_out": [
            {
                "step": row["step"],
                "kl": 0.0 if row["step"] == 0 else kl.get(row["step"] + 1, kl.get(row["step"])),
                "strict": {name: row[name]["strict"] for name in run.benchmarks if name in row},
            }
            for row in run.held_out
        ],
    }
