"""Several candidates for each picture: scored on disk, and arranged so that one of them can be chosen.

An eval folder keeps every candidate, so scorers and n are chosen afterwards, without drawing again.
`scorers.json` has the digest of each scorer, `scores.jsonl` a line per candidate:
{"benchmark", "prompt_id", "sample", "values": {scorer: number or null}, "reasons": {scorer: why it is null}}.

Axes: P pictures to be made (each of one prompt), G candidates of each.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray
from PIL import Image

from tessera.benchmarks.layout import RECORDS, SCORERS, SCORES, picture_path
from tessera.benchmarks.runner import EvalConfig, evaluate
from tessera.errors import UserError
from tessera.protocols import Benchmark, Policy, Scorer
from tessera.rewards.ask import checked
from tessera.statistics.intervals import estimate, overall_estimate, prompt_means
from tessera.storage import append_jsonl, cut_jsonl, read_jsonl, write_json, write_lines
from tessera.types import EvalRecord, Progress, Prompt, silent

CHUNK = 64  # pictures scored between two writes

Key = tuple[str, str, int]  # benchmark, prompt, sample
Values = dict[Key, dict[str, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """The candidates of one benchmark, those of a picture side by side."""

    benchmark: str
    categories: tuple[str, ...]  # in the order of the tables
    rows: tuple[tuple[EvalRecord, ...], ...]  # P x G

    @property
    def strict(self) -> Float64[ndarray, "P G"]:
        """The exact verdicts."""
        return np.array([[record.grade.strict for record in row] for row in self.rows], dtype=np.float64)

    @property
    def soft(self) -> Float64[ndarray, "P G"]:
        """The shares of facts that hold."""
        return np.array([[record.grade.soft for record in row] for row in self.rows], dtype=np.float64)

    def scores(self, values: Values, scorer: str) -> Float64[ndarray, "P G"]:
        """Returns what a scorer says of the candidates."""
        return np.array([[values[key(record)][scorer] for record in row] for row in self.rows])

    def in_category(self, category: str) -> ndarray:
        """Returns which rows are of the category."""
        return np.array([row[0].category == category for row in self.rows])

    def estimates(self, value_P: Float64[ndarray, " P"]) -> dict[str, Any]:
        """Returns {"overall", "categories"}: means over prompts with intervals, as in the summary."""
        means = {}
        for category in self.categories:
            mine = np.flatnonzero(self.in_category(category)).tolist()
            ids = [self.rows[place][0].prompt_id for place in mine]
            means[category] = prompt_means(ids, value_P[mine].tolist())
        return {
            "overall": overall_estimate(list(means.values())).to_json(),
            "categories": {name: estimate(mean_P).to_json() for name, mean_P in means.items()},
        }


def key(record: EvalRecord) -> Key:
    """Returns what names a candidate in a folder."""
    return record.benchmark, record.prompt_id, record.sample


def arrange(
    records: Sequence[EvalRecord], benchmarks: Sequence[Benchmark], settings: EvalConfig, candidates: int
) -> list[Table]:
    """Returns the candidates of each benchmark; the folder may hold more of them than are asked for."""
    found = {key(record): record for record in records}
    tables = []
    for benchmark in benchmarks:
        rows = tuple(
            tuple(
                found[benchmark.name, prompt.id, candidate * settings.samples_of(benchmark) + picture]
                for candidate in range(candidates)
            )
            for prompt in benchmark.prompts(settings.prompts_per_category)
            for picture in range(settings.samples_of(benchmark))
        )
        tables.append(Table(benchmark=benchmark.name, categories=tuple(benchmark.categories), rows=rows))
    return tables


def drawn_and_scored(
    folder: Path,
    policy: Policy,
    benchmarks: Sequence[Benchmark],
    settings: EvalConfig,
    candidates: int,
    scorers: Sequence[Scorer],
    batch_size: int,
    on_progress: Progress = silent,
) -> tuple[list[Table], Values]:
    """Returns the candidates of each benchmark and what the scorers say; makes what the folder lacks."""
    evaluate(
        policy,
        benchmarks,
        settings,
        folder,
        batch_size=batch_size,
        candidates=candidates,
        on_progress=on_progress,
    )
    return scored_tables(folder, benchmarks, settings, candidates, scorers, on_progress=on_progress)


def scored_tables(
    folder: Path,
    benchmarks: Sequence[Benchmark],
    settings: EvalConfig,
    candidates: int,
    scorers: Sequence[Scorer],
    *,
    on_progress: Progress = silent,
) -> tuple[list[Table], Values]:
    """Returns the stored candidates of each benchmark and what the scorers say of them."""
    records = [EvalRecord.from_json(row) for row in read_jsonl(folder / RECORDS)]
    tables = arrange(records, benchmarks, settings, candidates)
    prompts = {each.name: each.prompts(settings.prompts_per_category) for each in benchmarks}
    return tables, score_candidates(folder, tables, prompts, scorers, on_progress=on_progress)


def score_candidates(
    folder: Path,
    tables: Sequence[Table],
    prompts: Mapping[str, Sequence[Prompt]],
    scorers: Sequence[Scorer],
    *,
    on_progress: Progress = silent,
) -> Values:
    """Returns what the scorers say of the candidates; what the folder knows already is not asked again.

    `prompts` are those of each benchmark. A scorer whose digest has changed is another instrument: what it
    said before is dropped.
    """
    known = _read_scores(folder, scorers)
    by_id = {(name, prompt.id): prompt for name, listed in prompts.items() for prompt in listed}
    records = [record for table in tables for row in table.rows for record in row]
    asked = 0
    for scorer in scorers:
        wanted = [record for record in records if scorer.name not in known.get(key(record), {})]
        on_progress(f"scoring: {scorer.name}", len(records) - len(wanted), len(records))
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            named = [by_id[record.benchmark, record.prompt_id] for record in chunk]
            images_BHWC = np.stack([_picture(folder, record) for record in chunk])
            scores = checked(scorer.score(named, images_BHWC), scorer.name, named)
            lines = []
            for record, value, reason in zip(chunk, scores.value_B.tolist(), scores.reasons, strict=True):
                known.setdefault(key(record), {})[scorer.name] = value
                lines.append(_line(key(record), {scorer.name: value}, {scorer.name: reason}))
            append_jsonl(folder / SCORES, lines)
            asked += len(chunk)
            done = len(records) - len(wanted) + start + len(chunk)
            on_progress(f"scoring: {scorer.name}", done, len(records))
    if asked:
        _one_line_each(folder / SCORES)
    return known


def _picture(folder: Path, record: EvalRecord) -> UInt8[ndarray, "H W 3"]:
    path = folder / picture_path(record)
    if not path.is_file():
        raise UserError(
            f"{path} is missing, so its candidate cannot be scored. Put it back, or evaluate again "
            "into another --out"
        )
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _line(candidate: Key, values: Mapping[str, float], reasons: Mapping[str, str]) -> dict[str, Any]:
    benchmark, prompt_id, sample = candidate
    missing = {name: reasons.get(name, "") for name, value in values.items() if math.isnan(value)}
    return {
        "benchmark": benchmark,
        "prompt_id": prompt_id,
        "sample": sample,
        "values": dict(values),
        "reasons": missing,
    }


def _read_scores(folder: Path, scorers: Sequence[Scorer]) -> Values:
    """Returns the scores on disk, after dropping those of scorers that have changed."""
    path = folder / SCORERS
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    now = {scorer.name: scorer.digest() for scorer in scorers}
    changed = {name for name, digest in now.items() if before.get(name, digest) != digest}
    cut_jsonl(folder / SCORES, lambda row: not changed.issuperset(row["values"]))
    rows = list(read_jsonl(folder / SCORES))
    if any(changed.intersection(row["values"]) for row in rows):
        for row in rows:
            for name in changed:
                row["values"].pop(name, None)
                row["reasons"].pop(name, None)
        write_lines(folder / SCORES, rows)
    write_json(path, {**before, **now})
    known: Values = {}
    for row in rows:
        values = known.setdefault((row["benchmark"], row["prompt_id"], row["sample"]), {})
        values |= {name: math.nan if value is None else float(value) for name, value in row["values"].items()}
    return known


def _one_line_each(path: Path) -> None:
    """Rewrites the scores with one line per candidate, in the order in which candidates were first scored."""
    merged: dict[Key, dict[str, Any]] = {}
    for row in read_jsonl(path):
        place = row["benchmark"], row["prompt_id"], row["sample"]
        line = merged.setdefault(place, {**row, "values": {}, "reasons": {}})
        line["values"] |= row["values"]
        line["reasons"] |= row["reasons"]
    write_lines(path, merged.values())
