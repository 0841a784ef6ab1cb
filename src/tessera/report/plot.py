"""Lines over any quantity as inline SVG, such as best of n or an overshooting reward: numbers to markup.

`curves` draws what happens over training steps; here the horizontal axis is whatever its ticks say. Both
stretch in the same way and share the classes of `templates/theme.css`.

Axes: N points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64
from markupsafe import Markup
from numpy import ndarray

HEIGHT = 168  # of the plot, CSS pixels
TOP = 8  # room for half of the number at the upper line
FOOT = 20  # room for the ticks

Style = Literal["line", "bound", "dots"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """Points from left to right; NaN leaves a point out. `bound` is a fine dashed line without a dot."""

    x_N: Float64[ndarray, " N"]
    y_N: Float64[ndarray, " N"]
    low_N: Float64[ndarray, " N"] | None = None
    high_N: Float64[ndarray, " N"] | None = None
    series: str = "neutral"
    style: Style = "line"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """From where to where, and what is written along it."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def place(self, value: float) -> float:
        """Returns how far along a value lies, in percent; values beyond the ends lie on them."""
        return 100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


def plot(traces: Sequence[Trace], x: Scale, y: Scale, *, title: str, diagonal: bool = False) -> Markup:
    """Returns the traces between horizontal rules at the ticks of `y`; `diagonal` adds the line y = x."""
    inside = [_rule(100 - y.place(at)) for at, _ in y.ticks]
    if diagonal:
        inside.append(Markup('<path class="line bound neutral" d="M0 100 L100 0"/>'))
    outside = [
        Markup('<text class="end" x="-8" y="{:.1f}">{}</text>').format(_pixel(100 - y.place(at)) + 4, text)
        for at, text in y.ticks
    ]
    for trace in traces:
        inside += _band(trace, x, y)
    for trace in traces:
        if trace.style != "dots":
            inside += _path(trace, x, y)
        if trace.style != "bound":
            outside += _dots(trace, x, y)
    return Markup(
        '<svg class="curve" role="img" aria-label="{title}" width="100%" height="{full}">'
        '<svg y="{top}" width="100%" height="{height}" viewBox="0 0 100 100" preserveAspectRatio="none">'
        "{inside}</svg>{outside}{ticks}</svg>"
    ).format(
        title=title,
        full=TOP + HEIGHT + FOOT,
        top=TOP,
        height=HEIGHT,
        inside=Markup("").join(inside),
        outside=Markup("").join(outside),
        ticks=Markup("").join(_ticks(x)),
    )


def percent_scale(high: float = 1.0) -> Scale:
    """Returns the scale of shares from 0 to `high`."""
    ticks = tuple((share, f"{100 * share:.0f}") for share in (0.0, high / 2, high))
    return Scale(low=0.0, high=high, ticks=ticks)


def fitted_scale(values: Sequence[Float64[ndarray, " _"]]) -> Scale:
    """Returns a scale from the lowest to the highest of the values, its ends in about three figures."""
    known = np.concatenate([value_N[np.isfinite(value_N)] for value_N in values] or [np.zeros(0)])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return Scale(low=low, high=high, ticks=((low, f"{low:.3g}"), (high, f"{high:.3g}")))


def _known(trace: Trace) -> list[int]:
    return np.flatnonzero(np.isfinite(trace.x_N) & np.isfinite(trace.y_N)).tolist()


def _path(trace: Trace, x: Scale, y: Scale) -> list[Markup]:
    points = [
        f"{x.place(float(trace.x_N[at])):.2f} {100 - y.place(float(trace.y_N[at])):.2f}"
        for at in _known(trace)
    ]
    if not points:
        return []
    classes = f"line {trace.series}" if trace.style == "line" else f"line bound {trace.series}"
    return [Markup('<path class="{}" d="M{}"/>').format(classes, " L".join(points))]


def _band(trace: Trace, x: Scale, y: Scale) -> list[Markup]:
    """Returns the area of the interval of a line."""
    if trace.style != "line" or trace.low_N is None or trace.high_N is None:
        return []
    known = np.flatnonzero(np.isfinite(trace.low_N) & np.isfinite(trace.high_N)).tolist()
    if len(known) < 2:
        return []
    ways = [(trace.high_N, known), (trace.low_N, known[::-1])]
    edge = [
        f"{x.place(float(trace.x_N[at])):.2f} {100 - y.place(float(value_N[at])):.2f}"
        for value_N, way in ways
        for at in way
    ]
    return [Markup('<path class="band {}" d="M{} Z"/>').format(trace.series, " L".join(edge))]


def _dots(trace: Trace, x: Scale, y: Scale) -> list[Markup]:
    """Returns a dot per point, with its interval where only dots are drawn; of a line, a dot at its end."""
    known = _known(trace)
    marks = []
    for at in known if trace.style == "dots" else known[-1:]:
        left = f"{x.place(float(trace.x_N[at])):.2f}%"
        if trace.style == "dots" and trace.low_N is not None and trace.high_N is not None:
            low, high = (_pixel(100 - y.place(float(end[at]))) for end in (trace.low_N, trace.high_N))
            marks.append(
                Markup('<line class="reach {}" x1="{x}" x2="{x}" y1="{:.1f}" y2="{:.1f}"/>').format(
                    trace.series, low, high, x=left
                )
            )
        marks.append(
            Markup('<circle class="dot {}" cx="{}" cy="{:.1f}" r="3.5"/>').format(
                trace.series, left, _pixel(100 - y.place(float(trace.y_N[at])))
            )
        )
    return marks


def _rule(y: float) -> Markup:
    return Markup('<line class="rule" x1="0" x2="100" y1="{y:.2f}" y2="{y:.2f}"/>').format(y=y)


def _ticks(x: Scale) -> list[Markup]:
    """Returns what is written below; the outer ticks end where the plot does."""
    marks = []
    for at, text in x.ticks:
        place = x.place(at)
        anchor = "start" if place <= 0 else "end" if place >= 100 else "middle"
        marks.append(
            Markup('<text x="{:.2f}%" y="{}" style="text-anchor: {}">{}</text>').format(
                place, TOP + HEIGHT + 16, anchor, text
            )
        )
    return marks


def _pixel(y: float) -> float:
    return TOP + HEIGHT * y / 100
