"""Where training on a judge ended: what the judge says of the pictures now, and what the verifier says.

Both are changes since the base on the pictures of the evaluation, the same prompts and seeds. A judge's
scores have a unit of their own, so they are told in standard deviations of the base's pictures.
"""

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from tessera.report.numbers import MISSING
from tessera.report.study.effects import difference
from tessera.report.study.figures import WIDTH, arm_colour, arm_key, arm_mark
from tessera.report.study.hacked import judged
from tessera.report.study.labels import label_spots
from tessera.report.study.lookup import EXACT
from tessera.report.study.measured import Values, by_prompt, categories_in, effect_of
from tessera.report.study.names import MINUS, arm_names, cost_text, points
from tessera.report.study.plotting import COLOURS, Drawing, blank, drawing_style, finish, quiet
from tessera.report.study.read import Study
from tessera.report.study.rows import Arm, Row
from tessera.report.study.tables import Table
from tessera.statistics.hierarchical import Effect


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """Where an arm ended on one benchmark. `judge` is None for the exact reward, which has no judge."""

    arm: Arm
    kl: float
    judge: Effect | None  # in standard deviations of the base's pictures
    verifier: Effect
    seeds: tuple[tuple[float, float], ...]  # KL and judge of each training seed


def ends(study: Study, experiment: str, benchmark: str) -> list[End]:
    """Returns where each arm ended whose judge has scored its pictures and the base's, and the exact ones.

    Nothing where no judge has.
    """
    base = study.base(experiment)
    found = []
    for arm in study.arms(experiment) if base is not None else ():
        verifier = difference(study, arm, base, benchmark) if base is not None and arm.trained else None
        if verifier is None or base is None:
            continue
        kl = study.cost(arm)["kl"]
        if arm.reward == EXACT:
            found.append(End(arm=arm, kl=kl, judge=None, verifier=verifier, seeds=()))
            continue
        cells, (before, *_) = study.cells_of(arm), study.cells_of(base)
        changes = [_change(study, before, (cell,), arm.reward, benchmark) for cell in cells]
        judge = _change(study, before, cells, arm.reward, benchmark)
        if judge is not None:
            seeds = tuple(
                (cell.cost["kl"], change.value)
                for cell, change in zip(cells, changes, strict=True)
                if change is not None
            )
            found.append(End(arm=arm, kl=kl, judge=judge, verifier=verifier, seeds=seeds))
    return found if any(end.judge is not None for end in found) else []


def ends_table(study: Study, experiment: str) -> Table | None:
    """Returns what became of judge and verifier under each arm on a judge; None where none was asked."""
    found = [
        (benchmark, end)
        for benchmark in study.benchmarks(experiment)
        for end in ends(study, experiment, benchmark)
        if end.judge is not None
    ]
    if not found:
        return None
    names = arm_names([end.arm for _, end in found])
    return Table(
        name=f"{experiment}-overshoot",
        caption=f"{experiment}: where training on a judge ended. Change since the base of the judge’s score, "
        "in standard deviations of its scores of the base’s pictures, and of right pictures, in points; 95 % "
        "intervals",
        head=("arm", "benchmark", "final KL", "trained judge", "95 % interval", "verifier", "95 % interval"),
        rows=tuple(
            (
                names[end.arm],
                benchmark,
                cost_text("kl", end.kl),
                _signed(end.judge.value),
                f"{_signed(end.judge.ci_low)} to {_signed(end.judge.ci_high)}",
                points(end.verifier.value),
                f"{points(end.verifier.ci_low)} to {points(end.verifier.ci_high)}",
            )
            for benchmark, end in found
            if end.judge is not None
        ),
    )


def ends_drawings(study: Study, experiment: str) -> list[Drawing]:
    """Returns for each benchmark where arms ended: judge above, verifier below, over final KL."""
    found = {name: ends(study, experiment, name) for name in study.benchmarks(experiment)}
    return [_drawing(experiment, name, marks) for name, marks in found.items() if marks]


def _drawing(experiment: str, benchmark: str, found: list[End]) -> Drawing:
    name, title = f"{experiment}-overshoot-{benchmark}", f"Where training on a judge ended: {benchmark}"
    names = arm_names([end.arm for end in found])
    told = "; ".join(
        f"{names[end.arm]} at KL {end.kl:.3g}: judge {_signed(end.judge.value)} standard deviations, "
        f"verifier {points(end.verifier.value)} points"
        for end in found
        if end.judge is not None
    )
    judges = [(end, end.judge) for end in found if end.judge is not None]
    with drawing_style(name):
        figure = blank(WIDTH, 560)
        above, below = figure.subplots(2, 1, sharex=True)
        for end, judge in judges:
            _mark(above, end, judge, 1.0)
            for kl, change in end.seeds if len(end.seeds) > 1 else ():
                above.plot(kl, change, ".", color=arm_colour(end.arm), ms=4, alpha=0.6)
        for end in found:
            _mark(below, end, end.verifier, 100.0)
        above.set_title("trained judge, standard deviations of the base")
        below.set_title("verifier, points")
        below.set_xlabel("final KL to the base, nats per token")
        for axes in (above, below):
            quiet(axes)
            axes.axhline(0, color=COLOURS["ink"], lw=0.8)
            axes.margins(0.16)
        below.set_xlim(left=0)
        _label(above, [(end, (end.kl, judge.value)) for end, judge in judges])
        _label(below, [(end, (end.kl, 100 * end.verifier.value)) for end in found])
        return finish(
            figure,
            name,
            title=title,
            words=f"{title}. {told}",
            caption="Each mark is an arm, named by its reward, with its 95 % interval; small dots are single "
            "seeds. Round: GRPO, square: DPO. Hollow: trained on the verifier itself. Far up above and "
            "below 0 underneath is over-optimised.",
        )


def _mark(axes: Axes, end: End, effect: Effect, unit: float) -> None:
    colour = arm_colour(end.arm)
    axes.plot([end.kl, end.kl], [unit * effect.ci_low, unit * effect.ci_high], color=colour, lw=1, alpha=0.55)
    face = colour if end.judge is not None else COLOURS["paper"]
    axes.plot(end.kl, unit * effect.value, arm_mark(end.arm), ms=6.5, color=face, mec=colour, mew=1.4)


def _label(axes: Axes, marked: list[tuple[End, tuple[float, float]]]) -> None:
    figure = axes.get_figure(root=True)
    marked = sorted(marked, key=lambda each: -each[1][1])  # so the upper of two marks has the upper name
    if figure is not None:
        label_spots(
            figure,
            axes,
            [spot for _, spot in marked],
            [end.arm.reward for end, _ in marked],
            [arm_key(end.arm) for end, _ in marked],
        )


def _change(study: Study, before: Row, cells: tuple[Row, ...], judge: str, benchmark: str) -> Effect | None:
    """Returns how much higher the judge scores these cells than the base."""
    old = judged(study, before, judge)
    known = [value for place, value in old.items() if place[0] == benchmark and not math.isnan(value)]
    spread = float(np.std(known, ddof=1)) if len(known) > 1 else 0.0
    if spread == 0:
        return None

    def scaled(values: Values) -> dict[str, float]:
        return {name: value / spread for name, value in values.items()}

    new = [scaled(by_prompt(judged(study, cell, judge), benchmark)) for cell in cells]
    terms = [(new, 1.0), ([scaled(by_prompt(old, benchmark))], -1.0)]
    return effect_of(terms, categories_in(study, before.eval, benchmark))


def _signed(value: float) -> str:
    return MISSING if math.isnan(value) else f"{value:+.2f}".replace("-", MINUS)
