"""Charts as inline SVG: pure functions from numbers to markup, without scripts.

Positions along the axis are percentages and sizes are CSS pixels, so a chart takes the width of its place and
its text keeps its size, on a phone as on paper. Colours are the classes of `templates/theme.css`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tessera.report.numbers import interval, percent
from tessera.statistics.intervals import Estimate

ROW = 42  # height of a row: a line of text, and its track below
TRACK = 28  # where the track lies in a row
AXIS = 14  # height of the scale below all rows
TICKS = (0, 25, 50, 75, 100)  # percent
INSET = 2.0  # percent of the width kept free at both ends: dots at 0 and 100 stay whole


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of a chart: its strict mean as a filled dot, its soft mean, if any, as a hollow one."""

    label: str
    strict: Estimate
    soft: Estimate | None = None
    emphasis: bool = False


def interval_chart(rows: Sequence[Row], *, title: str, series: str = "") -> Markup:
    """Returns dots with their intervals on a scale of 0 to 100 %; `series` is a class of colour."""
    height = ROW * len(rows) + AXIS
    drawn = Markup("").join(_row(row, ROW * index) for index, row in enumerate(rows))
    return Markup(
        '<svg class="chart {series}" role="img" aria-label="{title}" width="100%" height="{height}">'
        "{rows}{axis}</svg>"
    ).format(series=series, title=title, height=height, rows=drawn, axis=_axis(ROW * len(rows)))


def share_bar(share: float, *, series: str = "") -> Markup:
    """Returns a thin bar, full at 1; empty for NaN."""
    width = 0.0 if math.isnan(share) else 100 * min(max(share, 0.0), 1.0)
    return Markup(
        '<svg class="bar {series}" aria-hidden="true" width="100%" height="5">'
        '<rect class="bar-rest" width="100%" height="5" rx="2.5"/>'
        '<rect class="bar-share" width="{width:.2f}%" height="5" rx="2.5"/></svg>'
    ).format(series=series, width=width)


def _row(row: Row, top: int) -> Markup:
    parts = [
        Markup('<g class="row{more}" transform="translate(0 {top})">').format(
            more=" emphasis" if row.emphasis else "", top=top
        ),
        Markup("<title>{}</title>").format(_sentence(row)),
        Markup('<text class="label" x="0" y="17">{}</text>').format(row.label),
        # The value stands left of a column for the interval, so that both line up from row to row.
        Markup('<text class="value" x="100%" y="17" transform="translate(-58 0)">{}</text>').format(
            percent(row.strict.mean)
        ),
        Markup('<text class="range" x="100%" y="17">{}</text>').format(interval(row.strict)),
        Markup('<line x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(_x(0.0), _x(1.0), y=TRACK),
        *(
            Markup('<line x1="{x}" x2="{x}" y1="{}" y2="{}"/>').format(TRACK - 3, TRACK + 3, x=_x(tick / 100))
            for tick in TICKS
        ),
    ]
    if row.soft is not None and not math.isnan(row.soft.mean):
        parts += [_reach(row.soft, "soft"), _dot(row.soft, "soft", radius=4.25)]
    if not math.isnan(row.strict.mean):
        parts += [_reach(row.strict, "strict"), _dot(row.strict, "strict", radius=5.0)]
    return Markup("").join([*parts, Markup("</g>")])


def _reach(estimate: Estimate, kind: str) -> Markup:
    """Returns the line of an interval; nothing if it is not known."""
    if math.isnan(estimate.ci_low) or math.isnan(estimate.ci_high):
        return Markup("")
    return Markup('<line class="reach {}" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(
        kind, _x(estimate.ci_low), _x(estimate.ci_high), y=TRACK
    )


def _dot(estimate: Estimate, kind: str, radius: float) -> Markup:
    return Markup('<circle class="dot {}" cx="{}" cy="{}" r="{}"/>').format(
        kind, _x(estimate.mean), TRACK, radius
    )


def _axis(top: int) -> Markup:
    marks = []
    for tick in TICKS:
        # The outer numbers end where the track does.
        anchor = {0: "start", 100: "end"}.get(tick, "middle")
        text = percent(1.0) if tick == 100 else str(tick)
        marks.append(
            Markup('<text class="scale" x="{}" y="{}" text-anchor="{}">{}</text>').format(
                _x(tick / 100), top + 8, anchor, text
            )
        )
    return Markup("").join(marks)


def _x(share: float) -> str:
    """Returns where a share lies along the track."""
    inside = min(max(share, 0.0), 1.0)
    return f"{INSET + (100 - 2 * INSET) * inside:.2f}%"


def _sentence(row: Row) -> str:
    """Returns the row in words, for screen readers and for the pointer that rests on it."""
    if math.isnan(row.strict.mean):
        return f"{row.label}: nothing could be graded"
    words = f"{row.label}: {percent(row.strict.mean, 1)} ({interval(row.strict, 1)})"
    if row.soft is not None and not math.isnan(row.soft.mean):
        words += f"; single facts: {percent(row.soft.mean, 1)} ({interval(row.soft, 1)})"
    return f"{words}; {row.strict.n} prompts"
