"""A benchmark of the field from prompts to verdicts: draw, look, judge, write what its official tool writes.

Everything lies in a folder of its own, whose layout is the official one, so the official scripts run on it:
pictures, `drawn.jsonl` (drawing.py), the evidence (looking.py) and the official result files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tessera.benchmarks.drawing import draw, file_digest
from tessera.benchmarks.graded import Graded
from tessera.benchmarks.looking import Look, look
from tessera.errors import UserError
from tessera.protocols import Observed, Policy
from tessera.storage import second_name, write_atomic
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


def grade_folder(
    images: Path,
    benchmark: Observed,
    prompts: Sequence[Prompt],
    samples: int | None,
    folder: Path,
    *,
    workers: Workers,
    on_progress: Progress = silent,
) -> tuple[list[EvalRecord], list[Graded]]:
    """Returns the verdicts on pictures that somebody made, in the official layout; they are named here, too.

    As many of each prompt as are there, counted from the first, at most `samples`, unset the official number.
    """
    found = list(pictures_in(images, benchmark, prompts, samples))
    if not found:
        first = benchmark.picture(prompts[0], 0)
        raise UserError(
            f"{images} holds no picture of {benchmark.name}: its first one would be {images / first}"
        )
    home = folder / benchmark.name
    for _, row in found:
        second_name(images / row["picture"], home / row["picture"])
    graded = look(
        home,
        benchmark,
        found,
        opened=_named(workers, benchmark.name),
        processes=workers.processes,
        on_progress=on_progress,
    )
    return [record_of(benchmark.name, each, seed=0) for each in graded], graded


def pictures_in(
    images: Path, benchmark: Observed, prompts: Sequence[Prompt], samples: int | None
) -> Iterator[Look]:
    """Yields the pictures of the prompts that are in a folder, up to the first that is missing of each."""
    for prompt in prompts:
        for sample in range(benchmark.samples if samples is None else samples):
            place = benchmark.picture(prompt, sample)
            digest = file_digest(images / place)
            if not digest:
                break
            yield prompt, {"sample": sample, "picture": str(place), "digest": digest}


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
