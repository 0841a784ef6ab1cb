"""`tessera study`: arms x rewards x settings x seeds -> cells, results.json, a report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from tessera.cli.common import command_line, finish, parse_flags, positive
from tessera.cli.progress import progress_bar
from tessera.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Compare ways of training at equal images: quick (minutes), standard (three seeds), full (five), janus
    (Janus-Pro-7B on GPUs, with weights and data of your own).

    What is made stays: with --resume only what is missing or has changed is made. A cell that fails is
    recorded, with its log, and the others go on; the exit code is then 1.
    Example: tessera study quick --out runs/study
    """

    study: Annotated[str, tyro.conf.Positional] = "quick"
    """quick, standard, full, janus, or a TOML or JSON file with a study of your own"""
    out: Path | None = None
    """folder of the study; it fills while it runs"""
    resume: bool = False
    """go on in this folder"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""
    dry_run: bool = False
    """print the cells, and images and expected time of every study; run nothing"""
    workers: int | None = None
    """stages at once, one core each, or one GPU; unset: as many as there are"""
    only: tuple[str, ...] = ()
    """run these experiments now"""
    seeds: tuple[int, ...] = ()
    """of training; unset: the study's"""
    match: Literal["images", "flops", "seconds"] | None = None
    """what arms are compared at, others than images by short runs before; unset: as the study says"""
    runner: Literal["local", "ray"] = "local"
    """where stages run: processes here, or a Ray cluster that shares the folder (extra: ray)"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "study", arguments)

    from tessera.cli.study_lines import asked_for, closing, default_workers, dry_run, executor, teller
    from tessera.study.study import run_study

    study = asked_for(flags.study, flags.seeds, flags.match)
    if flags.workers is not None:
        positive("workers", flags.workers)
    if flags.dry_run:
        result, lines = dry_run(study, flags.seeds, flags.match, flags.workers)
        return finish(result, as_json=flags.json, lines=lines)
    if flags.out is None:
        raise UserError("say where results go, for example --out runs/study")
    workers = flags.workers or default_workers(study)
    with executor(study, flags.runner, workers) as where, progress_bar(flags.json) as bar:
        ended = run_study(
            study,
            flags.out.absolute(),
            where,
            resume=flags.resume,
            command=command_line("study", arguments),
            only=flags.only,
            on_progress=bar,
            tell=teller(quiet=flags.json),
        )
    if ended.interrupted:
        raise KeyboardInterrupt
    result, lines = closing(ended, flags.out)
    finish(result, as_json=flags.json, lines=lines)
    return 1 if ended.count("failed") else 0
