"""Evaluation folders as `tessera eval` leaves them, read whole or refused in one sentence."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tessera.benchmarks.layout import RECORDS, SUMMARY
from tessera.errors import UserError
from tessera.storage import CONFIG
from tessera.types import EvalRecord

Place = tuple[str, str, int]  # benchmark, prompt, sample

GRADERS = "graders"  # in config.json: {benchmark: digest of what judges its pictures}, where there are any


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """One folder, under the name that it has in tables."""

    name: str
    folder: Path
    config: Mapping[str, Any]
    categories: Mapping[str, Sequence[str]]  # of each benchmark, in the order of its tables
    titles: Mapping[str, str]  # what results of a benchmark of the field are to be called, by its instruments
    records: Mapping[Place, EvalRecord]

    def of(self, benchmark: str) -> list[EvalRecord]:
        """Returns the records of one benchmark, in the order of the file."""
        return [record for record in self.records.values() if record.benchmark == benchmark]

    def grader(self, benchmark: str) -> str:
        """Returns the digest of what judged the pictures, else its title; "" where the folder has neither."""
        return self.config.get(GRADERS, {}).get(benchmark, "") or self.titles.get(benchmark, "")


def read_evaluations(folders: Sequence[Path], names: Sequence[str] = ()) -> list[Evaluation]:
    """Returns the evaluations under the given names, else under as much of their paths as differs."""
    if len(folders) < 2:
        raise UserError(f"a comparison needs two evaluation folders or more, got {len(folders)}")
    whole = [folder.absolute().resolve() for folder in folders]
    twice = [str(folder) for folder, path in zip(folders, whole, strict=True) if whole.count(path) > 1]
    if twice:
        raise UserError(f"{twice[0]} is named twice; compare it with another evaluation")
    if names and len(names) != len(folders):
        raise UserError(f"--name gives {len(names)} names for {len(folders)} folders; give one for each")
    if len(set(names)) < len(names):
        raise UserError(f"--name gives two folders the same name: {', '.join(names)}")
    return [_read(folder, name) for folder, name in zip(folders, names or _short_names(whole), strict=True)]


def _short_names(paths: Sequence[Path]) -> list[str]:
    """Returns the last parts of the paths, as many as tell them apart."""
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in paths]


def _read(folder: Path, name: str) -> Evaluation:
    for each in (CONFIG, SUMMARY, RECORDS):
        if not (folder / each).is_file():
            unfinished = folder.with_name(f"{folder.name}.partial")
            remedy = (
                f"{unfinished} is unfinished; go on with it by --resume of `tessera eval`"
                if unfinished.is_dir()
                else "`tessera eval --out FOLDER` makes one"
            )
            raise UserError(f"{folder} is no complete evaluation: it has no {each}; {remedy}")
    config, summary = _json(folder / CONFIG), _json(folder / SUMMARY)
    records = _records(folder / RECORDS)
    try:
        categories = {benchmark: list(result["categories"]) for benchmark, result in summary.items()}
        titles = {name: result.get("official", {}).get("title", "") for name, result in summary.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{folder / SUMMARY} is no summary of an evaluation; run the evaluation again"
        ) from error
    return Evaluation(
        name=name, folder=folder, config=config, categories=categories, titles=titles, records=records
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not whole ({error}); run the evaluation again") from error


def _records(path: Path) -> dict[Place, EvalRecord]:
    """Returns the lines of eval.jsonl; where two are of one picture, the later one."""
    records = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = EvalRecord.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}: line {number} is torn or no record of a picture; run `tessera eval` again into "
                "another folder, or delete that line and compare without its picture"
            ) from error
        records[record.benchmark, record.prompt_id, record.sample] = record
    return records
