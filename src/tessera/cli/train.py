"""`tessera train`: a recipe -> a run folder: metrics, checkpoints, a film strip of the same prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from tessera import __version__
from tessera.cli.common import finish, link, parse_flags, positive, progress_bar
from tessera.cli.train_lines import StepLines, closing_lines


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Train a policy by a recipe: mosaic-grpo, mosaic-dpo.

    The folder fills while training runs: metrics.jsonl, held_out.jsonl (validation prompts), pictures/ (the
    same prompts and seeds at every look), checkpoints/, and report.html at the end. A killed run goes on with
    --resume, bit for bit.
    Example: tessera train mosaic-grpo --out runs/grpo
    """

    recipe: Annotated[str, tyro.conf.Positional]
    """mosaic-grpo or mosaic-dpo"""
    out: Path
    """the run folder; it fills while training runs"""
    resume: bool = False
    """go on from the last checkpoint of this folder, with the same settings"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""
    policy: str | None = None
    """what to train: a shipped policy, a policy folder, a run folder or a checkpoint; unset: the recipe's"""
    steps: int | None = None
    """optimizer steps; unset: the recipe's"""
    lr: float | None = None
    """peak learning rate; unset: the recipe's"""
    seed: int | None = None
    """of prompts and pictures; unset: the recipe's"""
    set: tuple[str, ...] = ()
    """any other setting of config.json: algorithm.kl_weight=0.02 reward.kind=noise precision=float32"""
    threads: int = 1
    """threads of a CPU; more than one pays only on an idle machine"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "train", arguments)

    import torch

    from tessera.benchmarks.layout import PAGE
    from tessera.recipes import load_recipe
    from tessera.report.training import training_page
    from tessera.storage import read_jsonl, write_atomic
    from tessera.training.loop import train
    from tessera.training.metrics import HELD_OUT
    from tessera.training.overlay import overlaid
    from tessera.training.run import open_run

    torch.set_num_threads(positive("threads", flags.threads))
    named = {"policy": flags.policy, "steps": flags.steps, "seed": flags.seed, "optimizer.lr": flags.lr}
    settings = overlaid(load_recipe(flags.recipe), named, flags.set)
    with progress_bar(flags.json) as bar:
        training = open_run(settings, flags.out, __version__, resume=flags.resume, on_progress=bar)
        state = train(training, StepLines(settings.steps, quiet=flags.json))
    out = link(flags.out.absolute())
    following = f"tessera eval --policy {out} --out {out}-eval"
    page = training_page(flags.out, f"Measure it on the test prompts: `{following}`")
    write_atomic(flags.out / PAGE, page.encode())
    measured = list(read_jsonl(flags.out / HELD_OUT))
    result = {
        "out": str(flags.out.absolute()),
        "step": state.step,
        "images": state.images,
        "seconds": round(state.seconds, 1),
        "held_out": measured,
    }
    return finish(result, as_json=flags.json, lines=closing_lines(result, f"{out}/{PAGE}", following))
