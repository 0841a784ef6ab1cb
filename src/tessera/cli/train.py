"""`tessera train`: a recipe -> a run folder: metrics, checkpoints, a film strip of the same prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from tessera import __version__
from tessera.cli.common import command_line, finish, link, parse_flags, positive
from tessera.cli.progress import progress_bar


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Train a policy by a recipe: mosaic-grpo, janus-tiny-dpo, janus-pro-7b-grpo-hps (docs/recipes.md).

    The folder fills while training runs: metrics.jsonl, held_out.jsonl (validation prompts), pictures/ (the
    same prompts and seeds at every look), checkpoints/, and report.html at the end. A killed run goes on with
    --resume, bit for bit.

    Settings come from the recipe, --config, their flags and --set; later ones win.

    Curves while it runs: tensorboard --logdir OUT/tensorboard

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
    config: tuple[Path, ...] = ()
    """TOML files with settings of config.json, merged into the recipe in this order"""
    track: tuple[str, ...] = ("tensorboard",)
    """where curves are drawn while it runs: tensorboard, trackio, wandb; or none"""
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
    from tessera.cli.train_lines import StepLines, closing_lines
    from tessera.recipes import load_recipe
    from tessera.report.run_files import read_run
    from tessera.report.training import run_alarms, training_page
    from tessera.storage import write_atomic
    from tessera.training.distributed_processes import open_team
    from tessera.training.loop import train
    from tessera.training.overlay import overlaid
    from tessera.training.run import open_run
    from tessera.training.trackers import check_trackers, tracked

    torch.set_num_threads(positive("threads", flags.threads))
    named = {"policy": flags.policy, "steps": flags.steps, "seed": flags.seed, "optimizer.lr": flags.lr}
    settings = overlaid(load_recipe(flags.recipe), named, flags.set, flags.config)
    trackers = check_trackers(flags.track)
    lines = StepLines(flags.out, settings.steps, quiet=flags.json)
    with open_team() as team, progress_bar(flags.json or not team.first) as bar:
        training = open_run(
            settings,
            flags.out,
            __version__,
            resume=flags.resume,
            command=command_line("train", arguments),
            team=team,
            on_progress=bar,
        )
        with tracked(trackers if team.first else (), flags.out, quiet=flags.json) as track:

            def on_step(row: Mapping[str, Any]) -> None:
                lines(row)
                track(row)

            state = train(training, on_step)
    if not team.first:
        return 0
    out = link(flags.out.absolute())
    following = f"tessera eval --policy {out} --out {out}-eval"
    page = training_page(flags.out, f"Measure it on the test prompts: `{following}`")
    write_atomic(flags.out / PAGE, page.encode())
    files = read_run(flags.out)
    result = {
        "out": str(flags.out.absolute()),
        "step": state.step,
        "images": state.images,
        "seconds": round(state.seconds, 1),
        "held_out": list(files.held_out),
        "overlap": files.config.get("overlap", ""),
        "alarms": [asdict(alarm) for alarm in run_alarms(files)],
    }
    return finish(result, as_json=flags.json, lines=closing_lines(result, f"{out}/{PAGE}", following))
