"""What the summary says of one benchmark, in its unit: headline, table, shares of facts, chart."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from tessera.report.chart import Row, interval_chart, share_bar
from tessera.report.evaluation.measure import Measure, measure_of
from tessera.report.evaluation.official import Official, official_of
from tessera.report.evaluation.read import missing_by_category, words
from tessera.report.score_chart import score_chart
from tessera.report.theme import Series, series_of
from tessera.statistics.intervals import Estimate
from tessera.types import EvalRecord

# What GenEval's kinds of clauses ask for; all other kinds of facts are words already.
KINDS = {"include": "objects that are asked for", "exclude": "no more objects than asked for"}


@dataclass(frozen=True, kw_only=True, slots=True)
class FactShare:
    """How often one kind of fact holds in one benchmark."""

    share: float
    n: int
    bar: Markup


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One row of the table of numbers, as text."""

    label: str
    emphasis: bool
    prompts: int
    pictures: int
    missing: int
    strict: str
    strict_interval: str
    soft: str
    soft_interval: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkResult:
    """What the summary says of one benchmark, ready for the template."""

    name: str
    series: Series
    measure: Measure
    overall: Estimate
    soft: Estimate | None  # None where it says no more than `overall`
    estimates: Mapping[str, Estimate]  # by category
    lines: tuple[Line, ...]  # the rows of the table, the overall one first
    facts: Mapping[str, FactShare]
    images: int
    missing: int
    categories: str  # e.g. "6 categories"; empty if it has none
    chart: Markup
    official: Official | None

    @property
    def of_field(self) -> bool:
        """Whether its categories are judged by measures of their own, which do not compare."""
        return self.official is not None or not self.measure.verdicts


def result_of(name: str, summary: Mapping[str, Any], records: Sequence[EvalRecord]) -> BenchmarkResult:
    """Returns what a summary says; the records tell in which unit, and where pictures are missing."""
    measure = measure_of(name, summary, records)
    softs = (summary.get("soft") or {}) if measure.soft_unit else {}
    mild = softs.get("categories", {})
    rows = [_row("overall", summary["overall"], softs.get("overall"), emphasis=True)]
    rows += [
        _row(words(category), estimate, mild.get(category))
        for category, estimate in summary["categories"].items()
    ]
    drawn, missing = Counter(record.category for record in records), missing_by_category(records)
    counts = [(summary.get("images", 0), summary.get("missing", 0))]
    counts += [(drawn[category], missing[category]) for category in summary["categories"]]
    series = series_of(name)
    return BenchmarkResult(
        name=name,
        series=series,
        measure=measure,
        overall=rows[0].strict,
        soft=rows[0].soft,
        estimates={
            category: row.strict for category, row in zip(summary["categories"], rows[1:], strict=True)
        },
        lines=tuple(
            _line(row, measure, pictures=pictures, missing=lacking)
            for row, (pictures, lacking) in zip(rows, counts, strict=True)
        ),
        facts={kind: _share(row, series) for kind, row in summary.get("facts", {}).items()},
        images=counts[0][0],
        missing=counts[0][1],
        categories={1: "", 2: "1 category"}.get(len(rows), f"{len(rows) - 1} categories"),
        chart=_chart(rows, name, measure, series),
        official=official_of(name, summary, measure.unit, missing),
    )


def kind_words(kind: str) -> str:
    """Returns a kind of facts as people write it."""
    return KINDS.get(kind, kind)


def _row(
    label: str,
    strict: Mapping[str, Any],
    soft: Mapping[str, Any] | None,
    *,
    emphasis: bool = False,
) -> Row:
    return Row(
        label=label,
        strict=Estimate.from_json(strict),
        soft=Estimate.from_json(soft) if soft else None,
        emphasis=emphasis,
    )


def _line(row: Row, measure: Measure, *, pictures: int, missing: int) -> Line:
    unit, soft_unit, strict, soft = measure.unit, measure.soft_unit, row.strict, row.soft
    return Line(
        label=row.label,
        emphasis=row.emphasis,
        prompts=strict.n,
        pictures=pictures,
        missing=missing,
        strict=unit.alone(strict.mean),
        strict_interval=unit.interval(strict.ci_low, strict.ci_high),
        soft=soft_unit.alone(soft.mean) if soft and soft_unit else "",
        soft_interval=soft_unit.interval(soft.ci_low, soft.ci_high) if soft and soft_unit else "",
    )


def _share(row: Mapping[str, Any], series: Series) -> FactShare:
    share = math.nan if row["mean"] is None else float(row["mean"])
    return FactShare(share=share, n=int(row["n"]), bar=share_bar(share, series=series))


def _chart(rows: Sequence[Row], name: str, measure: Measure, series: Series) -> Markup:
    """Returns the chart of strict, with soft where that is a share, too."""
    if not measure.verdicts:
        return score_chart(rows, measure.unit, title=f"Mean score by category, {name}", series=series)
    drawn = rows if measure.has_facts else [replace(row, soft=None) for row in rows]
    return interval_chart(drawn, title=f"Share of right pictures by category, {name}", series=series)
