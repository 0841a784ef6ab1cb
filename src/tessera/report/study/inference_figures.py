"""Training against choosing in figures: at equal inference, and at equal total compute."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tessera.report.study.choosing import ORACLE
from tessera.report.study.figures import WIDTH, arm_colour, arm_mark
from tessera.report.study.inference import (
    Compute,
    Option,
    choosers,
    compute_of,
    option_level,
    options,
)
from tessera.report.study.names import arm_names, short_count
from tessera.report.study.plotting import COLOURS, Drawing, blank, drawing_style, finish, quiet
from tessera.report.study.read import Study
from tessera.report.study.rows import Arm
from tessera.statistics.intervals import Estimate
from tessera.statistics.selection import sizes

DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1, 1, 1)))  # by reward, where there are several


def inference_drawings(study: Study, experiment: str) -> list[Drawing]:
    """Returns for each chooser the scores over pictures drawn, and what equal totals buy."""
    found = options(study, experiment)
    drawings: list[Drawing] = []
    for chooser in choosers(found):
        several = {option.arm: option for option in found if option.chooser == chooser}
        once = {option.arm: option for option in found if not option.chooser and option.arm in several}
        drawings.append(_by_drawn(study, experiment, chooser, once, several))
        if chooser != ORACLE and (total := _by_total(study, experiment, chooser, once, several)) is not None:
            drawings.append(total)
    return drawings


def _by_drawn(
    study: Study, experiment: str, chooser: str, once: dict[Arm, Option], several: dict[Arm, Option]
) -> Drawing:
    benchmarks, names = study.benchmarks(experiment), arm_names(list(once))
    dashes = _dashes(list(once))
    name = f"{experiment}-inference-{chooser}"
    title = f"At equal inference: chosen by {chooser}"
    told = []
    with drawing_style(name):
        figure = blank(WIDTH, 240 * len(benchmarks) + 20)
        panels = np.atleast_1d(figure.subplots(len(benchmarks), 1, sharex=True))
        for axes, benchmark in zip(panels, benchmarks, strict=True):
            for arm, option in once.items():
                drawn = sizes(several[arm].most)
                levels = [_at(study, option, several[arm], benchmark, n) for n in drawn]
                colour = arm_colour(arm) if arm.trained else COLOURS["ink"]
                _band(axes, list(drawn), levels, colour)
                axes.plot(
                    drawn,
                    [100 * each.mean for each in levels],
                    marker=arm_mark(arm),
                    ls=dashes[arm],
                    color=colour,
                    lw=1.6,
                    ms=5,
                    label=names[arm],
                )
                pairs = ", ".join(f"{100 * e.mean:.1f} at {n}" for n, e in zip(drawn, levels, strict=True))
                told.append(f"{benchmark}, {names[arm]}: {pairs}")
            axes.set_title(f"{benchmark}: right pictures in %")
            quiet(axes)
            axes.margins(x=0.06, y=0.12)
        last = panels[-1]
        last.set_xscale("log", base=2)
        last.xaxis.set_major_locator(FixedLocator(sizes(max(each.most for each in several.values()))))
        last.xaxis.set_minor_locator(NullLocator())
        last.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        last.set_xlabel("pictures drawn for each one served")
        panels[0].legend(loc="best", fontsize=8.5)
        return finish(
            figure,
            name,
            title=title,
            words=f"{title}. {'; '.join(told)}",
            caption=f"One above the other, marks cost the same at inference. {_who(chooser)} Bands are 95 % "
            "intervals.",
        )


def _by_total(
    study: Study, experiment: str, chooser: str, once: dict[Arm, Option], several: dict[Arm, Option]
) -> Drawing | None:
    costs = {arm: cost for arm in once if arm.trained and (cost := compute_of(study, arm)) is not None}
    base = next((arm for arm in once if not arm.trained), None)
    if not costs or base is None:
        return None
    benchmarks, names = study.benchmarks(experiment), arm_names(list(once))
    most, dashes = several[base].most, _dashes(list(once))
    left = min(cost.cheaper_from(most) for cost in costs.values()) / 2
    right = max(cost.cheaper_from(2) for cost in costs.values()) * 2
    served = np.geomspace(left, right, 400).tolist()
    name = f"{experiment}-total-{chooser}"
    title = f"At equal total compute: chosen by {chooser}"
    told = "; ".join(
        f"{names[arm]} has cost less than best of {most} from {cost.cheaper_from(most):.0f} served pictures "
        f"and than best of 2 from {cost.cheaper_from(2):.0f}"
        for arm, cost in costs.items()
    )
    with drawing_style(name):
        figure = blank(WIDTH, 240 * len(benchmarks) + 20)
        panels = np.atleast_1d(figure.subplots(len(benchmarks), 1, sharex=True))
        for axes, benchmark in zip(panels, benchmarks, strict=True):
            scores = {n: _at(study, once[base], several[base], benchmark, n).mean for n in range(1, most + 1)}
            for arm, cost in costs.items():
                trained, colour = option_level(study, once[arm], benchmark), arm_colour(arm)
                _band(axes, [left, right], [trained, trained], colour)
                axes.plot(
                    [left, right],
                    [100 * trained.mean] * 2,
                    color=colour,
                    ls=dashes[arm],
                    lw=1.8,
                    label=f"{names[arm]}, one drawn",
                )
                bought = [100 * scores[_bought(cost, each, most)] for each in served]
                axes.plot(
                    served,
                    bought,
                    color=colour,
                    ls=(0, (2, 1.5)),
                    lw=1.2,
                    label=f"base, best of what {names[arm]} cost",
                )
            axes.set_title(f"{benchmark}: right pictures in %")
            quiet(axes)
            axes.margins(x=0, y=0.12)
        panels[-1].set_xscale("log")
        panels[-1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))
        panels[-1].xaxis.set_minor_locator(NullLocator())
        panels[-1].set_xlabel("pictures served in all")
        lines, labels = panels[0].get_legend_handles_labels()
        figure.legend(lines, labels, loc="outside lower center", ncols=2, fontsize=8)
        return finish(
            figure,
            name,
            title=title,
            words=f"{title}. {told}",
            caption="What training cost could have drawn more pictures of the base for each one served, the "
            f"fewer the more are served; {most} at most were drawn here, so further left it stays at that. "
            f"In token passes; the judge’s own cost is left out. {_who(chooser)}",
        )


def _at(study: Study, once: Option, several: Option, benchmark: str, n: int) -> Estimate:
    if n == 1:
        return option_level(study, once, benchmark)
    return option_level(study, several, benchmark, n)


def _bought(cost: Compute, served: float, most: int) -> int:
    return min(int(cost.affordable(served)), most)


def _band(axes: Axes, x: Sequence[float | int], levels: Sequence[Estimate], colour: str) -> None:
    low, high = (100 * np.array([getattr(each, end) for each in levels]) for end in ("ci_low", "ci_high"))
    axes.fill_between(x, low, high, where=np.isfinite(low).tolist(), color=colour, alpha=0.12, lw=0)


def _dashes(arms: Sequence[Arm]) -> dict[Arm, object]:
    rewards = list(dict.fromkeys(arm.reward for arm in arms if arm.trained))
    return {arm: DASHES[rewards.index(arm.reward) % len(DASHES)] if arm.trained else "-" for arm in arms}


def _who(chooser: str) -> str:
    return "The oracle is the verifier itself: an upper bound." if chooser == ORACLE else ""
