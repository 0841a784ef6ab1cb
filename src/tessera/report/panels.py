"""Which curves the page of a run shows, and what healthy looks like in each.

Axes: S steps, M measurements, R rounds (a round collects pictures once and may feed several steps).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from markupsafe import Markup
from numpy import ndarray

from tessera.report.curves import Axis, Line, curve, stacked
from tessera.report.numbers import MISSING, NARROW_SPACE, percent
from tessera.report.run_files import RunFiles
from tessera.report.theme import series_of
from tessera.report.timing import LOOKING, phase_classes, phases, round_sums, rounds
from tessera.statistics.alarms import GAP_LIMIT, KL_LIMIT, WINDOW, AlarmKind, column


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One entry of a legend: a class of colour with its name."""

    classes: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One small chart: what it shows, from where to where it went, and what healthy looks like."""

    title: str
    change: str
    chart: Markup
    caption: str
    legend: tuple[Key, ...] = ()
    watches: AlarmKind | None = None  # the alarm that this chart explains


@dataclass(frozen=True, kw_only=True, slots=True)
class Simple:
    """A panel of one metric."""

    key: str
    title: str
    caption: str
    axis: Axis
    watches: AlarmKind | None = None
    exact: bool = False  # free of noise


def panels(run: RunFiles) -> list[Panel]:
    """Returns the panels that the run has values for, the most telling first."""
    made = [reward_panel(run), held_out_panel(run)]
    made += [simple_panel(run, each) for each in _simple(run)]
    made += [speed_panel(run), phases_panel(run)]
    return [panel for panel in made if panel is not None]


def further_panels(run: RunFiles) -> list[Panel]:
    """Returns a panel for every other number that the trainer wrote down."""
    named = {"step", "reward", "reward_std", *(each.key for each in _simple(run))}
    keys = dict.fromkeys(key for row in run.metrics for key in row)
    others = [key for key in keys if key not in named and not key.startswith(("seconds", "images"))]
    made = [
        simple_panel(run, Simple(key=key, title=key.replace("_", " "), caption="", axis=Axis()))
        for key in others
    ]
    return [panel for panel in made if panel is not None]


def first_and_last(value_S: Float64[ndarray, " S"]) -> tuple[float, float]:
    """Returns the mean of the first and of the last known values: five, or half of them if they are few."""
    known_S = value_S[np.isfinite(value_S)]
    if len(known_S) == 0:
        return math.nan, math.nan
    few = max(min(WINDOW, len(known_S) // 2), 1)
    return float(known_S[:few].mean()), float(known_S[-few:].mean())


def change(value_S: Float64[ndarray, " S"], write: Callable[[float], str]) -> str:
    """Returns e.g. "0.55 → 0.70"; one number where there is but one value."""
    first, last = first_and_last(value_S)
    if math.isnan(last):
        return MISSING
    if np.count_nonzero(np.isfinite(value_S)) < 2:
        return write(last)
    return f"{write(first)} → {write(last)}"


def plain(value: float) -> str:
    """Returns a number in about three figures, e.g. 0.152, 2.4e-05, 1 280."""
    if value != 0 and abs(value) < 1e-3:
        mantissa, _, power = f"{value:.1e}".partition("e")
        return f"{mantissa}e{int(power)}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}".replace(",", NARROW_SPACE)


def reward_panel(run: RunFiles) -> Panel | None:
    """Returns the trained reward with the spread inside groups as a band."""
    step_S, reward_S, spread_S = (column(run.metrics, key) for key in ("step", "reward", "reward_std"))
    if not np.isfinite(reward_S).any():
        return None
    line = Line(step_S=step_S, value_S=reward_S, low_S=reward_S - spread_S, high_S=reward_S + spread_S)
    return Panel(
        title="Reward",
        change=change(reward_S, "{:.2f}".format),
        chart=curve([line], Axis(write="{:.2f}".format), title="Trained reward", steps=_steps(run)),
        caption="Healthy: it rises and levels off. The band is the spread within groups, which is what is "
        "learnt from; it may narrow, not vanish.",
        watches="variance",
    )


def held_out_panel(run: RunFiles) -> Panel | None:
    """Returns strict on validation prompts, one series per benchmark."""
    lines, legend, changes = [], [], []
    step_M = column(run.held_out, "step")
    for name in run.benchmarks:
        mean_M = column(run.held_out, name, "strict", "mean")
        if not np.isfinite(mean_M).any():
            continue
        series = series_of(name)
        lines.append(
            Line(
                step_S=step_M,
                value_S=mean_M,
                series=series,
                dots=True,
                low_S=column(run.held_out, name, "strict", "ci_low"),
                high_S=column(run.held_out, name, "strict", "ci_high"),
            )
        )
        legend.append(Key(classes=series, name=name if series == "neutral" else series.replace("-", " ")))
        changes.append(change(mean_M, percent))
    if not lines:
        return None
    axis = Axis(low=0.0, high=1.0, write=percent)
    return Panel(
        title="Right on held-out prompts",
        change=changes[0] if len(changes) == 1 else "",
        chart=curve(lines, axis, title="Strict score on validation prompts", steps=_steps(run)),
        caption="Healthy: it rises with the reward, out of domain too. Bars are 95 % intervals; prompts and "
        "seeds are the same each time.",
        legend=tuple(legend),
        watches="held_out",
    )


def simple_panel(run: RunFiles, what: Simple) -> Panel | None:
    """Returns a panel of one metric, None where no step has it."""
    value_S = column(run.metrics, what.key)
    known = np.isfinite(value_S)  # several metrics come on every k-th step: those are joined
    if not known.any():
        return None
    line = Line(step_S=column(run.metrics, "step")[known], value_S=value_S[known], exact=what.exact)
    return Panel(
        title=what.title,
        change=change(value_S, what.axis.write),
        chart=curve([line], what.axis, title=what.title, steps=_steps(run)),
        caption=what.caption,
        watches=what.watches,
    )


def speed_panel(run: RunFiles) -> Panel | None:
    """Returns pictures per second of each round, without the time spent looking."""
    starts = rounds(run)
    looking_S = sum((np.nan_to_num(column(run.metrics, f"seconds_{name}")) for name in LOOKING), start=0.0)
    images_R = round_sums(column(run.metrics, "images"), starts)
    seconds_R = round_sums(column(run.metrics, "seconds") - looking_S, starts)
    known = (images_R > 0) & (seconds_R > 0)
    if not known.any():
        return None
    speed_R = images_R[known] / seconds_R[known]
    line = Line(step_S=column(run.metrics, "step")[starts[:-1]][known], value_S=speed_R)
    return Panel(
        title="Pictures per second",
        change=change(speed_R, plain),
        chart=curve([line], Axis(low=0.0, write=plain), title="Pictures per second", steps=_steps(run)),
        caption="Healthy: level. Everything of a step counts but held-out measurements and film.",
    )


def phases_panel(run: RunFiles) -> Panel | None:
    """Returns the seconds per step, stacked by phase; what a round does once is spread over its steps."""
    edges = rounds(run)
    length_R = np.diff(edges)
    spent = {
        name: round_sums(value_S, edges) / length_R
        for name, value_S in phases(run).items()
        if name not in LOOKING
    }
    total_R = sum(spent.values(), start=np.zeros(len(length_R)))
    if not total_R.sum() > 0:
        return None
    names = list(spent)
    classes = phase_classes(names)
    return Panel(
        title="Seconds per step",
        change=change(total_R, plain),
        chart=stacked(
            column(run.metrics, "step")[edges[:-1]],
            [(each, spent[name]) for each, name in zip(classes, names, strict=True)],
            title="Seconds per step by phase",
            steps=_steps(run),
            write=lambda value: f"{plain(value)}{NARROW_SPACE}s",
        ),
        caption="Healthy: level. Held-out measurements and film are left out; the cost below has them.",
        legend=tuple(Key(classes=each, name=name) for each, name in zip(classes, names, strict=True)),
    )


def _steps(run: RunFiles) -> tuple[int, int]:
    """Returns the ends of all horizontal axes: from 0 if something was measured before the first step."""
    steps = [int(row["step"]) for row in (*run.metrics, *run.held_out)]
    return min(steps, default=0), max(steps, default=0)


def _simple(run: RunFiles) -> Iterator[Simple]:
    groups = run.setting("algorithm", "prompts_per_step")
    gap = run.setting("algorithm", "max_replay_gap") or GAP_LIMIT
    of_groups = f" of {groups}" if groups else ""
    yield Simple(
        key="kl",
        title="KL to the reference",
        caption=f"Healthy: it grows ever more slowly and stays below {KL_LIMIT:g} nats per token.",
        axis=Axis(low=0.0, least_high=0.01, write=plain),
        watches="kl",
    )
    yield Simple(
        key="entropy",
        title="Entropy",
        caption="Nats per token. Healthy: it falls slowly; near 0 all pictures of a prompt are one.",
        axis=Axis(low=0.0, write=plain),
        watches="entropy",
    )
    yield Simple(
        key="diversity",
        title="Diversity",
        caption="Within groups. Healthy: it falls slowly and stays well above 0.",
        axis=Axis(low=0.0, write=plain),
        watches="diversity",
    )
    yield Simple(
        key="clip_fraction",
        title="Clip fraction",
        caption="Tokens whose gradient was cut. Healthy: 0 with one update per round, few percent with more.",
        axis=Axis(low=0.0, least_high=0.05, write=lambda value: percent(value, 1)),
    )
    yield Simple(
        key="zero_variance_groups",
        title="Groups without variance",
        caption=f"Per step{of_groups}: all rewards equal, nothing learnt. Healthy: few, more as prompts are "
        "solved.",
        axis=Axis(low=0.0, high=float(groups) if groups else None, write=plain),
        watches="variance",
    )
    yield Simple(
        key="missing",
        title="Missing rewards",
        caption="Pictures per step. Healthy: 0; they are left out, never counted as bad.",
        axis=Axis(low=0.0, write=plain),
        watches="missing",
    )
    yield Simple(
        key="sample_replay_gap",
        title="Replay gap",
        caption="Nats per token between drawing and training. Healthy: level, far below its bound "
        "(bfloat16 makes 1e-3, float32 1e-7).",
        axis=Axis(log=True, bound=gap, write=plain),
        watches="replay_gap",
    )
    yield Simple(
        key="grad_norm",
        title="Gradient norm",
        caption="Before clipping. Healthy: level; spikes mean that the learning rate is too high.",
        axis=Axis(low=0.0, write=plain),
    )
    yield Simple(
        key="lr",
        title="Learning rate",
        caption="As the schedule sets it.",
        axis=Axis(low=0.0, write=plain),
        exact=True,
    )
