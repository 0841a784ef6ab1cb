"""How far work is, and how long it will take: a bar on a terminal, a line now and then in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich import progress as bars
from rich.console import Console

from tessera.report.numbers import duration
from tessera.types import Progress, silent

# Progress and remarks go to standard error, results to standard output: a pipe gets results alone.
console = Console(stderr=True, highlight=False)

EVERY = 30.0  # seconds between two lines of a log about one piece of work


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Progress]:
    """Yields a function that shows each kind of work, with what is left to wait."""
    if not console.is_terminal:
        yield silent if quiet else log_lines(console.print, time.monotonic)
        return
    columns = (
        bars.TextColumn("{task.description:<24}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.fields[note]}"),
    )
    with bars.Progress(*columns, console=console, disable=quiet) as progress:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int, note: str = "") -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total, note=note)
            progress.update(tasks[what], completed=done, note=note)

        yield show


def log_lines(write: Callable[[str], object], clock: Callable[[], float]) -> Progress:
    """Returns a progress that writes a line when a piece of work begins, and then every half minute."""
    began: dict[str, tuple[int, float]] = {}  # how much was done already, and when
    told: dict[str, float] = {}

    def show(what: str, done: int, total: int, note: str = "") -> None:
        now = clock()
        if what not in began:
            began[what], told[what] = (done, now), now
            write(f"{what}: {total}" + (f", {done} of them there already" if 0 < done < total else ""))
        elif now - told[what] >= EVERY and done < total:
            told[what] = now
            before, start = began[what]
            rate = (done - before) / (now - start)
            left = f", {duration((total - done) / rate)} left" if rate > 0 else ""
            write(f"{what}: {done} of {total}{left}{f' ({note})' if note else ''}")

    return show
