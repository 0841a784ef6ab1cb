"""Results as plain lines for a terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tessera.report.evaluation.measure import Measure, measure_of
from tessera.report.evaluation.official import official_means, official_of
from tessera.report.evaluation.read import missing_by_category, of_benchmark
from tessera.report.units import Unit
from tessera.types import EvalRecord

OVERALL = "overall"


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column of a table: its heading, its cells by row, and how wide it is at least."""

    heading: str
    cells: Mapping[str, str]
    least: int


def summary_lines(summary: Mapping[str, Any], records: Sequence[EvalRecord] = ()) -> list[str]:
    """Returns a table of `summary.json`: strict with its interval, and soft, per benchmark and category.

    The records tell which benchmarks have scores instead of verdicts, and in which categories pictures are
    missing.
    """
    names = [name for result in summary.values() for name in (OVERALL, *result["categories"])]
    width = max(14, *(len(name) for name in [*names, *summary])) + 2
    lines = []
    for benchmark, result in summary.items():
        mine = of_benchmark(records, benchmark)
        measure = measure_of(benchmark, result, mine)
        columns = _columns(result, measure)
        widths = [max(each.least, len(each.heading), *map(len, each.cells.values())) for each in columns]
        heads = (f"{each.heading:>{size}}" for each, size in zip(columns, widths, strict=True))
        lines.append(f"{benchmark:<{width}}  {'  '.join(heads)}")
        for name in (OVERALL, *result["categories"]):
            cells = (f"{each.cells[name]:>{size}}" for each, size in zip(columns, widths, strict=True))
            lines.append(f"  {name:<{width - 2}}  {'  '.join(cells)}")
        lines += _remarks(benchmark, result, measure, mine)
        lines.append("")
    return lines


def _columns(result: Mapping[str, Any], measure: Measure) -> list[Column]:
    strict, soft = ({OVERALL: each["overall"], **each["categories"]} for each in (result, result["soft"]))
    unit = measure.unit
    ends = {
        name: f"{_number(each['ci_low'], unit)} to {_number(each['ci_high'], unit)}"
        for name, each in strict.items()
    }
    columns = [
        Column(heading="strict" if measure.verdicts else "score", cells=_means(strict, unit), least=6),
        Column(heading="95 % interval", cells=ends, least=13),
    ]
    if measure.soft_unit is not None:
        heading = "soft" if measure.has_facts or not measure.verdicts else "score"
        columns.append(Column(heading=heading, cells=_means(soft, measure.soft_unit), least=6))
    official = result.get("official") or {}
    if means := official_means(official):
        rows = {OVERALL: {"mean": official.get("overall")}, **means}
        cells = _means({name: rows.get(name, {}) for name in strict}, unit)
        columns.append(Column(heading="official", cells=cells, least=8))
    prompts = {name: str(each["n"]) for name, each in strict.items()}
    return [*columns, Column(heading="prompts", cells=prompts, least=7)]


def _remarks(
    benchmark: str, result: Mapping[str, Any], measure: Measure, records: Sequence[EvalRecord]
) -> list[str]:
    """Returns what stands below a table: where pictures are missing, and what the official numbers are."""
    lines, missing = [], missing_by_category(records)
    if result["missing"]:
        where = [f"{name} {lacking}" for name, lacking in missing.items()]
        text = f"  {result['missing']} of {result['images']} pictures could not be graded"
        lines.append(f"{text}: {', '.join(where)}" if where else text)
    if official := official_of(benchmark, result, measure.unit, missing):
        lines.append(f"  official: {official.title}".rstrip(": "))
        lines += [f"    {name}: {text}" for name, text in official.told]
    return lines


def _means(rows: Mapping[str, Mapping[str, Any]], unit: Unit) -> dict[str, str]:
    return {name: _number(row.get("mean"), unit) for name, row in rows.items()}


def _number(score: float | None, unit: Unit) -> str:
    return "-" if score is None else unit.value(score)
