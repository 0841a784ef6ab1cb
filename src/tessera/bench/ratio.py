"""Timings that may be compared: taken in turns in one run, so that whatever slows the machine meets all.

On a CPU with one thread the clock counts the processor's seconds, which neighbours change least; with several
threads, and on a GPU, it is the wall's.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from tessera.config import config
from tessera.products import onednn_pays, torchs_own

OUR_PRODUCTS = ", our products"  # a name's end: what is timed has them from this process


@config
class Spread:
    """The median of all rounds, with the least and the most."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds of work on a device."""

    device: torch.device

    @property
    def kind(self) -> str:
        """What its seconds are."""
        return "cpu" if self.device.type == "cpu" and torch.get_num_threads() == 1 else "wall"

    def now(self) -> float:
        """Returns the time, once a GPU has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.process_time() if self.kind == "cpu" else time.perf_counter()

    def seconds(self, work: Callable[[], object]) -> float:
        """Returns how long the work took."""
        start = self.now()
        work()
        return self.now() - start


class Phases:
    """Seconds by phase, added up."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the time inside towards the phase."""
        start = self.clock.now()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + self.clock.now() - start


def in_turns(clock: Clock, works: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Returns the seconds of each work in each round; who begins changes from round to round."""
    names = list(works)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(repeats):
        first = round_ % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(clock.seconds(works[name]))
    return taken


def of_others(works: Mapping[str, Callable[[], object]]) -> dict[str, Callable[[], object]]:
    """Returns the works with torch's products, as their users run them; and with ours, where those differ."""

    def unasked(work: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            with torchs_own():
                work()

        return run

    if not onednn_pays():
        return dict(works)
    both: dict[str, Callable[[], object]] = {}
    for name, work in works.items():
        both |= {name: unasked(work), f"{name}{OUR_PRODUCTS}": work}
    return both


def with_our_products(seconds: Mapping[str, Sequence[float]]) -> dict[str, Spread]:
    """Returns how many times longer others take with our products, by name; empty where those are torch's."""
    theirs = {name: taken for name, taken in seconds.items() if name.endswith(OUR_PRODUCTS)}
    return {name: ratio(taken, seconds["ours"]) for name, taken in theirs.items()}


def spread(values: Sequence[float]) -> Spread:
    """Returns the median of values, with the least and the most."""
    return Spread(median=statistics.median(values), low=min(values), high=max(values))


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> Spread:
    """Returns how many times longer they took than we, round by round."""
    return spread([them / us for them, us in zip(theirs, ours, strict=True)])


def rate(amount: int, seconds: Sequence[float]) -> Spread:
    """Returns so much per second, round by round."""
    return spread([amount / each for each in seconds])
