"""The tables of a comparison as text: Markdown, LaTeX with booktabs, and lines for a terminal.

Rows are models and columns categories, as the literature has them; on a terminal, which is narrow, the
categories stand below one another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tessera.report.compare.published import PublishedRow, Source
from tessera.report.compare.scores import OVERALL, Line, ScoreTable
from tessera.report.numbers import MISSING, plural
from tessera.report.study.tables import LATEX
from tessera.report.units import MINUS


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A score of one line in one column, as text."""

    value: str
    interval: str
    change: str  # from the first line; empty where there is none
    change_interval: str
    mark: str
    best: bool


def cell(table: ScoreTable, line: Line, column: str) -> Cell:
    """Returns one cell of a table."""
    unit, score, change = table.unit, line.scores[column], line.changes.get(column)
    return Cell(
        value=unit.value(score.mean),
        interval=unit.interval(score.ci_low, score.ci_high),
        change=unit.signed(change.value) if change else "",
        change_interval=unit.signed_interval(change.ci_low, change.ci_high) if change else "",
        mark=line.marks.get(column, ""),
        best=line.name in table.best[column],
    )


def caption(table: ScoreTable) -> str:
    """Returns what the numbers of a table are, and what is bold and marked in it."""
    text = f"{table.title}: {what(table)}; overall is the mean of the categories."
    if not table.paired:
        return f"{text} The graders differ, so nothing is bold and no difference is taken."
    return (
        f"{text} Bold: the highest mean, whether or not the lead is more than chance. "
        f"{legend(table.lines[0].name)}"
    )


def what(table: ScoreTable) -> str:
    """Returns what is counted, over how many prompts."""
    counted = "right pictures in percent" if table.unit.name == "percent" else "mean scores"
    return f"{counted} over {plural(table.prompts, 'prompt')}, with 95 % intervals"


def legend(reference: str) -> str:
    """Returns what differences are and how they are marked."""
    return (
        f"Differences are to {reference}, paired by prompt; * the 95 % interval leaves out 0, ** it still "
        "does with all differences of the table taken as one family (Holm)."
    )


def column_name(column: str) -> str:
    """Returns a category as people write it."""
    return column.replace("_", " ") or "all"


def published_text(table: ScoreTable, row: PublishedRow, column: str) -> str:
    """Returns a published number in the unit of the table; a dash where the source has none."""
    text = row.overall if column == OVERALL else row.scores.get(column, "")
    return table.unit.published(text) if text else MISSING


def level_sentence(table: ScoreTable) -> str:
    """Returns who leads overall, and who cannot be told from the leader; "" where nobody leads."""
    if not table.best[OVERALL]:
        return ""
    leader = " and ".join(table.best[OVERALL])
    if not table.level:
        return f"Overall, {leader} is highest; all paired differences from it leave out 0."
    return f"Overall, {leader} is highest; not distinguishable from it: {', '.join(table.level)}."


# --- Markdown -----------------------------------------------------------------------------------------------


def markdown(table: ScoreTable, sources: Sequence[Source] = ()) -> str:
    """Returns one benchmark as Markdown: caption, table, sources."""
    rows = [("", *map(column_name, table.columns)), ("---", *["---:"] * len(table.columns))]
    for line in table.lines:
        cells = [cell(table, line, column) for column in table.columns]
        rows.append((line.name, *(_spaced(_bold(each), _bracketed(each.interval)) for each in cells)))
        if line.changes:
            changes = (
                _spaced(each.change, _bracketed(each.change_interval)) + _stars(each) for each in cells
            )
            rows.append((f"{line.name} {MINUS} {table.lines[0].name}", *changes))
    for number, source in enumerate(sources, start=1):
        for row in source.row:
            values = (published_text(table, row, column) for column in table.columns)
            rows.append((f"*{row.model}* (published, {number})", *values))
    lines = ["| " + " | ".join(each.replace("|", r"\|") for each in row) + " |" for row in rows]
    text = [f"## {table.benchmark}", "", caption(table).replace("*", r"\*"), "", *lines, ""]
    if sentence := level_sentence(table):
        text += [sentence, ""]
    for number, source in enumerate(sources, start=1):
        text.append(f"{number}. {source.source}: {source.measured}. {source.comparable}")
    return "\n".join([*text, ""] if sources else text)


def _bold(each: Cell) -> str:
    return f"**{each.value}**" if each.best else each.value


def _stars(each: Cell) -> str:
    return "".join(rf"\{star}" for star in each.mark)


def _bracketed(text: str) -> str:
    return f"({text})" if text else ""


def _spaced(*words: str) -> str:
    return " ".join(filter(None, words))


# --- LaTeX --------------------------------------------------------------------------------------------------


def latex(table: ScoreTable, sources: Sequence[Source] = ()) -> str:
    """Returns one benchmark as a LaTeX table: a line of means, below it the intervals, below it changes."""
    lines = []
    for line in table.lines:
        cells = [cell(table, line, column) for column in table.columns]
        means = (rf"\textbf{{{_tex(each.value)}}}" if each.best else _tex(each.value) for each in cells)
        lines.append(_row(_tex(line.name), *means))
        lines.append(_row("", *(_small(each.interval) for each in cells)))
        if line.changes:
            changes = (f"{_tex(each.change)}{_raised(each.mark)}" for each in cells)
            lines.append(_row(r"\quad difference", *changes))
            lines.append(_row("", *(_small(each.change_interval) for each in cells)))
    notes = []
    for number, source in enumerate(sources, start=1):
        lines.append(r"\midrule")
        for row in source.row:
            values = (_tex(published_text(table, row, column)) for column in table.columns)
            lines.append(_row(rf"\textit{{{_tex(row.model)}}}$^{{{number}}}$", *values))
        notes.append(f" Published, {number}: {source.source}; {source.measured}. {source.comparable}")
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table*}",
            rf"\caption{{{_tex(caption(table) + ''.join(notes))}}}",
            rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
            r"\toprule",
            _row("", *(_tex(column_name(column)) for column in table.columns)),
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table*}",
            "",
        ]
    )


def _row(*cells: str) -> str:
    return " & ".join(cells) + r" \\"


def _small(text: str) -> str:
    return rf"{{\scriptsize {_tex(text)}}}" if text else ""


def _raised(mark: str) -> str:
    return f"$^{{{mark}}}$" if mark else ""


def _tex(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in text)


# --- terminal -----------------------------------------------------------------------------------------------


def terminal(table: ScoreTable) -> list[str]:
    """Returns one benchmark for a terminal: a line per category, a column per evaluation and per change."""
    head = [""]
    columns = (OVERALL, *table.columns[:-1])
    rows = [[f"  {column}"] for column in columns]
    for line in table.lines:
        cells = [cell(table, line, column) for column in columns]
        head.append(line.name)
        for row, each in zip(rows, cells, strict=True):
            row.append(each.value)
        if line.changes:
            head.append("difference")
            for row, each in zip(rows, cells, strict=True):
                row.append(_spaced(each.change, _bracketed(each.change_interval)) + each.mark.ljust(2))
    grid = [head, *rows]
    widths = [max(len(row[place]) for row in grid) for place in range(len(head))]
    lines = [
        "  ".join(
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in grid
    ]
    return [f"{table.title}: {what(table)}", *lines, *filter(None, [level_sentence(table)]), ""]
