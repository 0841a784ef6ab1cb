"""A whole comparison, from folders to text: the page, Markdown, LaTeX, JSON and lines for a terminal."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tessera.report.chart import Row, interval_chart
from tessera.report.compare import table as tables
from tessera.report.compare.pictures import MOST, MOST_FACTS, Change, changed
from tessera.report.compare.published import Source, sources_of
from tessera.report.compare.read import Evaluation, read_evaluations
from tessera.report.compare.scores import OVERALL, ScoreTable, leaves_out_zero, score_table
from tessera.report.compare.shared import share
from tessera.report.numbers import NARROW_SPACE
from tessera.report.score_chart import score_chart
from tessera.report.theme import render, series_of
from tessera.report.units import PERCENT
from tessera.statistics.intervals import LEVEL


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """All that is known of several evaluations side by side."""

    evaluations: tuple[Evaluation, ...]
    remarks: tuple[str, ...]  # what a reader must know before the numbers, a sentence each
    tables: tuple[ScoreTable, ...]
    published: dict[str, list[Source]]  # by benchmark; empty unless asked for
    improved: tuple[Change, ...]
    broken: tuple[Change, ...]


def compare(
    folders: Sequence[Path], names: Sequence[str] = (), *, published: bool = False, most: int = MOST
) -> Comparison:
    """Returns the comparison of evaluation folders; `most` pictures that improved, and as many that broke."""
    evaluations = read_evaluations(folders, names)
    shared, remarks = share(evaluations)
    improved, broken = changed(shared, evaluations[0], evaluations[-1], most)
    return Comparison(
        evaluations=tuple(evaluations),
        remarks=tuple(remarks),
        tables=tuple(score_table(each) for each in shared),
        published={
            each.benchmark: sources_of(each.benchmark, each.categories) if published else []
            for each in shared
        },
        improved=tuple(improved),
        broken=tuple(broken),
    )


def reading(comparison: Comparison) -> str:
    """Returns the result in plain words, a sentence per benchmark."""
    return " ".join(filter(None, map(_sentence, comparison.tables)))


def _sentence(table: ScoreTable) -> str:
    if not table.paired:
        return f"On {table.benchmark} the graders differ, so nobody leads."
    first, last = table.lines[0], table.lines[-1]
    if len(table.lines) > 2 or math.isnan(last.changes[OVERALL].value):
        text = tables.level_sentence(table) or "Overall, nobody is ahead."
        return f"On {table.benchmark}: {text[0].lower()}{text[1:]}"
    change, unit = last.changes[OVERALL], table.unit
    sign, points = (f"{NARROW_SPACE}%", " points") if unit is PERCENT else ("", "")
    old, new = (unit.value(line.scores[OVERALL].mean) + sign for line in (first, last))
    verdict = "more than chance" if leaves_out_zero(change) else "which may be chance"
    interval = unit.signed_interval(change.ci_low, change.ci_high)
    by = f"{unit.signed(change.value)}{points} ({interval}), {verdict}"
    told = by if change.value else "no difference"
    return f"On {table.benchmark}, {first.name} scores {old} and {last.name} {new}: {told}."


def compare_page(comparison: Comparison, command: str = "") -> str:
    """Returns the page as HTML, one file with its pictures inside."""
    names = [each.name for each in comparison.evaluations]
    return render(
        "compare.html",
        title=f"{', '.join(names[:-1])} and {names[-1]}, compared",
        reading=reading(comparison),
        remarks=comparison.remarks,
        tables=[
            {
                "table": each,
                "series": series_of(each.benchmark),
                "caption": tables.caption(each),
                "level": tables.level_sentence(each),
                "chart": _chart(each),
                "lines": [
                    (line.name, [tables.cell(each, line, column) for column in each.columns])
                    for line in each.lines
                ],
                "sources": [
                    (
                        source,
                        [
                            (row.model, [tables.published_text(each, row, column) for column in each.columns])
                            for row in source.row
                        ],
                    )
                    for source in comparison.published[each.benchmark]
                ],
            }
            for each in comparison.tables
        ],
        column_name=tables.column_name,
        first=names[0],
        last=names[-1],
        decks=[
            (
                "improved",
                f"What {names[-1]} gained on {names[0]}",
                "Sorted by what they gained",
                comparison.improved,
            ),
            ("broken", f"What {names[-1]} lost", "Sorted by what they lost", comparison.broken),
        ],
        method=[(each.name, _method(each)) for each in comparison.evaluations],
        level_percent=LEVEL,
        columns=len(names),
        most_facts=MOST_FACTS,
        command=command,
    )


def _chart(table: ScoreTable) -> str:
    """Returns the overall scores with their intervals."""
    rows = [Row(label=line.name, strict=line.scores[OVERALL]) for line in table.lines]
    title, series = f"Overall score, {table.benchmark}", series_of(table.benchmark)
    if table.unit is PERCENT:
        return interval_chart(rows, title=title, series=series)
    return score_chart(rows, table.unit, title=title, series=series)


def _method(evaluation: Evaluation) -> str:
    """Returns what a folder says of itself."""
    config = evaluation.config
    told = [
        f"{name} {config[key]}"
        for key, name in (("policy", "policy"), ("policy_digest", "weights"), ("tessera", "tessera"))
        if config.get(key)
    ]
    return "; ".join([*told, str(evaluation.folder)])


def compare_markdown(comparison: Comparison) -> str:
    """Returns remarks and tables as Markdown."""
    remarks = [f"- {remark}" for remark in comparison.remarks]
    blocks = [tables.markdown(each, comparison.published[each.benchmark]) for each in comparison.tables]
    return "\n".join([*remarks, "", *blocks])


def compare_latex(comparison: Comparison) -> str:
    """Returns a LaTeX table per benchmark; remarks are comments at the head."""
    remarks = [f"% {remark}" for remark in comparison.remarks]
    blocks = [tables.latex(each, comparison.published[each.benchmark]) for each in comparison.tables]
    return "\n".join([*remarks, *blocks])


def compare_lines(comparison: Comparison) -> list[str]:
    """Returns remarks and tables for a terminal."""
    lines = [*comparison.remarks, ""]
    for each in comparison.tables:
        lines += tables.terminal(each)
    if any(each.paired for each in comparison.tables):
        references = dict.fromkeys(each.lines[0].name for each in comparison.tables if each.paired)
        lines += [tables.legend(" or ".join(references)), ""]
    return lines


def compare_json(comparison: Comparison) -> dict[str, Any]:
    """Returns the full numbers as plain data, scores in [0, 1]."""
    return {
        "evaluations": [
            {"name": each.name, "folder": str(each.folder.absolute()), "config": dict(each.config)}
            for each in comparison.evaluations
        ],
        "remarks": list(comparison.remarks),
        "benchmarks": {
            each.benchmark: _plain(each, comparison.published[each.benchmark]) for each in comparison.tables
        },
        "improved": [_told(each) for each in comparison.improved],
        "broken": [_told(each) for each in comparison.broken],
    }


def _plain(table: ScoreTable, sources: Sequence[Source]) -> dict[str, Any]:
    return {
        "title": table.title,
        "unit": table.unit.name,
        "prompts": table.prompts,
        "paired": table.paired,
        "reference": table.lines[0].name,
        "scores": {
            line.name: {column: score.to_json() for column, score in line.scores.items()}
            for line in table.lines
        },
        "differences": {
            line.name: {
                column: {**change.to_json(), "p": _known(change.p_value()), "mark": line.marks[column]}
                for column, change in line.changes.items()
            }
            for line in table.lines
            if line.changes
        },
        "best": {column: list(names) for column, names in table.best.items()},
        "not_distinguishable_from_best": list(table.level),
        "published": [asdict(source) for source in sources],
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _told(change: Change) -> dict[str, Any]:
    """Returns a row of pictures without the pictures."""
    return {
        **{key: value for key, value in asdict(change).items() if key != "shots"},
        "soft": _known(change.soft),
        "scores": {shot.name: shot.score for shot in change.shots},
    }
