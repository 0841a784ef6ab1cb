"""A benchmark of the field from prompts to verdicts: draw, look, judge, write what its official tool writes.

Everything lies in a folder of its own, whose layout is the official one, so the official scripts run on it:
pictures, `drawn.jsonl` (drawing.py), the evidence (looking.py) and the official result files.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tessera.benchmarks.drawing import draw
from tessera.benchmarks.graded import Graded
from tessera.benchmarks.looking import look
from tessera.protocols import Observed, Policy
from tessera.storage import write_atomic
from tessera.types import EvalRecord, Progress, Prompt, View, silent


@dataclass(frozen=True, kw_only=True, slots=True)
class Workers:
    """Who draws and looks: this process alone, or several that open policy and benchmarks for themselves."""

    processes: int = 1
    policy: Callable[[int], Policy] | None = None  # by the number of the process
    benchmark: Callable[[str, int], Observed] | None = None  # by name and number


def evaluate_observed(
    folder: Path,
    benchmark: Observed,
    policy: Policy,
    prompts: Sequence[Prompt],
    samples: int,
    view: View,
    *,
    seed: int,
    batch_size: int,
    workers: Workers,
    on_progress: Progress = silent,
) -> tuple[list[EvalRecord], list[Graded]]:
    """Returns the record and the verdict of every picture, prompt by prompt."""
    home = folder / benchmark.name
    home.mkdir(exist_ok=True)
    rows = draw(
        home,
        benchmark,
        prompts,
        samples,
        view,
        seed=seed,
        batch_size=batch_size,
        policy=workers.policy if workers.policy and workers.processes > 1 else lambda _: policy,
        processes=workers.processes if workers.policy else 1,
        on_progress=on_progress,
    )
    by_id = {prompt.id: prompt for prompt in prompts}
    graded = look(
        home,
        benchmark,
        [(by_id[row["prompt_id"]], _without_tokens(row)) for row in rows],
        opened=_named(workers, benchmark.name),
        processes=workers.processes,
        on_progress=on_progress,
    )
    records = [
        record_of(benchmark.name, each, seed=row["seed"], tokens=row["tokens"])
        for row, each in zip(rows, graded, strict=True)
    ]
    return records, graded


def write_official(folder: Path, benchmark: Observed, graded: Sequence[Graded]) -> dict[str, Any]:
    """Writes the official result files into the benchmark's folder; returns the official summary."""
    for name, text in benchmark.results(graded):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, text.encode())
    return benchmark.aggregate(graded)


def record_of(benchmark: str, each: Graded, *, seed: int, tokens: Sequence[int] = ()) -> EvalRecord:
    """Returns a verdict as the record that pages and comparisons read."""
    return EvalRecord(
        benchmark=benchmark,
        category=each.prompt.category,
        prompt_id=each.prompt.id,
        prompt=each.prompt.text,
        sample=each.sample,
        seed=seed,
        grade=each.grade,
        tokens=tuple(tokens),
        picture=str(PurePosixPath(benchmark, each.picture)),
    )


def _named(workers: Workers, name: str) -> "_Opened | None":
    return _Opened(workers.benchmark, name) if workers.benchmark else None


@dataclass(frozen=True, slots=True)
class _Opened:
    """Opens one benchmark in another process; a class, so that it can be sent there."""

    benchmark: Callable[[str, int], Observed]
    name: str

    def __call__(self, number: int) -> Observed:
        return self.benchmark(self.name, number)


def _without_tokens(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "tokens"}
