"""Evaluation folders of benchmarks of the field, with grades that a test chooses."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tessera.benchmarks.layout import SUMMARY, picture_path, read_summary
from tessera.report.evaluation.read import of_benchmark
from tessera.report.evaluation.result import BenchmarkResult, result_of
from tessera.storage import write_json, write_png
from tessera.types import EvalRecord, Fact, Grade
from tests.unit.report.conftest import write_records
from tests.unit.report.test_evaluation import Page

NAN = math.nan


def record(
    strict: float,
    number: int = 0,
    *,
    benchmark: str = "geneval",
    category: str = "counting",
    sample: int = 0,
    soft: float | None = None,
    facts: Sequence[tuple[str, bool]] = (),
    reason: str = "",
) -> EvalRecord:
    """Returns a graded picture of the prompt of that number, with a place of its own."""
    name = f"{category}-{number}"
    return EvalRecord(
        benchmark=benchmark,
        category=category,
        prompt_id=f"{category}/{number}",
        prompt=f"prompt {name}",
        sample=sample,
        seed=0,
        grade=Grade(
            strict=float(strict),
            soft=float(strict if soft is None else soft),
            facts=tuple(Fact(kind="include", text=text, holds=holds) for text, holds in facts),
            reason=reason,
        ),
        tokens=(),
        picture=f"{benchmark}/{name}/{sample}.png",
    )


def write_field(
    folder: Path,
    records: list[EvalRecord],
    official: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    pictures: bool = False,
) -> dict[str, Any]:
    """Writes an eval folder with official numbers by benchmark; returns its summary."""
    write_records(folder, records)
    summary = read_summary(folder)
    for name, told in (official or {}).items():
        summary[name]["official"] = told
    write_json(folder / SUMMARY, summary)
    rng = np.random.default_rng(0)
    for each in records if pictures else ():
        image_HWC = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        write_png(folder / picture_path(each), image_HWC.repeat(32, axis=0).repeat(32, axis=1))
    return read_summary(folder)


def results_of(summary: Mapping[str, Any], records: Sequence[EvalRecord]) -> list[BenchmarkResult]:
    """Returns the results of all benchmarks of a summary."""
    return [result_of(name, summary[name], of_benchmark(records, name)) for name in summary]


def text_of(page: str) -> str:
    """Returns what a well-formed page says, with plain spaces."""
    read = Page(page)
    assert read.misnested == []
    return " ".join(" ".join(read.text).split())
