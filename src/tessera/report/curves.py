"""Curves over training steps as inline SVG: pure functions from numbers to markup, without scripts.

Paths are drawn in a box of 100 x 100 that stretches to its place, with strokes that do not stretch; text and
dots lie outside the box at percentages, so they keep their size, on a phone as on paper. Colours are the
classes of `templates/theme.css`.

Axes: S steps.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from markupsafe import Markup
from numpy import ndarray

HEIGHT = 132  # of the plot, CSS pixels
TOP = 8  # room for half of the number at the upper line
FOOT = 20  # room for the steps
MOST_POINTS = 400  # of a line: a screen shows no more, and a page shall stay small
SMOOTHED_FROM = 15  # steps; a shorter run is drawn as it is
SMOOTH = 7  # steps in a running mean
ROOM = 15.0  # percent of the height: a line closer to the top has its name below
ASIDE = 5  # pixels between the dots of two lines at one step

Scale = Callable[[float], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Values over steps, NaN for a gap. `dots` marks rare measurements, with their intervals if known."""

    step_S: Float64[ndarray, " S"]
    value_S: Float64[ndarray, " S"]
    series: str = "neutral"
    dots: bool = False
    exact: bool = False  # free of noise: never smoothed
    low_S: Float64[ndarray, " S"] | None = None  # a band, or the interval of each dot
    high_S: Float64[ndarray, " S"] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """The vertical scale. Unset ends follow the values; `write` makes a number text."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    least_high: float = 0.0  # the upper end is no lower: what hardly happens shall not fill the plot
    bound: float | None = None  # drawn as a dashed line
    write: Callable[[float], str] = "{:.3g}".format


def curve(lines: Sequence[Line], axis: Axis, *, title: str, steps: tuple[int, int]) -> Markup:
    """Returns the lines over the steps from first to last."""
    low, high = _ends(lines, axis)
    y, x = _vertical(low, high, axis.log), _horizontal(steps)
    inside: list[Markup] = []
    outside: list[Markup] = []
    for number, line in enumerate(lines):
        inside += [*_band(line, x, y), *_strokes(line, x, y)]
        # Measurements of several lines at one step stand side by side.
        outside += _dots(line, x, y, nudge=ASIDE * (number - (len(lines) - 1) / 2))
    outside.sort(key=lambda mark: mark.startswith("<circle"))  # dots on top of all intervals
    if axis.bound is not None and low <= axis.bound <= high:
        inside.append(_rule(y(axis.bound), "bound"))
        below = y(axis.bound) < ROOM
        outside.append(
            Markup('<text class="bound" x="2" y="{:.1f}">bound {}</text>').format(
                _pixel(y(axis.bound)) + (15 if below else -5), axis.write(axis.bound)
            )
        )
    return _frame(inside, outside, title, steps, (axis.write(low), axis.write(high)))


def stacked(
    step_S: Float64[ndarray, " S"],
    parts: Sequence[tuple[str, Float64[ndarray, " S"]]],
    *,
    title: str,
    steps: tuple[int, int],
    write: Callable[[float], str],
) -> Markup:
    """Returns areas on top of each other, the first lowest; `parts` are classes of colour with values."""
    x = _horizontal(steps)
    if len(step_S) == 1:  # an area needs a width: the only step covers all
        step_S, parts = np.array([0.0, 1.0]), [(kind, np.repeat(value_S, 2)) for kind, value_S in parts]
        x = _horizontal((0, 1))
    cells = [thinned(step_S, np.nan_to_num(value_S)) for _, value_S in parts]
    total = np.sum([value_S for _, value_S in cells], axis=0) if cells else np.zeros(1)
    high = float(total.max()) or 1.0
    y = _vertical(0.0, high, log=False)
    areas, below = [], np.zeros_like(total)
    for (kind, _), (at_S, value_S) in zip(parts, cells, strict=True):
        above = below + value_S
        areas.append(Markup('<path class="{}" d="{}"/>').format(kind, _area(at_S, below, above, x, y)))
        below = above
    return _frame(areas, [], title, steps, (write(0.0), write(high)))


def thinned(
    step_S: Float64[ndarray, " S"], value_S: Float64[ndarray, " S"]
) -> tuple[Float64[ndarray, " _"], Float64[ndarray, " _"]]:
    """Returns the series, its neighbours averaged where it has more points than a screen shows."""
    size = -(-len(step_S) // MOST_POINTS)
    if size <= 1:
        return step_S, value_S
    starts = np.arange(0, len(step_S), size)
    known_S = np.isfinite(value_S)
    count = np.add.reduceat(known_S.astype(np.float64), starts)
    total = np.add.reduceat(np.where(known_S, value_S, 0.0), starts)
    mean = np.divide(total, count, out=np.full(len(starts), np.nan), where=count > 0)
    return np.add.reduceat(step_S, starts) / np.diff(np.append(starts, len(step_S))), mean


def smoothed(value_S: Float64[ndarray, " S"]) -> Float64[ndarray, " S"]:
    """Returns the mean of each value's known neighbours, as many before as after, itself among them."""
    known_S = np.isfinite(value_S).astype(np.float64)
    window, middle = np.ones(SMOOTH), slice(SMOOTH // 2, SMOOTH // 2 + len(value_S))
    total = np.convolve(np.where(known_S > 0, value_S, 0.0), window)[middle]
    count = np.convolve(known_S, window)[middle]
    return np.divide(total, count, out=np.full(len(value_S), np.nan), where=known_S > 0)


# --- scales -------------------------------------------------------------------------------------------------


def _ends(lines: Sequence[Line], axis: Axis) -> tuple[float, float]:
    """Returns the lowest and the highest value to show; they differ."""
    shown = [v for line in lines for v in (line.value_S, line.low_S, line.high_S) if v is not None]
    known = np.concatenate([value_S[np.isfinite(value_S)] for value_S in shown] or [np.zeros(0)])
    if axis.log:
        known = known[known > 0]
    if axis.bound is not None:
        known = np.append(known, axis.bound)
    if len(known) == 0:
        known = np.array([0.1, 1.0])
    low = float(known.min()) if axis.low is None else axis.low
    high = max(float(known.max()), axis.least_high) if axis.high is None else axis.high
    if axis.log:  # whole powers of ten
        low, high = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))
        return low, high if high > low else 10 * low
    if high <= low:
        return low, low + (abs(low) or 1.0)
    return low, high


