"""Numbers as a page writes them: percentages, intervals, times. NaN is a dash, never a zero."""

import math

from tessera.statistics.intervals import Estimate

NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
MISSING = "\N{EN DASH}"


def percent(share: float, digits: int = 0) -> str:
    """Returns a share as a percentage, e.g. 61 %."""
    return MISSING if math.isnan(share) else f"{100 * share:.{digits}f}{NARROW_SPACE}%"


def interval(estimate: Estimate, digits: int = 0) -> str:
    """Returns the ends of an interval in percent, without the sign, e.g. 57–65; empty if not known."""
    if math.isnan(estimate.ci_low) or math.isnan(estimate.ci_high):
        return ""
    return f"{100 * estimate.ci_low:.{digits}f}\N{EN DASH}{100 * estimate.ci_high:.{digits}f}"


def count(number: int) -> str:
    """Returns a whole number with its thousands set apart, e.g. 4 800."""
    return f"{number:,}".replace(",", NARROW_SPACE)


def plural(number: int, noun: str) -> str:
    """Returns a count with its noun, e.g. 1 picture, 4 800 pictures."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Returns a time as people say it, e.g. 48 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{NARROW_SPACE}s"
    major, minor, names = (whole // 60, whole % 60, ("min", "s"))
    if whole >= 3600:
        major, minor, names = (whole // 3600, whole % 3600 // 60, ("h", "min"))
    first = f"{count(major)}{NARROW_SPACE}{names[0]}"
    return f"{first} {minor}{NARROW_SPACE}{names[1]}" if minor else first
