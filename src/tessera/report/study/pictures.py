"""Film strips of a study: the same prompt and seed across arms and over training.

They are named before anything is looked at: the first prompt of each category, its first sample, the first
training seed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tessera.benchmarks.layout import picture_path
from tessera.report.film import mark, thinned
from tessera.report.images import data_uri
from tessera.report.run_files import read_rows
from tessera.report.study.figures import main_arms
from tessera.report.study.names import algorithm_name, arm_names
from tessera.report.study.read import Study
from tessera.report.study.rows import Arm, Place
from tessera.report.theme import Series, series_of
from tessera.training.metrics import GRADES, PICTURES
from tessera.types import EvalRecord

SIDE = 128  # pixels of a picture; on a page they are smaller
MOST_ARMS = 5  # beside the base, in one strip
MOST_PROMPTS = 6  # of one benchmark in a strip across arms, and of a strip over training
MOST_STEPS = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """A picture with its verdict; no `uri`: it has gone."""

    uri: str
    mark: str  # right, wrong or open (not graded)


@dataclass(frozen=True, kw_only=True, slots=True)
class StripRow:
    """One prompt, a picture for each column."""

    prompt: str
    series: Series
    shots: tuple[Shot, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Strip:
    """The same prompts and seeds side by side."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[StripRow, ...]


def strips_across(study: Study, experiment: str) -> list[Strip]:
    """Returns the base beside the experiment's arms; one strip per algorithm where there are many arms."""
    base = study.base(experiment)
    trained = main_arms(study, experiment)
    if base is None or not trained:
        return []
    names = arm_names(trained)
    if len(trained) <= MOST_ARMS:
        groups = [("The base and what became of it", list(trained))]
    else:
        algorithms = dict.fromkeys(arm.algorithm for arm in trained)
        groups = [
            (algorithm_name(each), [arm for arm in trained if arm.algorithm == each][:MOST_ARMS])
            for each in algorithms
        ]
    strips = [
        Strip(
            title=title,
            columns=("base", *(names[arm] for arm in arms)),
            rows=tuple(_across(study, [base, *arms])),
        )
        for title, arms in groups
    ]
    return [strip for strip in strips if strip.rows]


def strips_over(study: Study, experiment: str) -> list[Strip]:
    """Returns how the first seed of each arm came to draw as it does, where its run kept pictures."""
    arms = main_arms(study, experiment)[:MOST_ARMS]
    names = arm_names(arms)
    strips = [_over(study.folder / study.cells_of(arm)[0].run, names[arm]) for arm in arms]
    return [strip for strip in strips if strip is not None]


def by_place(records: Sequence[EvalRecord]) -> dict[Place, EvalRecord]:
    """Returns the records by what they were drawn for."""
    return {place_of(record): record for record in records}


def place_of(record: EvalRecord) -> Place:
    """Returns what a record was drawn for."""
    return record.benchmark, record.prompt_id, record.sample


def shot_of(study: Study, folder: str, record: EvalRecord | None) -> Shot:
    """Returns the picture of a record in an evaluation folder."""
    if record is None:
        return Shot(uri="", mark="open")
    return Shot(uri=_uri(study.folder / folder / picture_path(record)), mark=mark(record.grade.strict))


def _across(study: Study, arms: Sequence[Arm]) -> Iterator[StripRow]:
    folders = [study.cells_of(arm)[0].eval for arm in arms]
    tables = [by_place(study.records(folder)) for folder in folders]
    for benchmark in study.benchmarks(arms[0].experiment):
        firsts: dict[str, EvalRecord] = {}
        for record in study.records(folders[0]):
            if record.benchmark == benchmark and record.sample == 0:
                firsts.setdefault(record.category, record)
        chosen = list(firsts.values())
        for index in thinned(len(chosen), MOST_PROMPTS):
            first = chosen[index]
            shots = [
                shot_of(study, folder, table.get(place_of(first)))
                for folder, table in zip(folders, tables, strict=True)
            ]
            if any(shot.uri for shot in shots):
                yield StripRow(prompt=first.prompt, series=series_of(benchmark), shots=tuple(shots))


def _over(run: Path, name: str) -> Strip | None:
    """Returns the first sample of evenly chosen prompts at evenly chosen steps; None without two steps."""
    rows = [row for row in read_rows(run / GRADES) if row["sample"] == 0]
    by_step: dict[int, dict[int, dict[str, object]]] = {}
    for row in rows:
        by_step.setdefault(row["step"], {})[row["number"]] = row
    steps = sorted(by_step)
    if len(steps) < 2:
        return None
    steps = [steps[index] for index in thinned(len(steps), MOST_STEPS)]
    numbers = sorted(by_step[steps[0]])
    made = []
    for index in thinned(len(numbers), MOST_PROMPTS):
        number = numbers[index]
        shots = []
        for step in steps:
            strict = by_step[step].get(number, {}).get("strict")
            path = run / PICTURES / f"step_{step:06d}" / f"{number}.png"
            graded = float(strict) if isinstance(strict, int | float) else None
            shots.append(Shot(uri=_uri(path), mark=mark(graded)))
        first = by_step[steps[0]][number]
        made.append(
            StripRow(
                prompt=str(first["prompt"]), series=series_of(str(first["benchmark"])), shots=tuple(shots)
            )
        )
    return Strip(
        title=f"{name}, step by step", columns=tuple(f"step {step}" for step in steps), rows=tuple(made)
    )


def _uri(path: Path) -> str:
    """Returns all of a picture, nothing if it has gone."""
    return data_uri(path, SIDE) if path.is_file() else ""
