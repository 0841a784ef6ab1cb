"""The tables of a study: every number is one of results.json, or a mean of some over seeds.

Intervals come from `effects.level`. A table is made once, as text, and written as HTML, Markdown and LaTeX.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tessera.report.numbers import MISSING, NARROW_SPACE, interval
from tessera.report.study.budget import kept
from tessera.report.study.effects import level
from tessera.report.study.names import COST_NAMES, arm_names, category_name, cost_text, points
from tessera.report.study.read import Study
from tessera.report.study.rows import COSTS, OVERALL, Row
from tessera.report.study.verdicts import Verdict
from tessera.statistics.intervals import Estimate

LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "→": r"$\rightarrow$",
    "’": "'",
    NARROW_SPACE: r"\,",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Cells as text; the first column names the row."""

    name: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Returns the table as Markdown."""
        lines = [self.head, ("---", *["---:"] * (len(self.head) - 1)), *self.rows]
        body = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
        return f"{self.caption}\n\n{body}\n"

    def latex(self) -> str:
        """Returns the table as LaTeX, with the rules of the package booktabs."""
        lines = [" & ".join(map(_escaped, line)) + r" \\" for line in (self.head, *self.rows)]
        return "\n".join(
            [
                "% needs \\usepackage{booktabs}",
                r"\begin{table}",
                rf"\caption{{{_escaped(self.caption)}}}",
                rf"\begin{{tabular}}{{l{'r' * (len(self.head) - 1)}}}",
                r"\toprule",
                lines[0],
                r"\midrule",
                *lines[1:],
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
                "",
            ]
        )


def score_table(study: Study, experiment: str) -> Table:
    """Returns the arms of an experiment with their overall scores and what they gained on the base."""
    arms, base = study.arms(experiment), study.base(experiment)
    benchmarks, names = study.benchmarks(experiment), arm_names(study.arms(experiment))
    rows = []
    for arm in arms:
        cells = [names[arm], str(len(study.cells_of(arm))) if arm.trained else MISSING]
        for benchmark in benchmarks:
            cells.append(score_text(level(study, arm, benchmark)))
            if base is not None:
                gain = study.mean(arm, benchmark) - study.mean(base, benchmark)
                cells.append(points(gain) if arm.trained else MISSING)
            cells.append(_percent(study.mean(arm, benchmark, score="soft")))
        rows.append((*cells, cost_text("kl", study.cost(arm)["kl"])))
    gain = ("gain",) if base is not None else ()
    columns = [
        column for name in benchmarks for column in (name, *(f"{name} {g}" for g in gain), f"{name} soft")
    ]
    return Table(
        name=f"{experiment}-scores",
        caption=f"{experiment}: right pictures in percent with 95 % intervals, points gained on the base, "
        "and single facts in percent (soft)",
        head=("arm", "seeds", *columns, "final KL"),
        rows=tuple(rows),
    )


def category_table(study: Study, experiment: str, benchmark: str) -> Table:
    """Returns the strict score of each category, a column per arm."""
    arms = study.arms(experiment)
    names = arm_names(arms)
    categories = categories_of(study, experiment, benchmark)
    return Table(
        name=f"{experiment}-{benchmark}-categories",
        caption=f"{experiment}: right pictures of {benchmark} in percent, by category",
        head=("category", *(names[arm] for arm in arms)),
        rows=tuple(
            (category_name(category), *(_percent(study.mean(arm, benchmark, category)) for arm in arms))
            for category in (*categories, OVERALL)
        ),
    )


def ledger_table(study: Study, experiment: str) -> Table:
    """Returns what each arm used up, as a mean over its seeds; what no ledger has has no column."""
    arms = [arm for arm in study.arms(experiment) if arm.trained]
    names = arm_names(arms)
    costs = {arm: study.cost(arm) for arm in arms}
    shown = [name for name in COSTS if not all(math.isnan(costs[arm][name]) for arm in arms)]
    return Table(
        name=f"{experiment}-ledger",
        caption=" ".join(
            (f"{experiment}: what one run of each arm used up, mean over seeds.", kept(study, experiment))
        ).strip(),
        head=("arm", *(COST_NAMES[name] for name in shown)),
        rows=tuple((names[arm], *(cost_text(name, costs[arm][name]) for name in shown)) for arm in arms),
    )


def best_of_table(study: Study, experiment: str) -> Table | None:
    """Returns what choosing by each reward gains on the base's pictures; None if nothing was chosen."""
    chosen = [row for row in study.rows if row.arm.experiment == experiment and row.best_of > 1]
    chosen = [row for row in chosen if (row.category, row.score) == (OVERALL, "strict")]
    chosen = [row for row in chosen if not row.arm.trained]  # inference.py has the others
    if not chosen:
        return None
    benchmarks = tuple(dict.fromkeys(row.benchmark for row in chosen))
    by_chooser: dict[tuple[str, int], dict[str, Row]] = {}
    for row in chosen:
        by_chooser.setdefault((row.arm.reward, row.best_of), {})[row.benchmark] = row
    base = study.base(experiment)
    blind = (
        [("one picture", "1", *(score_text(level(study, base, name)) for name in benchmarks))] if base else []
    )
    rows = [
        (
            reward,
            str(size),
            *(score_text(found[name].estimate) if name in found else MISSING for name in benchmarks),
        )
        for (reward, size), found in by_chooser.items()
    ]
    return Table(
        name=f"{experiment}-best-of",
        caption=f"{experiment}: right pictures in percent where each reward takes one of n of the base’s",
        head=("chosen by", "n", *benchmarks),
        rows=(*blind, *rows),
    )


def verdict_table(found: Sequence[Verdict]) -> Table:
    """Returns all verdicts."""
    return Table(
        name="verdicts",
        caption="Claims, and what this study says of them; p is adjusted for the claims of a group (Holm)",
        head=("claim", "verdict here", "effect", "95 % interval", "p", "rests on", "published"),
        rows=tuple(
            (
                verdict.claim.statement,
                verdict.word,
                effect_text(verdict, verdict.value),
                f"{effect_text(verdict, verdict.low)} to {effect_text(verdict, verdict.high)}",
                p_text(verdict.p_holm),
                verdict.rests_on,
                verdict.claim.published or "no number known",
            )
            for verdict in found
        ),
    )


def effect_text(verdict: Verdict, value: float) -> str:
    """Returns a number in the unit of the verdict."""
    if verdict.unit != "correlation":
        return points(value)
    return MISSING if math.isnan(value) else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def p_text(p: float) -> str:
    """Returns a p-value as it is read."""
    if math.isnan(p):
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def categories_of(study: Study, experiment: str, benchmark: str) -> tuple[str, ...]:
    """Returns the categories of a benchmark in the order of the file."""
    found = dict.fromkeys(
        row.category
        for row in study.rows
        if (row.arm.experiment, row.benchmark) == (experiment, benchmark) and row.category != OVERALL
    )
    return tuple(found)


def score_text(estimate: Estimate) -> str:
    """Returns e.g. "51.2 (49.1–53.3)"."""
    reach = interval(estimate, 1)
    return f"{_percent(estimate.mean)} ({reach})" if reach else _percent(estimate.mean)


def _percent(share: float) -> str:
    return MISSING if math.isnan(share) else f"{100 * share:.1f}"


def _escaped(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in text)
