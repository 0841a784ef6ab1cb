"""The page of `tessera judge`: how right each scorer is, what choosing by it gains, where it errs most.

Reads judges.json, eval.jsonl and the pictures of the folder, and nothing else.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tessera.benchmarks.layout import JUDGES, RECORDS, picture_path
from tessera.report.images import data_uri
from tessera.report.judging_charts import (
    FEWEST,
    Overshoot,
    best_of_chart,
    overshoot_charts,
    reliability_chart,
)
from tessera.report.numbers import MISSING, interval, percent, plural
from tessera.report.theme import Series, render, series_of
from tessera.statistics.intervals import LEVEL, RESAMPLES, Estimate
from tessera.storage import read_jsonl
from tessera.types import EvalRecord

FEW = 4  # of which the best is told beside the best of all
LISTED_FACTS = 3  # failed facts written out below a picture
KINDS = {
    "liked": "wrong, and scored highest",
    "disliked": "right, and scored lowest",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One scorer (or bound) on one benchmark; what a bound does not have is a dash."""

    name: str
    bound: bool
    auc: Estimate
    pairs: Estimate
    pairs_strict: Estimate
    accuracy: Estimate
    ece: float
    best_few: Estimate  # of FEW; of 1 where no more than that were drawn
    best_all: Estimate
    ties: int | None
    missing: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One benchmark, ready for the template."""

    name: str
    series: Series
    prompts: int
    few: int
    most: int
    majority: float
    lines: tuple[Line, ...]
    categories: Mapping[str, tuple[Estimate, ...]]  # pair accuracy of each scorer
    agreement: Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A picture on which a scorer and the verifier disagree."""

    uri: str
    prompt: str
    place: str
    mark: str
    failed: tuple[str, ...]
    more_failed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ScorerPart:
    """What the page shows of one scorer."""

    name: str
    overlap: str
    best_of: Markup
    reliability: Markup
    ece: str
    disagreements: tuple[tuple[str, tuple[Card, ...]], ...]
    overshoot: Overshoot | None


def judging_page(folder: Path) -> str:
    """Returns the page as HTML."""
    judged = json.loads((folder / JUDGES).read_text(encoding="utf-8"))
    records = {
        (record.benchmark, record.prompt_id, record.sample): record
        for record in map(EvalRecord.from_json, read_jsonl(folder / RECORDS))
    }
    results = [_result(judged, name) for name in judged["benchmarks"]]
    return render(
        "judging.html",
        title="Judging the judges",
        reading=reading(results),
        results=results,
        scorers=[_scorer(folder, judged, name, records) for name in judged["scorers"]],
        names=list(judged["scorers"]),
        paste="\n".join(paste_lines(judged)),
        judged=judged,
        fewest=FEWEST,
        level=LEVEL,
        resamples=RESAMPLES,
        command=_command(folder),
    )


def reading(results: Sequence[Result]) -> str:
    """Returns the result in plain words: who tells right from wrong best, and what choosing by it gains."""
    sentences = []
    for result in results:
        judges = [line for line in result.lines if not line.bound and not math.isnan(line.auc.mean)]
        if not judges:
            continue
        best = max(judges, key=lambda line: line.auc.mean)
        blind, oracle = result.lines[0], result.lines[1]
        sentences.append(
            f"On {result.name}, {best.name} tells right from wrong best (AUC {best.auc.mean:.2f}): of "
            f"{result.most} pictures its choice is right in {percent(best.best_all.mean)} of cases, a "
            f"blind choice in {percent(blind.best_all.mean)}, the verifier’s own in "
            f"{percent(oracle.best_all.mean)}."
        )
    return " ".join(sentences) or "No scorer could judge anything, so there is no result."


def judging_lines(judged: Mapping[str, Any]) -> list[str]:
    """Returns the tables as lines for a terminal, then what to paste into a configuration."""
    lines: list[str] = []
    for result in (_result(judged, name) for name in judged["benchmarks"]):
        width = max(12, *(len(line.name) for line in result.lines)) + 2
        head = f"{'AUC':>6}{'pairs':>8}{'strict pairs':>14}{'accuracy':>10}{'ECE':>7}"
        head += f"{f'best of {result.few}':>12}{f'best of {result.most}':>13}{'interval':>13}"
        head += f"{'ties':>6}{'missing':>9}"
        lines += [f"{result.name}: {plural(result.prompts, 'prompt')}", f"{'':<{width}}{head}"]
        for line in result.lines:
            cells = (
                f"{_number(line.auc.mean):>6}{_share(line.pairs.mean):>8}{_share(line.pairs_strict.mean):>14}"
                f"{_share(line.accuracy.mean):>10}{_number(line.ece):>7}{_share(line.best_few.mean):>12}"
                f"{_share(line.best_all.mean):>13}{interval(line.best_all, 1):>13}"
                f"{_count(line.ties):>6}{_count(line.missing):>9}"
            )
            lines.append(f"  {line.name:<{width - 2}}{cells}")
        lines.append("")
    overlaps = [row["overlap"] for row in judged["scorers"].values() if row["overlap"]]
    lines += [*dict.fromkeys(overlaps), *([""] if overlaps else [])]
    return [
        *lines,
        "For an ensemble (--config FILE.toml), scorers in standard deviations:",
        *paste_lines(judged),
        "",
    ]


