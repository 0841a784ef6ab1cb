"""How judge and verifier went apart while a policy was trained on the judge.

Runs that were watched have the judge's own score and the KL of the very pictures that the verifier graded;
of others there is the reward of the training pictures, and the KL of the training steps.

Axes: S steps, M measurements on validation prompts.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from numpy import ndarray

from tessera.report.curves import smoothed
from tessera.report.numbers import plural
from tessera.report.run_files import RunFiles, read_run
from tessera.report.study.figures import WIDTH
from tessera.report.study.lookup import EXACT
from tessera.report.study.names import algorithm_name, setting_name
from tessera.report.study.plotting import (
    COLOURS,
    SERIES_COLOURS,
    Drawing,
    blank,
    drawing_style,
    finish,
    quiet,
)
from tessera.report.study.read import Study
from tessera.report.study.rows import DEFAULT, Arm
from tessera.report.theme import series_of
from tessera.statistics.alarms import column
from tessera.storage import CONFIG

FEWEST_LOOKS = 3  # measurements on validation prompts that make a curve
KL = "kl"  # beside the scores of a measurement


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One benchmark's way through a run, or the mean of several runs at the steps that all measured."""

    step_M: Float64[ndarray, " M"]
    kl_M: Float64[ndarray, " M"]
    judge_M: Float64[ndarray, " M"]
    verifier_M: Float64[ndarray, " M"]


def over_optimisation(study: Study, experiment: str) -> list[Drawing]:
    """Returns a drawing for each arm on a judge whose runs were looked at as they went."""
    drawings = []
    for arm in study.arms(experiment):
        if not arm.trained or arm.reward == EXACT:
            continue
        folders = [study.folder / cell.run for cell in study.cells_of(arm) if cell.run]
        runs = [read_run(folder) for folder in folders if (folder / CONFIG).is_file()]
        drawing = (_watched(arm, runs) or _of_first_run(arm, runs[0])) if runs else None
        if drawing is not None:
            drawings.append(drawing)
    return drawings


def way_of(run: RunFiles, benchmark: str, judge: str) -> Way | None:
    """Returns the run's way over measured KL; None without enough measurements of KL and the judge."""
    rows = run.held_out
    kl_M, judge_M = (column(rows, benchmark, what, "mean") for what in (KL, judge))
    known = np.isfinite(kl_M) & np.isfinite(judge_M)
    if np.count_nonzero(known) < FEWEST_LOOKS:
        return None
    return Way(
        step_M=column(rows, "step")[known],
        kl_M=kl_M[known],
        judge_M=judge_M[known],
        verifier_M=column(rows, benchmark, "strict", "mean")[known],
    )


def mean_way(ways: list[Way]) -> Way:
    """Returns the mean over runs at each step that all of them measured."""
    shared = sorted(set[float].intersection(*(set(way.step_M.tolist()) for way in ways)))
    rows = [np.isin(way.step_M, shared) for way in ways]

    def mean(values: list[Float64[ndarray, " _"]]) -> Float64[ndarray, " _"]:
        return np.mean([each[kept] for each, kept in zip(values, rows, strict=True)], axis=0)

    return Way(
        step_M=np.array(shared),
        kl_M=mean([way.kl_M for way in ways]),
        judge_M=mean([way.judge_M for way in ways]),
        verifier_M=mean([way.verifier_M for way in ways]),
    )


