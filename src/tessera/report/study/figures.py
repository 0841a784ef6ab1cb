"""The figures of a study: claims with their intervals, the plane of both domains, what changed by category.

Axes: none; what is drawn comes from `effects`, `tables` and `questions`.
"""

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from tessera.report.study.effects import level
from tessera.report.study.labels import label_spots
from tessera.report.study.names import arm_names, category_name, points
from tessera.report.study.plotting import COLOURS, Drawing, blank, drawing_style, finish, quiet
from tessera.report.study.read import Study
from tessera.report.study.rows import DEFAULT, OVERALL, Arm
from tessera.report.study.tables import categories_of
from tessera.report.study.verdicts import Verdict

WIDTH = 420  # CSS pixels: a phone shows it whole, and two stand side by side on a screen
IN_POINTS = ("points", "points per doubling")
STRONG = 0.35  # a change by so much has the full colour of the heat map
WORD_COLOURS = {
    "supported": "right",
    "contradicted": "wrong",
    "undecided": "muted",
    "not comparable": "muted",
}
WORD_MARKS = {"supported": "o", "contradicted": "X", "undecided": "s", "not comparable": "d"}


def forest(found: Sequence[Verdict]) -> Drawing | None:
    """Returns the claims that are differences or slopes in points with their intervals; None if none is."""
    shown = [each for each in found if each.unit in IN_POINTS and each.word != "not comparable"]
    if not shown:
        return None
    lines = [textwrap.wrap(each.claim.statement, 66) for each in shown]
    tops = np.cumsum([0.0, *(1.0 + 0.62 * len(each) for each in lines)])
    with drawing_style("verdicts"):
        figure = blank(WIDTH, 24 * float(tops[-1]) + 44)
        axes = figure.subplots()
        for verdict, words, top in zip(shown, lines, tops[:-1].tolist(), strict=True):
            middle = top + 0.62 * len(words) + 0.35
            colour = COLOURS[WORD_COLOURS[verdict.word]]
            axes.text(
                0.0,
                top,
                "\n".join(words),
                transform=axes.get_yaxis_transform(),
                va="top",
                size=8,
                linespacing=1.25,
            )
            axes.plot([0, 0], [middle - 0.35, middle + 0.35], color=COLOURS["ink"], lw=0.8)
            axes.plot([100 * verdict.low, 100 * verdict.high], [middle, middle], color=colour, lw=2)
            axes.plot(100 * verdict.value, middle, WORD_MARKS[verdict.word], color=colour, ms=6)
        axes.set_ylim(float(tops[-1]), -0.2)
        axes.set_yticks([])
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: points(value / 100, 0)))
        axes.set_xlabel("effect in points: right of 0 as claimed, left of 0 the opposite")
        return finish(
            figure,
            "verdicts",
            title="Claims",
            words=f"{len(shown)} claims with their effects and 95 % intervals",
            caption="Dot and line: effect with its 95 % interval. Green: supported here; red cross: "
            "contradicted; grey square: undecided.",
        )


def plane(study: Study, experiment: str) -> Drawing | None:
    """Returns in-domain against out-of-domain scores with an arrow from the base to each arm."""
    inside, outside = (study.benchmark(experiment, series) for series in ("in-domain", "out-of-domain"))
    base = study.base(experiment)
    arms = [arm for arm in study.arms(experiment) if arm.trained]
    if inside is None or outside is None or base is None or not arms:
        return None
    names = arm_names(arms)
    name = f"{experiment}-plane"
    with drawing_style(name):
        figure = blank(WIDTH, 380)
        axes = figure.subplots()
        start = (100 * study.mean(base, inside), 100 * study.mean(base, outside))
        for arm in arms:
            colour = arm_colour(arm)
            x, y = level(study, arm, inside), level(study, arm, outside)
            at = (100 * x.mean, 100 * y.mean)
            axes.plot([100 * x.ci_low, 100 * x.ci_high], [at[1], at[1]], color=colour, lw=1, alpha=0.55)
            axes.plot([at[0], at[0]], [100 * y.ci_low, 100 * y.ci_high], color=colour, lw=1, alpha=0.55)
            axes.annotate(
                "",
                at,
                start,
                arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.2, "shrinkB": 4, "shrinkA": 5},
            )
            seeds = list(zip(study.find(arm, inside), study.find(arm, outside), strict=False))
            if len(seeds) > 1:
                axes.plot(
                    [100 * one.estimate.mean for one, _ in seeds],
                    [100 * two.estimate.mean for _, two in seeds],
                    ".",
                    color=colour,
                    ms=4,
                    alpha=0.6,
                )
            axes.plot(*at, arm_mark(arm), color=colour, ms=6.5, mec=COLOURS["paper"], mew=0.8)
        axes.plot(*start, "o", color=COLOURS["ink"], ms=6.5, mec=COLOURS["paper"])
        quiet(axes)
        axes.grid(axis="x")
        axes.margins(0.12)
        axes.set_xlabel(f"{inside}: right pictures in %")
        axes.set_ylabel(f"{outside}: right pictures in %")
        spots = [(100 * study.mean(arm, inside), 100 * study.mean(arm, outside)) for arm in arms]
        arrows = [
            (start[0] + part * (x - start[0]), start[1] + part * (y - start[1]))
            for x, y in spots
            for part in np.linspace(0, 1, 40).tolist()
        ]
        texts, colours = ["base", *(names[arm] for arm in arms)], ["ink", *map(arm_key, arms)]
        label_spots(figure, axes, [start, *spots], texts, colours, avoid=arrows)
        return finish(
            figure,
            name,
            title="In and out of domain",
            words="; ".join(
                f"{text} {x:.1f} in domain, {y:.1f} out of domain"
                for text, (x, y) in zip(("base", *names.values()), (start, *spots), strict=True)
            ),
            caption="Arrows go from the base to each arm; crosses are 95 % intervals, small dots single "
            "training seeds. Up and to the right is better.",
        )


