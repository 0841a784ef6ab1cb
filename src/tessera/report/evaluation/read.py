"""An evaluation folder, read whole or refused in one sentence."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tessera.benchmarks.layout import RECORDS
from tessera.errors import UserError
from tessera.storage import read_jsonl
from tessera.types import EvalRecord


def read_records(folder: Path) -> list[EvalRecord]:
    """Returns the records of an eval folder without tokens: the page shows none, and they weigh most."""
    path = _part(folder, RECORDS)
    try:
        return [EvalRecord.from_json({**row, "tokens": ()}) for row in read_jsonl(path)]
    except json.JSONDecodeError as error:
        raise _torn(path, error) from error


def read_part(folder: Path, name: str) -> Any:
    """Returns a JSON file of an eval folder."""
    path = _part(folder, name)
    try:
        return json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise _torn(path, error) from error


def _part(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise UserError(
            f"{folder} is no complete eval folder: {name} is missing. `tessera eval --out {folder}` makes one"
        )
    return path


def _torn(path: Path, error: json.JSONDecodeError) -> UserError:
    return UserError(f"{path} is not whole ({error}); run the evaluation again")


def of_benchmark(records: Sequence[EvalRecord], benchmark: str) -> list[EvalRecord]:
    """Returns the records of one benchmark, in the order in which they were measured."""
    return [record for record in records if record.benchmark == benchmark]


def missing_by_category(records: Sequence[EvalRecord]) -> Counter[str]:
    """Returns how many pictures of each category could not be graded; of one benchmark's records."""
    return Counter(record.category for record in records if math.isnan(record.grade.strict))


def words(name: str) -> str:
    """Returns a category as people write it: color_attr becomes color attr."""
    return name.replace("_", " ") or "all"
