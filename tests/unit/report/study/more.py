"""What a study folder can have beside its rows: judges' scores, choices among several pictures, looks."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tessera.benchmarks.best_of import best_of
from tessera.benchmarks.candidates import Table, key
from tessera.benchmarks.layout import RECORDS, SCORES, picture_path
from tessera.report.study.read import RESULTS
from tessera.storage import read_jsonl, write_json, write_lines, write_png
from tessera.types import EvalRecord
from tests.unit.report.study.conftest import BENCHMARKS, CATEGORIES

Row = Mapping[str, Any]
Scoring = Callable[[Row, EvalRecord], float | None]


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Returns the rows of the results."""
    return json.loads((folder / RESULTS).read_text())


def records_in(folder: Path) -> list[EvalRecord]:
    """Returns the graded pictures of an evaluation."""
    return [EvalRecord.from_json(row) for row in read_jsonl(folder / RECORDS)]


def add_scores(folder: Path, judge: str, scoring: Scoring) -> None:
    """Has a judge score the pictures of the base and of the arms that were trained on it."""
    rows = rows_of(folder)
    for row in rows:
        if row["best_of"] == 1 and row["reward"] in ("", judge):
            name = f"stages/score-{judge}-{Path(row['eval']).name}"
            row.setdefault("scores", {})[judge] = name
            if not (folder / name).exists():
                (folder / name).mkdir()
                records = records_in(folder / row["eval"])
                lines = [_line(each, judge, scoring(row, each)) for each in records]
                write_lines(folder / name / SCORES, lines)
    write_json(folder / RESULTS, rows)


def add_best_of(folder: Path, count: int, chooser: str, better: float, *, trained: bool = True) -> None:
    """Draws more pictures of base and arms; `better` is how often the chooser sees that one is right."""
    rows = rows_of(folder)
    cells: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["best_of"] == 1 and (trained or row["arm"] == "base"):
            cells.setdefault(row["eval"], row)
    for name, row in cells.items():
        first = records_in(folder / name)
        pictures = 1 + max(each.sample for each in first)  # of a prompt; candidates lie so far apart
        drawn = [_drawn(each, number, pictures, name) for each in first for number in range(count)]
        best = f"stages/best-{chooser}-{Path(name).name}"
        values = {key(each): {chooser: _liking(each, name, better)} for each in drawn}
        (folder / best).mkdir()
        write_lines(folder / best / RECORDS, [each.to_json() for each in drawn])
        lines = [_line(each, chooser, values[key(each)][chooser]) for each in drawn]
        write_lines(folder / best / SCORES, lines)
        for each in drawn:
            if each.prompt_id.endswith("/0") and each.sample == 0:
                write_png(folder / best / picture_path(each), np.full((4, 4, 3), 90, np.uint8))
        rows += _chosen_rows(row, drawn, values, count, chooser, best)
    write_json(folder / RESULTS, rows)


def _drawn(record: EvalRecord, number: int, pictures: int, name: str) -> EvalRecord:
    """Returns a candidate: the first is the picture itself, the others are right half the time."""
    if number == 0:
        return record
    right = float(random.Random(f"{name} {record.prompt_id} {record.sample} {number}").random() < 0.5)
    grade = replace(record.grade, strict=right, soft=max(right, 0.5))
    return replace(record, sample=number * pictures + record.sample, grade=grade)


def _liking(record: EvalRecord, name: str, better: float) -> float:
    rng = random.Random(f"{name} {record.benchmark} {record.prompt_id} {record.sample} liking")
    return rng.random() + (1.0 if record.grade.strict and rng.random() < better else 0.0)


def _chosen_rows(
    row: Row,
    drawn: list[EvalRecord],
    values: Mapping[tuple[str, str, int], dict[str, float]],
    count: int,
    chooser: str,
    folder: str,
) -> list[dict[str, Any]]:
    made = []
    for benchmark in BENCHMARKS:
        mine = [each for each in drawn if each.benchmark == benchmark]
        grouped = tuple(tuple(mine[at : at + count]) for at in range(0, len(mine), count))
        table = Table(benchmark=benchmark, categories=CATEGORIES, rows=grouped)
        for name, result in best_of(table, dict(values), [chooser], {}).items():
            last = result["sizes"][-1]
            for category, mean in {
                "overall": last["strict"]["overall"],
                **last["strict"]["categories"],
            }.items():
                numbers = {end: mean[end] for end in ("mean", "ci_low", "ci_high")}
                made.append(
                    {
                        **row,
                        "reward": row["reward"] or name,
                        "setting": f"best-of-{count}",
                        "benchmark": benchmark,
                        "category": category,
                        "score": "strict",
                        "best_of": count,
                        "chooser": name,
                        "eval": folder,
                        "kl": None,
                        "n_prompts": mean["n"],
                        **numbers,
                    }
                )
    return made


def add_looks(folder: Path, row: Row, judge: str, looks: list[tuple[int, float, float, float]]) -> None:
    """Gives a run measurements of (step, KL, judge, verifier), equal on all benchmarks."""
    run = folder / row["run"]
    run.mkdir(parents=True)
    write_json(run / "config.json", {})
    lines = []
    for step, kl, score, right in looks:
        found = {"strict": _estimate(right), "kl": _estimate(kl), judge: _estimate(score)}
        lines.append({"step": step, **dict.fromkeys(BENCHMARKS, found)})
    write_lines(run / "held_out.jsonl", lines)
    write_lines(run / "metrics.jsonl", [{"step": step, "reward": score} for step, _, score, _ in looks])


def _estimate(mean: float) -> dict[str, float]:
    return {"mean": mean, "ci_low": mean - 0.01, "ci_high": mean + 0.01, "n": 60}


def _line(record: EvalRecord, scorer: str, value: float | None) -> dict[str, Any]:
    return {
        "benchmark": record.benchmark,
        "prompt_id": record.prompt_id,
        "sample": record.sample,
        "values": {scorer: value},
        "reasons": {} if value is not None else {scorer: "it could not say"},
    }
