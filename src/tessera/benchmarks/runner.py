"""Runs benchmarks on a policy: sample, decode, grade, write; resumable at any picture."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

from tessera.benchmarks.layout import RECORDS, SUMMARY, picture_path
from tessera.benchmarks.observed import Workers, evaluate_observed, write_official
from tessera.benchmarks.summary import summarise
from tessera.config import config
from tessera.protocols import Benchmark, Observed, Policy
from tessera.sampling.sampler import Request, sample_batches
from tessera.storage import append_jsonl, drop_torn_line, read_jsonl, write_json, write_lines, write_png
from tessera.types import EvalRecord, Progress, Prompt, View, silent

ALONE = Workers()


@config
class EvalConfig:
    """How much to measure, and under which view."""

    view: View
    prompts_per_category: int | None = None  # unset: as many as the published numbers are made of
    samples_per_prompt: int | None = None  # likewise
    seed: int = 0

    def samples_of(self, benchmark: Benchmark) -> int:
        """Returns how many pictures of each of the benchmark's prompts are measured."""
        return benchmark.samples if self.samples_per_prompt is None else self.samples_per_prompt


def evaluate(
    policy: Policy,
    benchmarks: Sequence[Benchmark],
    settings: EvalConfig,
    folder: Path,
    *,
    batch_size: int,
    candidates: int = 1,
    workers: Workers = ALONE,
    on_progress: Progress = silent,
) -> tuple[dict[str, Any], dict[str, float]]:
    """Writes `eval.jsonl`, the pictures and `summary.json`; returns (summary, timing).

    Records that the folder holds already are kept. A picture is written before its record, so a record
    means a whole picture; and as rollouts depend on nothing but their seeds, a resumed run ends with the
    same bytes.

    With several candidates, each picture is drawn so many times, to be chosen from afterwards: candidate j of
    picture s is sample j * (pictures per prompt) + s, so the first n are the same whatever their number. The
    summary is of them all; official numbers are of the first.

    A benchmark of the field draws and looks into a folder of its own (observed.py), where `workers` says.
    """
    drop_torn_line(folder / RECORDS)
    done = [EvalRecord.from_json(row) for row in read_jsonl(folder / RECORDS)]
    official: dict[str, dict[str, Any]] = {}
    finished = {(record.benchmark, record.prompt_id, record.sample) for record in done}
    digest, start, made = policy.digest(), time.perf_counter(), 0
    for benchmark in benchmarks:
        prompts = benchmark.prompts(settings.prompts_per_category)
        samples = settings.samples_of(benchmark)
        per_prompt = samples * candidates
        if isinstance(benchmark, Observed):
            kept: dict[str, int] = {}
            records, graded = evaluate_observed(
                folder,
                benchmark,
                policy,
                prompts,
                per_prompt,
                settings.view,
                seed=settings.seed,
                batch_size=batch_size,
                workers=workers,
                on_progress=_noting(kept, on_progress),
            )
            first = [each for each in graded if each.sample < samples]
            official[benchmark.name] = write_official(folder / benchmark.name, benchmark, first)
            done = [record for record in done if record.benchmark != benchmark.name] + records
            write_lines(folder / RECORDS, (record.to_json() for record in done))
            made += len(records) - min(kept.values())  # those that neither drawing nor grading had to touch
            continue
        wanted = [
            Request(prompt.text, sample)
            for prompt in prompts
            for sample in range(per_prompt)
            if (benchmark.name, prompt.id, sample) not in finished
        ]
        total = len(prompts) * per_prompt
        left = len(wanted)
        on_progress(benchmark.name, total - left, total)
        batches = graded_batches(
            policy,
            benchmark,
            prompts,
            wanted,
            settings.view,
            seed=settings.seed,
            batch_size=batch_size,
            policy_digest=digest,
        )
        for records, images_BHWC in batches:
            for record, image_HWC in zip(records, images_BHWC, strict=True):
                write_png(folder / picture_path(record), image_HWC)
            append_jsonl(folder / RECORDS, [record.to_json() for record in records])
            done += records
            made += len(records)
            left -= len(records)
            on_progress(benchmark.name, total - left, total)
    most = {each.name: settings.samples_of(each) * candidates for each in benchmarks}
    asked = [record for record in done if record.sample < most.get(record.benchmark, 0)]
    summary = summarise(asked, {benchmark.name: benchmark.categories for benchmark in benchmarks})
    for name, counted in official.items():
        summary[name]["official"] = counted
    write_json(folder / SUMMARY, summary)
    seconds = time.perf_counter() - start
    return summary, {"seconds": round(seconds, 2), "images_per_second": round(made / seconds, 1)}


def _noting(kept: dict[str, int], on_progress: Progress) -> Progress:
    """Returns who hears of progress and notes, of each kind of work, how much was there when it began."""

    def hear(what: str, done: int, total: int, note: str = "") -> None:
        kept.setdefault(what, done)
        on_progress(what, done, total, note)

    return hear


def graded_batches(
    policy: Policy,
    benchmark: Benchmark,
    prompts: Sequence[Prompt],
    wanted: Sequence[Request],
    view: View,
    *,
    seed: int,
    batch_size: int,
    policy_digest: str,
) -> Iterator[tuple[list[EvalRecord], UInt8[ndarray, "B H W 3"]]]:
    """Yields the records and pictures of the requests, batch by batch; `prompts` holds those they name."""
    by_text = {prompt.text: prompt for prompt in prompts}
    batches = sample_batches(
        policy, wanted, view, seed=seed, batch_size=batch_size, policy_digest=policy_digest
    )
    for rollouts in batches:
        images_BHWC = policy.decode(rollouts.tokens)
        graded = [by_text[text] for text in rollouts.prompts]
        grades = benchmark.grade(graded, images_BHWC)
        rows = zip(graded, rollouts.samples, rollouts.seeds, grades, rollouts.tokens, strict=True)
        records = [
            EvalRecord(
                benchmark=benchmark.name,
                category=prompt.category,
                prompt_id=prompt.id,
                prompt=prompt.text,
                sample=sample,
                seed=sample_seed,
                grade=grade,
                tokens=tuple(tokens.tolist()),
            )
            for prompt, sample, sample_seed, grade, tokens in rows
        ]
        yield records, images_BHWC
