"""Mean scores with their intervals as inline SVG, on a scale that fits; `report.chart` has that of shares.

Positions are percentages and sizes CSS pixels, with the classes of `templates/theme.css`, as there.
"""

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from tessera.report.chart import AXIS, INSET, ROW, TRACK, Row
from tessera.report.plot import Scale, fitted_scale
from tessera.report.units import Unit
from tessera.statistics.intervals import Estimate

FIGURE = 7.2  # pixels that a figure of an interval is wide
UNIT_TICKS = tuple((tick / 4, f"{tick / 4:g}") for tick in range(5))


def score_chart(rows: Sequence[Row], unit: Unit, *, title: str, series: str = "") -> Markup:
    """Returns a dot with its interval for each row: from 0 to 1 where all lie there, else from end to end."""
    scale = scale_of([row.strict for row in rows])
    reach = max((len(_interval(row.strict, unit)) for row in rows), default=0)
    drawn = [
        _row(row, unit, scale, top=ROW * index, column=FIGURE * reach + 8) for index, row in enumerate(rows)
    ]
    return Markup(
        '<svg class="chart {series}" role="img" aria-label="{title}" width="100%" height="{height}">'
        "{rows}{axis}</svg>"
    ).format(
        series=series,
        title=title,
        height=ROW * len(rows) + AXIS,
        rows=Markup("").join(drawn),
        axis=_axis(scale, ROW * len(rows)),
    )


def scale_of(estimates: Sequence[Estimate]) -> Scale:
    """Returns the scale from 0 to 1 if all means and intervals lie on it, else one from end to end."""
    ends = np.array([[each.mean, each.ci_low, each.ci_high] for each in estimates], dtype=np.float64)
    known = ends[np.isfinite(ends)]
    if bool(((known >= 0) & (known <= 1)).all()):
        return Scale(low=0.0, high=1.0, ticks=UNIT_TICKS)
    return fitted_scale([known])


def _row(row: Row, unit: Unit, scale: Scale, *, top: int, column: float) -> Markup:
    score = row.strict
    words = "nothing could be graded" if math.isnan(score.mean) else unit.alone(score.mean)
    if told := _interval(score, unit):
        words += f" ({told})"
    parts = [
        Markup('<g class="row{}" transform="translate(0 {})">').format(
            " emphasis" if row.emphasis else "", top
        ),
        Markup("<title>{}: {}; {} prompts</title>").format(row.label, words, score.n),
        Markup('<text class="label" x="0" y="17">{}</text>').format(row.label),
        Markup('<text class="value" x="100%" y="17" transform="translate({:.0f})">{}</text>').format(
            -column, unit.value(score.mean)
        ),
        Markup('<text class="range" x="100%" y="17">{}</text>').format(told),
        _line("", scale.low, scale.high, scale),
        *(
            Markup('<line x1="{x}" x2="{x}" y1="{}" y2="{}"/>').format(
                TRACK - 3, TRACK + 3, x=_x(tick, scale)
            )
            for tick, _ in scale.ticks
        ),
    ]
    if told:
        parts.append(_line("reach strict", score.ci_low, score.ci_high, scale))
    if not math.isnan(score.mean):
        parts.append(
            Markup('<circle class="dot strict" cx="{}" cy="{}" r="5"/>').format(_x(score.mean, scale), TRACK)
        )
    return Markup("").join([*parts, Markup("</g>")])


def _line(kind: str, low: float, high: float, scale: Scale) -> Markup:
    return Markup('<line class="{}" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(
        kind, _x(low, scale), _x(high, scale), y=TRACK
    )


def _axis(scale: Scale, top: int) -> Markup:
    anchors = {0: "start", len(scale.ticks) - 1: "end"}  # the outer numbers end where the track does
    return Markup("").join(
        Markup('<text class="scale" x="{}" y="{}" text-anchor="{}">{}</text>').format(
            _x(tick, scale), top + 8, anchors.get(place, "middle"), text
        )
        for place, (tick, text) in enumerate(scale.ticks)
    )


def _x(score: float, scale: Scale) -> str:
    return f"{INSET + (1 - 2 * INSET / 100) * scale.place(score):.2f}%"


def _interval(score: Estimate, unit: Unit) -> str:
    return unit.interval(score.ci_low, score.ci_high)