def heat(study: Study, experiment: str) -> Drawing | None:
    """Returns points gained on the base for each category and arm."""
    base = study.base(experiment)
    arms = [arm for arm in study.arms(experiment) if arm.trained]
    benchmarks = study.benchmarks(experiment)
    if base is None or not arms:
        return None
    names = arm_names(arms)
    rows = [
        (benchmark, category)
        for benchmark in benchmarks
        for category in (*categories_of(study, experiment, benchmark), OVERALL)
    ]
    name, side = f"{experiment}-categories", 30
    with drawing_style(name):
        figure = blank(max(WIDTH, 132 + 74 * len(arms)), side * (len(rows) + len(benchmarks)) + 76)
        axes = figure.subplots()
        y, ticks = 0.0, []
        for number, (benchmark, category) in enumerate(rows):
            if number == 0 or rows[number - 1][0] != benchmark:
                y += 0.8 if number else 0.0
                axes.text(-0.5, y - 0.1, benchmark, va="center", ha="left", weight="bold", size=8.5)
                y += 0.8
            ticks.append((y, category_name(category)))
            for x, arm in enumerate(arms):
                gain = study.mean(arm, benchmark, category) - study.mean(base, benchmark, category)
                _tile(axes, x, y, gain, bold=category == OVERALL)
            y += 1
        axes.set_xlim(-0.5, len(arms) - 0.5)
        axes.set_ylim(y - 0.4, -0.6)
        axes.set_yticks([at for at, _ in ticks], [text for _, text in ticks], size=8.5, color=COLOURS["ink"])
        axes.set_xticks(
            range(len(arms)),
            [names[arm].replace(" · ", "\n") for arm in arms],
            size=8.5,
            color=COLOURS["ink"],
        )
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return finish(
            figure,
            name,
            title="By category",
            words="Points gained on the base for each category and arm; the tables have the same numbers",
            caption="Points gained on the base: green more right pictures, red fewer. The mean over seeds; a "
            "single category is measured far less surely than the overall score.",
        )


def arm_colour(arm: Arm) -> str:
    """Returns the colour of the arm's algorithm."""
    return COLOURS[arm_key(arm)]


def arm_mark(arm: Arm) -> str:
    """Returns the mark of the arm: round for GRPO, square for DPO, a diamond for either in rounds."""
    if "iterated" in arm.arm:
        return "D"
    return "s" if arm.algorithm == "dpo" else "o"


def main_arms(study: Study, experiment: str) -> tuple[Arm, ...]:
    """Returns the experiment's trained arms in the default setting; all of them where it has none."""
    trained = [arm for arm in study.arms(experiment) if arm.trained]
    return tuple(arm for arm in trained if arm.setting == DEFAULT) or tuple(trained)


def arm_key(arm: Arm) -> str:
    return arm.algorithm if arm.algorithm in COLOURS else "ink"


def _tile(axes: Axes, x: int, y: float, gain: float, *, bold: bool) -> None:
    if not math.isnan(gain):
        colour = COLOURS["right" if gain >= 0 else "wrong"]
        strength = 0.62 * min(abs(gain) / STRONG, 1.0)
        axes.add_patch(
            Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, alpha=strength, linewidth=0)
        )
    weight = "bold" if bold else "normal"
    axes.text(x, y, points(gain), ha="center", va="center_baseline", size=8.5, weight=weight)
