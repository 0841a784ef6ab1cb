"""Best of n in an evaluation's summary: as lines for a terminal, and as a chart and a table for its page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from tessera.report.evaluation.measure import Measure, measure_of
from tessera.report.evaluation.read import of_benchmark
from tessera.report.plot import Scale, Trace, percent_scale, plot
from tessera.report.score_chart import scale_of
from tessera.report.theme import Series, series_of
from tessera.report.units import Unit
from tessera.statistics.intervals import Estimate
from tessera.types import EvalRecord

BOUNDS = ("random", "oracle")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What one chooser reaches with one n."""

    value: str
    range: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Chooser:
    """One row of the table, with its chart between the bounds (the bounds themselves have none)."""

    name: str
    strict: tuple[Cell, ...]
    soft: tuple[Cell, ...]
    ties: int
    blind: int
    overlap: str
    chart: Markup | None


@dataclass(frozen=True, kw_only=True, slots=True)
class BestOf:
    """Best of n on one benchmark."""

    benchmark: str
    series: Series
    verdicts: bool  # pictures are right or wrong; else they have scores
    sizes: tuple[int, ...]
    choosers: tuple[Chooser, ...]


def best_of_results(summary: Mapping[str, Any], records: Sequence[EvalRecord]) -> list[BestOf]:
    """Returns the benchmarks of a summary that have candidates to choose from; records tell their units."""
    return [
        _result(name, result["best_of"], measure_of(name, result, of_benchmark(records, name)))
        for name, result in summary.items()
        if "best_of" in result
    ]


def best_of_lines(summary: Mapping[str, Any], records: Sequence[EvalRecord]) -> list[str]:
    """Returns tables of strict, one per benchmark: a row per chooser, a column per n."""
    lines: list[str] = []
    results = best_of_results(summary, records)
    for result in results:
        width = max(14, *(len(chooser.name) for chooser in result.choosers)) + 2
        values = [cell.value for chooser in result.choosers for cell in chooser.strict]
        column = max(7, *(len(value) + 1 for value in values))
        head = "".join(f"{f'n={n}':>{column}}" for n in result.sizes)
        what = "strict" if result.verdicts else "score"
        lines.append(f"{result.benchmark}, best of n ({what})")
        lines.append(f"{'':<{width}}{head}   interval at n={result.sizes[-1]}   ties  no score")
        for chooser in result.choosers:
            cells = "".join(f"{cell.value:>{column}}" for cell in chooser.strict)
            reach = f"{chooser.strict[-1].range:>{14 + len(str(result.sizes[-1]))}}"
            lines.append(
                f"  {chooser.name:<{width - 2}}{cells}   {reach}   {chooser.ties:>4}  {chooser.blind:>8}"
            )
        lines.append("")
    overlaps = [each.overlap for result in results for each in result.choosers]
    return [*lines, *dict.fromkeys(overlap for overlap in overlaps if overlap)]


def size_scale(sizes: Sequence[int]) -> Scale:
    """Returns the horizontal axis of n, each doubling equally wide."""
    ticks = tuple((math.log2(n), f"n = {n}" if n == sizes[0] else str(n)) for n in sizes)
    return Scale(low=math.log2(sizes[0]), high=math.log2(sizes[-1]), ticks=ticks)


def trace(sizes: Sequence[int], estimates: Sequence[Estimate], series: str, *, bound: bool = False) -> Trace:
    """Returns estimates over n with their band; a bound has none."""
    return Trace(
        x_N=np.log2(np.array(sizes, dtype=np.float64)),
        y_N=np.array([each.mean for each in estimates]),
        low_N=None if bound else np.array([each.ci_low for each in estimates]),
        high_N=None if bound else np.array([each.ci_high for each in estimates]),
        series=series,
        style="bound" if bound else "line",
    )


def _result(name: str, choosers: Mapping[str, Any], measure: Measure) -> BestOf:
    series = series_of(name)
    sizes = tuple(result["n"] for result in choosers["random"]["sizes"])
    overall = {
        chooser: [Estimate.from_json(result["strict"]["overall"]) for result in row["sizes"]]
        for chooser, row in choosers.items()
    }
    everybody = [estimate for estimates in overall.values() for estimate in estimates]
    scale = percent_scale() if measure.verdicts else scale_of(everybody)
    rows = []
    for chooser, row in choosers.items():
        chart = None
        if chooser not in BOUNDS:
            traces = [trace(sizes, overall[bound], "neutral", bound=True) for bound in BOUNDS]
            traces.append(trace(sizes, overall[chooser], series))
            title = f"Best of n on {name}, chosen by {chooser}"
            chart = plot(traces, size_scale(sizes), scale, title=title)
        rows.append(
            Chooser(
                name=chooser,
                strict=tuple(_cell(each, measure.unit) for each in overall[chooser]),
                soft=tuple(
                    _cell(Estimate.from_json(each["soft"]["overall"]), measure.soft_unit or measure.unit)
                    for each in row["sizes"]
                ),
                ties=row["sizes"][-1]["ties"],
                blind=row["sizes"][-1]["blind"],
                overlap=row["overlap"],
                chart=chart,
            )
        )
    return BestOf(benchmark=name, series=series, verdicts=measure.verdicts, sizes=sizes, choosers=tuple(rows))


def _cell(estimate: Estimate, unit: Unit) -> Cell:
    return Cell(value=unit.value(estimate.mean), range=unit.interval(estimate.ci_low, estimate.ci_high))
