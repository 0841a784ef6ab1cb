"""`tessera bench growth` and `tessera bench study`: what is measured over sizes, and over a whole study."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tessera.cli.bench_flags import Growth, Study, heading
from tessera.cli.bench_lines import growth_lines, study_lines
from tessera.cli.common import parse_flags, positive
from tessera.cli.progress import progress_bar
from tessera.errors import UserError


def run_growth(arguments: Sequence[str]) -> int:
    """Measures curves."""
    flags = parse_flags(Growth, "bench growth", arguments)
    if flags.limit <= 0:
        raise UserError(f"--limit must be above 0 seconds, got {flags.limit:g}")
    flags.prepare()

    from tessera.bench.growth import bench_growth
    from tessera.devices import device_of

    device = device_of(flags.device)
    with progress_bar(flags.json) as bar:
        measured = bench_growth(
            flags.axis, device=device, limit=flags.limit, repeats=flags.repeats, on_progress=bar
        )
    result = {**heading("growth", device, arguments), **flags.counted(device), **measured}
    return flags.done(result, growth_lines(result))


def run_study(arguments: Sequence[str]) -> int:
    """Measures a study."""
    flags = parse_flags(Study, "bench study", arguments)
    if flags.workers is not None:
        positive("workers", flags.workers)

    import torch

    from tessera.bench.study import study_costs

    folder = Path(flags.study)
    if folder.is_dir():
        costs = {**study_costs(folder), "own": None}
    else:
        with tempfile.TemporaryDirectory(prefix="tessera-study-") as there:
            own = run_now(flags, Path(there))
            costs = {**study_costs(Path(there)), "own": own}
    result = {**heading("study", torch.device("cpu"), arguments), **costs}
    return flags.done(result, study_lines(result))


def run_now(flags: Study, folder: Path) -> dict[str, Any]:
    """Runs the study into the folder, with its page; returns what this took beside the stages."""
    from tessera.cli.study_lines import asked_for, closing, default_workers, executor, teller
    from tessera.study.study import run_study as run_stages

    start, cpu = time.perf_counter(), time.process_time()
    study = asked_for(flags.study, (), None)
    workers = flags.workers or default_workers(study)
    with executor(study, "local", workers) as where, progress_bar(flags.json) as bar:
        ended = run_stages(
            study,
            folder,
            where,
            resume=False,
            command=f"tessera study {flags.study}",
            on_progress=bar,
            tell=teller(quiet=flags.json),
        )
    if ended.interrupted:
        raise KeyboardInterrupt
    if failed := [cell for cell in ended.cells if cell["status"] == "failed"]:
        raise UserError(f"a cell of the study failed, so it cannot be measured: {failed[0]['error']}")
    page = time.perf_counter()
    closing(ended, folder)
    now = time.perf_counter()
    return {
        "seconds": now - start,
        "page_seconds": now - page,
        "cpu_seconds": time.process_time() - cpu,
    }