def _vertical(low: float, high: float, log: bool) -> Scale:
    """Returns how far down a value lies, in percent of the plot; values beyond its ends lie on them."""
    ends = (math.log10(low), math.log10(high)) if log else (low, high)

    def place(value: float) -> float:
        if log:
            value = math.log10(value) if value > 0 else ends[0]
        return 100 * (1 - min(max((value - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0))

    return place


def _horizontal(steps: tuple[int, int]) -> Scale:
    """Returns how far right a step lies, in percent; a single step lies in the middle."""
    first, last = steps
    return lambda step: 100 * (step - first) / (last - first) if last > first else 50.0


# --- marks --------------------------------------------------------------------------------------------------


def _strokes(line: Line, x: Scale, y: Scale) -> list[Markup]:
    """Returns the line; of a long noisy one its running mean, before the values as a faint line."""
    step_S, value_S = thinned(line.step_S, line.value_S)
    if line.dots or not _noisy(line, value_S):
        known = ~np.isnan(value_S) if line.dots else np.full(len(value_S), True)
        return _path(step_S[known], value_S[known], x, y, f"line {line.series}")
    return [
        *_path(step_S, value_S, x, y, f"line raw {line.series}"),
        *_path(step_S, smoothed(value_S), x, y, f"line {line.series}"),
    ]


def _noisy(line: Line, value_S: Float64[ndarray, " S"]) -> bool:
    """Returns whether a running mean tells more than the values."""
    return not line.exact and int(np.count_nonzero(np.isfinite(value_S))) >= SMOOTHED_FROM


def _path(
    step_S: Float64[ndarray, " S"], value_S: Float64[ndarray, " S"], x: Scale, y: Scale, classes: str
) -> list[Markup]:
    words, pen_down = [], False
    for step, value in zip(step_S.tolist(), value_S.tolist(), strict=True):
        if not math.isfinite(value):
            pen_down = False
            continue
        # A line of no length with round ends is a point: a value between two gaps is seen.
        words.append(f"{'L' if pen_down else 'M'}{x(step):.2f} {y(value):.2f}{'' if pen_down else 'h0'}")
        pen_down = True
    return [Markup('<path class="{}" d="{}"/>').format(classes, " ".join(words))] if words else []


def _band(line: Line, x: Scale, y: Scale) -> list[Markup]:
    """Returns the area between low and high, where both are known."""
    if line.dots or line.low_S is None or line.high_S is None:
        return []
    step_S, low_S = thinned(line.step_S, line.low_S)
    _, high_S = thinned(line.step_S, line.high_S)
    if len(step_S) >= SMOOTHED_FROM:
        low_S, high_S = smoothed(low_S), smoothed(high_S)
    known = np.isfinite(low_S) & np.isfinite(high_S)
    if np.count_nonzero(known) < 2:
        return []
    area = _area(step_S[known], low_S[known], high_S[known], x, y)
    return [Markup('<path class="band {}" d="{}"/>').format(line.series, area)]


def _area(
    step_S: Float64[ndarray, " S"],
    low_S: Float64[ndarray, " S"],
    high_S: Float64[ndarray, " S"],
    x: Scale,
    y: Scale,
) -> str:
    upper = [f"{x(step):.2f} {y(value):.2f}" for step, value in zip(step_S, high_S, strict=True)]
    lower = [f"{x(step):.2f} {y(value):.2f}" for step, value in zip(step_S, low_S, strict=True)]
    return "M" + " L".join([*upper, *reversed(lower)]) + " Z"


def _dots(line: Line, x: Scale, y: Scale, nudge: float) -> list[Markup]:
    """Returns a dot per measurement with the reach of its interval; of a line, a dot at its end."""
    step_S, value_S = (line.step_S, line.value_S) if line.dots else thinned(line.step_S, line.value_S)
    known = np.flatnonzero(np.isfinite(value_S))
    if not line.dots:
        value_S = smoothed(value_S) if _noisy(line, value_S) else value_S
        known = known[-1:]
    aside = Markup(' transform="translate({:g} 0)"').format(nudge) if line.dots and nudge else ""
    marks = []
    for index in known.tolist():
        left = f"{x(float(step_S[index])):.2f}%"
        if line.dots and line.low_S is not None and line.high_S is not None:
            low, high = float(line.low_S[index]), float(line.high_S[index])
            if math.isfinite(low) and math.isfinite(high):
                marks.append(
                    Markup('<line class="reach {}" x1="{x}" x2="{x}" y1="{:.1f}" y2="{:.1f}"{}/>').format(
                        line.series, _pixel(y(low)), _pixel(y(high)), aside, x=left
                    )
                )
        marks.append(
            Markup('<circle class="dot {}" cx="{}" cy="{:.1f}" r="{}"{}/>').format(
                line.series, left, _pixel(y(float(value_S[index]))), 4 if line.dots else 3.5, aside
            )
        )
    return marks


def _rule(y: float, classes: str) -> Markup:
    return Markup('<line class="{}" x1="0" x2="100" y1="{y:.2f}" y2="{y:.2f}"/>').format(classes, y=y)


def _number(y: float, text: str) -> Markup:
    """Returns a number beside the line that it names, in the margin that theme.css leaves at the left."""
    return Markup('<text class="end" x="-8" y="{:.1f}">{}</text>').format(_pixel(y) + 4, text)


def _pixel(y: float) -> float:
    return TOP + HEIGHT * y / 100


def _frame(
    inside: Sequence[Markup],
    outside: Sequence[Markup],
    title: str,
    steps: tuple[int, int],
    ends: tuple[str, str],
) -> Markup:
    """Returns the plot between its two lines, with their numbers and the first and last step."""
    first, last = steps
    ticks = [Markup('<text x="0" y="{}">step {}</text>').format(TOP + HEIGHT + 16, first)]
    if last > first:
        ticks.append(Markup('<text class="end" x="100%" y="{}">{}</text>').format(TOP + HEIGHT + 16, last))
    return Markup(
        '<svg class="curve" role="img" aria-label="{title}" width="100%" height="{full}">'
        '<svg y="{top}" width="100%" height="{height}" viewBox="0 0 100 100" preserveAspectRatio="none">'
        "{rules}{inside}</svg>{outside}{numbers}{ticks}</svg>"
    ).format(
        title=title,
        full=TOP + HEIGHT + FOOT,
        top=TOP,
        height=HEIGHT,
        rules=Markup("").join([_rule(0.0, "rule"), _rule(100.0, "rule")]),
        inside=Markup("").join(inside),
        outside=Markup("").join(outside),
        numbers=Markup("").join([_number(0.0, ends[1]), _number(100.0, ends[0])]),
        ticks=Markup("").join(ticks),
    )
