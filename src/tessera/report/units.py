"""In which unit a benchmark's scores are printed: percent of right pictures, or scores as they are.

That of T2I-CompBench is a property of its name, as in the tables of the field. Of any other benchmark the
grades tell: where all are 0 or 1 they are verdicts, else numbers in a unit of their own.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tessera.report.numbers import MISSING, NARROW_SPACE

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """How a score is written."""

    name: str
    factor: float
    digits: int  # after the point
    sign: str = ""  # what stands behind a number that stands alone

    def value(self, score: float) -> str:
        """Returns a score, e.g. 62.5 or 0.6250; a dash for NaN."""
        return MISSING if math.isnan(score) else f"{self.factor * score:.{self.digits}f}".replace("-", MINUS)

    def alone(self, score: float) -> str:
        """Returns a score outside of tables, e.g. 62.5 % or 0.6250."""
        return MISSING if math.isnan(score) else self.value(score) + self.sign

    def signed(self, change: float) -> str:
        """Returns a difference with its sign, e.g. +12.5; a dash for NaN."""
        if math.isnan(change):
            return MISSING
        text = f"{self.factor * change:+.{self.digits}f}"
        # What rounds to zero has no sign.
        return text.lstrip("+-") if float(text) == 0 else text.replace("-", MINUS)

    def interval(self, low: float, high: float) -> str:
        """Returns the ends of an interval, e.g. 45.0–79.2; empty where it is not known."""
        if math.isnan(low + high):
            return ""
        # Between numbers with a sign a dash would be read as another one.
        return f"{self.value(low)}{' to ' if low < 0 else DASH}{self.value(high)}"

    def signed_interval(self, low: float, high: float) -> str:
        """Returns the ends of a difference's interval, e.g. −4.2 to +29.2; empty where not known."""
        return "" if math.isnan(low + high) else f"{self.signed(low)} to {self.signed(high)}"

    def published(self, text: str) -> str:
        """Returns a published number in this unit, with the digits that it was published with."""
        decimals = len(text.partition(".")[2])
        return f"{self.factor * float(text):.{max(decimals - round(math.log10(self.factor)), 0)}f}"


PERCENT = Unit(name="percent", factor=100.0, digits=1, sign=f"{NARROW_SPACE}%")
PLAIN = Unit(name="score", factor=1.0, digits=4)  # as T2I-CompBench and all who report it print it
FIGURES = 4  # of the largest score, where the unit is a scorer's own

SCORES = ("compbench", "t2i-compbench")


def unit_of(benchmark: str, grades: Iterable[float] = ()) -> Unit:
    """Returns the unit of a benchmark's scores; PERCENT where pictures are right or wrong."""
    if benchmark.startswith(SCORES):
        return PLAIN
    known = [grade for grade in grades if not math.isnan(grade)]
    return PERCENT if all(grade in (0.0, 1.0) for grade in known) else own_unit(known)


def own_unit(scores: Iterable[float]) -> Unit:
    """Returns the unit of a scorer: so many digits that the largest score has four figures."""
    largest = max((abs(score) for score in scores if math.isfinite(score)), default=0.0)
    before = math.floor(math.log10(largest)) + 1 if largest >= 1 else 0
    return Unit(name="score", factor=1.0, digits=max(FIGURES - before, 0))
