"""The charts of the page of measurements: bars side by side, one bar in parts, curves on logarithmic axes.

Axes: N points.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from markupsafe import Markup
from numpy import ndarray

from tessera.report.chart import share_bar
from tessera.report.numbers import NARROW_SPACE, percent
from tessera.report.panels import Key, plain
from tessera.report.plot import Scale, Trace, plot
from tessera.report.units import MINUS

DASH = "\N{EN DASH}"
APART = 0.3  # of an axis, between two of its names
DECADES = 4  # more of them than this, and only every second one is written
MIB = float(2**20)

# Of phases, as on the page of a run: drawing is blue, learning brown, judging green. bench.html has the rest.
COLOURS: Mapping[str, str] = {
    "prefill": "phase-prefill",
    "steps": "phase-0",
    "sample": "phase-0",
    "decode": "phase-3",
    "reward": "phase-2",
    "replay": "phase-replay",
    "reference": "phase-4",
    "policy": "phase-policy",
    "backward": "phase-1",
    "update": "phase-1",
    "held_out": "phase-looking",
    "film": "phase-film",
    "evaluation": "phase-prefill",
    "judging": "phase-judging",
    "no stage to run": "phase-free",
}
REST = ("rest", "training, the rest")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One bar among those beside it: its name, what it says, and how long it is."""

    label: str
    value: str
    beside: str  # the spread, or what to compare it with
    drawn: Markup


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """One bar in parts, with a legend that says how much each is."""

    title: str
    drawn: Markup
    legend: tuple[Key, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Curves:
    """Curves of one quantity along one axis."""

    title: str
    drawn: Markup
    captions: tuple[str, ...]


def bars(rows: Sequence[tuple[str, float, str, str]], *, ours: Collection[str] = ()) -> tuple[Bar, ...]:
    """Returns a bar for each (label, amount, value, beside): the longest is full, and `ours` has the colour.

    Without one of ours there is nothing to tell apart, and all have it.
    """
    most = max((amount for _, amount, _, _ in rows), default=0.0)
    return tuple(
        Bar(
            label=label,
            value=value,
            beside=beside,
            drawn=share_bar(
                amount / most if most else math.nan,
                series="in-domain" if not ours or label in ours else "phase-6",
            ),
        )
        for label, amount, value, beside in rows
    )


def share(label: str, amount: float, beside: str = "") -> Bar:
    """Returns a bar that is full where all that is possible is done."""
    return Bar(
        label=label, value=percent(amount), beside=beside, drawn=share_bar(amount, series="out-of-domain")
    )


def parts(seconds: Mapping[str, float], *, title: str) -> Parts:
    """Returns a bar of the phases in their order; what is nothing, or less by noise, is left out."""
    known = {name: each for name, each in seconds.items() if each > 0}
    total = sum(known.values())
    x, rects, legend = 0.0, list[Markup](), list[Key]()
    for name, each in known.items():
        width, classes = 100 * each / total, phase_class(name)
        words = f"{name.replace('_', '-')}: {plain(each)}{NARROW_SPACE}s, {percent(each / total)}"
        rects.append(
            Markup(
                '<rect class="{}" x="{:.3f}%" width="{:.3f}%" height="22"><title>{}</title></rect>'
            ).format(classes, x, width, words)
        )
        legend.append(
            Key(classes=classes, name=f"{name.replace('_', '-')} {_percent(each / total)}"),
        )
        x += width
    drawn = Markup('<svg class="parts" role="img" aria-label="{}" width="100%" height="22">{}</svg>').format(
        title, Markup("").join(rects)
    )
    return Parts(title=title, drawn=drawn, legend=tuple(legend))


def _percent(share: float) -> str:
    """Returns a share, with a digit more where it is below one in a hundred."""
    return percent(share, 0 if share >= 0.01 else 1)


def phase_class(name: str) -> str:
    """Returns the colour class of a phase."""
    return COLOURS.get(name, "phase-5" if name in REST else "phase-6")


def growth_curves(curves: Sequence[Mapping[str, Any]]) -> tuple[Curves, ...]:
    """Returns time over each axis, then memory, with drawing and updates in one plot."""
    axes = dict.fromkeys(curve["axis"] for curve in curves)
    return tuple(
        _curves([curve for curve in curves if curve["axis"] == axis], axis, key, words, unit)
        for key, words, unit in (("seconds", "Seconds", 1.0), ("peak_bytes", "Peak MiB", MIB))
        for axis in axes
    )


def _curves(curves: Sequence[Mapping[str, Any]], axis: str, key: str, words: str, unit: float) -> Curves:
    traces: list[Trace] = []
    for curve in curves:
        series = "in-domain" if curve["what"] == "draw" else "out-of-domain"
        x_N = _logs([point["value"] for point in curve["points"]])
        y_N = _logs([point[key] / unit for point in curve["points"]])
        if key == "seconds":  # as its operations grow, from where it ends
            work_N = _logs([point["flops"] for point in curve["points"]])
            traces.append(Trace(x_N=x_N, y_N=work_N - work_N[-1] + y_N[-1], series=series, style="bound"))
        traces += [
            Trace(x_N=x_N, y_N=y_N, series=series),
            Trace(x_N=x_N, y_N=y_N, series=series, style="dots"),
        ]
    measured = [trace for trace in traces if trace.style == "line"]
    values = sorted({point["value"] for curve in curves for point in curve["points"]})
    return Curves(
        title=f"{words} over {axis}",
        drawn=plot(
            traces,
            Scale(
                low=math.log10(values[0]),
                high=math.log10(values[-1]) if len(values) > 1 else math.log10(values[0]) + 1,
                ticks=tuple((math.log10(value), f"{value}") for value in _spaced(values)),
            ),
            log_scale(np.concatenate([10**trace.y_N for trace in measured])),
            title=f"{words} over {axis}, both axes logarithmic",
        ),
        captions=tuple(_caption(curve, key) for curve in curves),
    )


def _caption(curve: Mapping[str, Any], key: str) -> str:
    slopes = curve["exponents"]
    if slopes[key] is None:
        return f"{curve['what']}: too few points for an exponent"
    text = f"{curve['what']}: exponent {slopes[key]:.2f}".replace("-", MINUS)
    if key != "seconds":
        return text
    work = sorted(slopes[each] for each in ("flops", "bytes") if each in slopes)
    return f"{text}, of the work {' to '.join(f'{each:.2f}' for each in work)}".replace("-", MINUS)


def log_scale(value_N: Float64[ndarray, " N"]) -> Scale:
    """Returns a scale of whole powers of ten around the values."""
    low, high = math.floor(math.log10(value_N.min())), math.ceil(math.log10(value_N.max()))
    high = max(high, low + 1)
    every = 1 if high - low <= DECADES else 2
    ticks = tuple((float(power), f"{10.0**power:g}") for power in range(low, high + 1, every))
    return Scale(low=float(low), high=float(high), ticks=ticks)


def _logs(values: Sequence[float | int]) -> Float64[ndarray, " N"]:
    return np.log10(np.array(values, dtype=np.float64))


def _spaced(values: Sequence[int]) -> list[int]:
    """Returns the values whose names have room beside one another: the last, the first, some between."""
    whole = math.log(values[-1] / values[0])
    chosen = [values[-1]]
    for value in reversed(values[1:-1]):
        if min(math.log(chosen[-1] / value), math.log(value / values[0])) > APART * whole:
            chosen.append(value)
    return sorted({values[0], *chosen})


def spread_text(each: Mapping[str, float]) -> str:
    """Returns the least and the most of a ratio, e.g. 1.10–1.36; nothing of a single round."""
    return "" if each["low"] == each["high"] else f"{each['low']:.2f}{DASH}{each['high']:.2f}"