def _watched(arm: Arm, runs: list[RunFiles]) -> Drawing | None:
    """Returns judge and verifier over measured KL, each seed and their mean; None if none was watched so."""
    benchmarks = dict.fromkeys(name for run in runs for name in run.benchmarks)
    found = {name: [way_of(run, name, arm.reward) for run in runs] for name in benchmarks}
    ways = {name: [way for way in each if way is not None] for name, each in found.items()}
    ways = {name: each for name, each in ways.items() if each}
    if not ways:
        return None
    name, title = _names(arm)
    told = []
    with drawing_style(name):
        figure = blank(WIDTH, 380)
        above, below = figure.subplots(2, 1, sharex=True)
        for benchmark, each in ways.items():
            colour, mean = COLOURS[SERIES_COLOURS[series_of(benchmark)]], mean_way(each)
            for way in each if len(each) > 1 else ():
                for axes, values_M in ((above, way.judge_M), (below, 100 * way.verifier_M)):
                    axes.plot(way.kl_M, values_M, color=colour, lw=0.8, alpha=0.45)
            for axes, values_M in ((above, mean.judge_M), (below, 100 * mean.verifier_M)):
                axes.plot(mean.kl_M, values_M, "-o", color=colour, lw=1.8, ms=3.5, label=benchmark)
            if len(mean.step_M):
                told.append(
                    f"{benchmark}: at KL {mean.kl_M[-1]:.3g} the judge went from {mean.judge_M[0]:.3g} to "
                    f"{mean.judge_M[-1]:.3g}, right pictures from {100 * mean.verifier_M[0]:.1f} to "
                    f"{100 * mean.verifier_M[-1]:.1f} %"
                )
        above.set_title(f"what {arm.reward} says of validation pictures")
        below.set_title("how many of the same pictures are right, in %")
        below.set_xlabel("KL to the base on these pictures, nats per token")
        below.legend(loc="best", fontsize=8.5)
        for axes in (above, below):
            quiet(axes)
        seeds = max(len(each) for each in ways.values())
        return finish(
            figure,
            name,
            title=title,
            words=f"{title}. {'; '.join(told)}",
            caption=(
                f"Thin: {plural(seeds, 'seed')}; thick: their mean. " if seeds > 1 else "One training seed. "
            )
            + "A judge that rises while the verifier falls is over-optimised.",
        )


def _of_first_run(arm: Arm, run: RunFiles) -> Drawing | None:
    """Returns the trained reward and the verifier over the KL that training logged, of the first seed."""
    if len(run.held_out) < FEWEST_LOOKS or not run.metrics:
        return None
    step_S, reward_S, kl_S = (column(run.metrics, key) for key in ("step", "reward", KL))
    by_kl = bool(np.isfinite(kl_S).any())
    x_S = smoothed(kl_S) if by_kl else step_S
    look_M = column(run.held_out, "step")
    x_M = np.interp(look_M, step_S[np.isfinite(x_S)], x_S[np.isfinite(x_S)], left=0.0)
    name, title = _names(arm)
    with drawing_style(name):
        figure = blank(WIDTH, 360)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.3))
        _line(above, x_S, smoothed(reward_S), COLOURS["muted"], "")
        above.set_title("the reward that was trained")
        for benchmark in run.benchmarks:
            values_M, low_M, high_M = (
                100 * column(run.held_out, benchmark, "strict", end) for end in ("mean", "ci_low", "ci_high")
            )
            colour = COLOURS[SERIES_COLOURS[series_of(benchmark)]]
            below.fill_between(x_M, low_M, high_M, color=colour, alpha=0.13, lw=0)
            _line(below, x_M, values_M, colour, benchmark)
        below.set_title("right pictures of validation prompts in %")
        below.set_xlabel("KL to the base, nats per token" if by_kl else "step (this run logs no KL)")
        below.legend(loc="best", fontsize=8.5)
        for axes in (above, below):
            quiet(axes)
        return finish(
            figure,
            name,
            title=title,
            words=f"{title}: the trained reward above, the exact verifier below, over "
            f"{'KL' if by_kl else 'steps'}",
            caption="First training seed, smoothed. A reward that rises while the verifier falls is "
            "over-optimised.",
        )


def _names(arm: Arm) -> tuple[str, str]:
    """Returns what the files of an arm's drawing are called, and its title."""
    setting = [] if arm.setting == DEFAULT else [arm.setting]
    told = [] if arm.setting == DEFAULT else [setting_name(arm)]
    name = "-".join((arm.experiment, arm.arm, arm.reward, *setting, "over"))
    return name, ", ".join((f"{algorithm_name(arm.arm)} on {arm.reward}", *told))


def _line(
    axes: Axes, x_N: Float64[ndarray, " N"], y_N: Float64[ndarray, " N"], colour: str, label: str
) -> None:
    known = np.isfinite(x_N) & np.isfinite(y_N)
    axes.plot(x_N[known], y_N[known], color=colour, lw=1.6, label=label or None)