def paste_lines(judged: Mapping[str, Any]) -> list[str]:
    """Returns the TOML of an ensemble of all judged scorers that vary, calibrated on the training split."""
    lines = ["[reward]", 'kind = "ensemble"']
    for row in judged["scorers"].values():
        mean, std = row["reference"]["mean"], row["reference"]["std"]
        if std:
            named = ", ".join(f"{k} = {json.dumps(v)}" for k, v in row["settings"].items() if v is not None)
            lines += [
                "[[reward.parts]]",
                f"scorer = {{{named}}}",
                f'how = {{calibration = "zscore", reference = [{mean:.4g}, {std:.4g}]}}',
            ]
    return lines


# --- from the files -----------------------------------------------------------------------------------------


def _result(judged: Mapping[str, Any], benchmark: str) -> Result:
    rows = {name: row["benchmarks"][benchmark] for name, row in judged["scorers"].items()}
    first = next(iter(rows.values()))
    most = judged["best_of"]
    few = FEW if most > FEW else 1
    bounds = [_bound(name, row, few) for name, row in judged["bounds"][benchmark].items()]
    lines = [
        _line(name, row, few, bound=bool(judged["scorers"][name]["overlap"])) for name, row in rows.items()
    ]
    return Result(
        name=benchmark,
        series=series_of(benchmark),
        prompts=first["prompts"],
        few=few,
        most=most,
        majority=first["majority"],
        lines=(*bounds, *lines),
        categories={
            category: tuple(Estimate.from_json(row["pairs"]["categories"][category]) for row in rows.values())
            for category in first["pairs"]["categories"]
        },
        agreement={
            one: tuple(None if one == two else others[two] for two in rows)
            for one, others in judged["agreement"][benchmark].items()
        },
    )


def _line(name: str, row: Mapping[str, Any], few: int, *, bound: bool) -> Line:
    strict = row["best_of"]["strict"]
    return Line(
        name=name,
        bound=bound,
        auc=Estimate.from_json(row["auc"]["overall"]),
        pairs=Estimate.from_json(row["pairs"]["overall"]),
        pairs_strict=Estimate.from_json(row["pairs_strict"]["overall"]),
        accuracy=Estimate.from_json(row["accuracy"]["overall"]),
        ece=math.nan if row["ece"] is None else float(row["ece"]),
        best_few=Estimate.from_json(strict[few - 1]),
        best_all=Estimate.from_json(strict[-1]),
        ties=row["ties"],
        missing=row["missing"],
    )


def _bound(name: str, curves: Mapping[str, Any], few: int) -> Line:
    unknown = Estimate(math.nan, math.nan, math.nan, 0)
    return Line(
        name=name,
        bound=True,
        auc=unknown,
        pairs=unknown,
        pairs_strict=unknown,
        accuracy=unknown,
        ece=math.nan,
        best_few=Estimate.from_json(curves["strict"][few - 1]),
        best_all=Estimate.from_json(curves["strict"][-1]),
        ties=None,
        missing=None,
    )


def _scorer(
    folder: Path, judged: Mapping[str, Any], name: str, records: Mapping[tuple[str, str, int], EvalRecord]
) -> ScorerPart:
    row = judged["scorers"][name]
    eces = [(benchmark, result["ece"]) for benchmark, result in row["benchmarks"].items()]
    trained = row.get("over_optimised")
    return ScorerPart(
        name=name,
        overlap=row["overlap"],
        best_of=best_of_chart(
            {each: result["best_of"]["strict"] for each, result in row["benchmarks"].items()},
            {each: {b: c["strict"] for b, c in curves.items()} for each, curves in judged["bounds"].items()},
            name,
        ),
        reliability=reliability_chart(
            {each: result["reliability"] for each, result in row["benchmarks"].items()}, name
        ),
        ece=", ".join(f"{_number(math.nan if ece is None else ece)} on {each}" for each, ece in eces),
        disagreements=tuple(
            (KINDS[kind], cards)
            for kind, rows in row["disagreements"].items()
            if (cards := tuple(_card(folder, each, records) for each in rows))
        ),
        overshoot=overshoot_charts(trained, name) if trained else None,
    )


def _card(folder: Path, row: Mapping[str, Any], records: Mapping[tuple[str, str, int], EvalRecord]) -> Card:
    record = records[row["benchmark"], row["prompt_id"], row["sample"]]
    failed = [fact.text for fact in record.grade.facts if not fact.holds]
    return Card(
        uri=data_uri(folder / picture_path(record)),
        prompt=record.prompt,
        place=f"{row['score']:.3g}: above {percent(row['above'])} of {row['benchmark']}",
        mark="right" if record.grade.strict >= 1 else "wrong",
        failed=tuple(failed[:LISTED_FACTS]),
        more_failed=max(len(failed) - LISTED_FACTS, 0),
    )


def _command(folder: Path) -> str:
    path = folder / "config.json"
    return json.loads(path.read_text(encoding="utf-8")).get("command", "") if path.is_file() else ""


def _number(value: float) -> str:
    return MISSING if math.isnan(value) else f"{value:.2f}"


def _share(value: float) -> str:
    return MISSING if math.isnan(value) else f"{100 * value:.1f}"


def _count(value: int | None) -> str:
    return MISSING if value is None else str(value)
