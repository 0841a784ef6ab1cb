"""Figures over a quantity: scaling curves, and rewards by themselves against rewards as teachers.

Axes: N places along an axis.
"""

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tessera.report.study.budget import along_axis
from tessera.report.study.effects import level
from tessera.report.study.figures import WIDTH, arm_colour, arm_mark
from tessera.report.study.labels import label_spots
from tessera.report.study.lookup import EXACT, scaled
from tessera.report.study.names import algorithm_name, axis_name
from tessera.report.study.plotting import COLOURS, Drawing, blank, drawing_style, finish, quiet
from tessera.report.study.questions import reward_points
from tessera.report.study.read import Study
from tessera.report.study.rows import Arm


def scaling(study: Study, experiment: str) -> list[Drawing]:
    """Returns a drawing for each benchmark and axis: scores along the axis with their intervals."""
    along = scaled(study, experiment)
    drawings = []
    for axis in dict.fromkeys(axis for _, axis in along):
        lines = {name: arms for (name, each), arms in along.items() if each == axis}
        drawings += [_scaling(study, axis, lines, each) for each in study.benchmarks(experiment)]
    return drawings


def reward_scatter(study: Study, experiment: str) -> Drawing | None:
    """Returns what each reward gains by choosing and by training, out of domain; None below two rewards."""
    benchmark = study.benchmark(experiment, "out-of-domain")
    if benchmark is None:
        return None
    groups = {name: reward_points(study, experiment, name, benchmark) for name in ("grpo", "dpo")}
    marked = [(algorithm, point) for algorithm, points in groups.items() for point in points]
    if max(len(points) for points in groups.values()) < 2:
        return None
    name = f"{experiment}-rewards"
    with drawing_style(name):
        figure = blank(WIDTH, 360)
        axes = figure.subplots()
        for algorithm, points in groups.items():
            colour = COLOURS[algorithm]
            for point in points:
                reach = 1.96 * point.choosing_error
                x, y = 100 * point.choosing, 100 * point.training.value
                axes.plot([x - 100 * reach, x + 100 * reach], [y, y], color=colour, lw=1, alpha=0.5)
                ends = [100 * point.training.ci_low, 100 * point.training.ci_high]
                axes.plot([x, x], ends, color=colour, lw=1, alpha=0.5)
                axes.plot(
                    x,
                    y,
                    "s" if algorithm == "dpo" else "o",
                    ms=6.5,
                    color=COLOURS["paper"] if point.reward == EXACT else colour,
                    mec=colour,
                    mew=1.4,
                )
            axes.plot(
                [], [], "s" if algorithm == "dpo" else "o", color=colour, label=algorithm_name(algorithm)
            )
        axes.axhline(0, color=COLOURS["ink"], lw=0.8)
        axes.axvline(0, color=COLOURS["ink"], lw=0.8)
        quiet(axes)
        axes.margins(0.14)
        axes.set_xlabel("gain by choosing among the base’s pictures, points")
        axes.set_ylabel("gain of the policy trained on it, points")
        axes.legend(loc="best", fontsize=8.5)
        label_spots(
            figure,
            axes,
            [(100 * each.choosing, 100 * each.training.value) for _, each in marked],
            [each.reward for _, each in marked],
            [algorithm for algorithm, _ in marked],
        )
        return finish(
            figure,
            name,
            title="Reward generalisation",
            words="Out of domain: what each reward gains by choosing, and by training on it",
            caption=f"{benchmark}, gains over the base. If a reward that generalises better made a better "
            "policy, the marks of one algorithm would rise from left to right. Hollow: the exact verifier, "
            "which is also the measure.",
        )


def _scaling(study: Study, axis: str, lines: dict[str, list[Arm]], benchmark: str) -> Drawing:
    experiment = next(iter(lines.values()))[0].experiment
    name = f"{experiment}-{axis}-{benchmark}"
    title = f"{axis_name(axis).capitalize()}: {benchmark}"
    told = []
    with drawing_style(name):
        figure = blank(WIDTH, 300)
        axes = figure.subplots()
        places: set[float] = set()
        for arm_name, arms in lines.items():
            x_N = np.array([arm.axis[1] for arm in arms if arm.axis is not None])
            found = [level(study, arm, benchmark) for arm in arms]
            y_N = 100 * np.array([each.mean for each in found])
            low_N = 100 * np.array([each.ci_low for each in found])
            high_N = 100 * np.array([each.ci_high for each in found])
            colour, mark = arm_colour(arms[0]), arm_mark(arms[0])
            known = np.isfinite(low_N) & np.isfinite(high_N)
            axes.fill_between(x_N[known], low_N[known], high_N[known], color=colour, alpha=0.13, lw=0)
            axes.plot(x_N, y_N, f"-{mark}", color=colour, lw=1.6, ms=5, label=algorithm_name(arm_name))
            places |= set(x_N.tolist())
            pairs = ", ".join(f"{y:.1f} at {x:g}" for x, y in zip(x_N, y_N, strict=True))
            told.append(f"{algorithm_name(arm_name)}: {pairs}")
        base = study.base(experiment)
        if base is not None:
            axes.axhline(
                100 * study.mean(base, benchmark), color=COLOURS["ink"], lw=1, ls=(0, (4, 3)), label="base"
            )
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(sorted(places)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        quiet(axes)
        axes.margins(x=0.08, y=0.15)
        axes.set_xlabel(axis_name(axis))
        axes.set_ylabel("right pictures in %")
        axes.legend(loc="best", fontsize=8.5)
        return finish(
            figure,
            name,
            title=title,
            words=f"{title}. {'; '.join(told)}",
            caption=f"Bands are 95 % intervals. {along_axis(study, experiment)}",
        )
