"""An evaluation folder, read whole or refused in one sentence."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tessera.errors import UserError
from tessera.storage import read_jsonl
from tessera.types import EvalRecord


def read_part(folder: Path, name: str) -> Any:
    """Returns a JSON file, or the rows of a .jsonl file, of an eval folder."""
    path = folder / name
    if not path.is_file():
        raise UserError(
            f"{folder} is no complete eval folder: {name} is missing. `tessera eval --out {folder}` makes one"
        )
    try:
        return list(read_jsonl(path)) if path.suffix == ".jsonl" else json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not whole ({error}); run the evaluation again") from error


def of_benchmark(records: Sequence[EvalRecord], benchmark: str) -> list[EvalRecord]:
    """Returns the records of one benchmark, in the order in which they were measured."""
    return [record for record in records if record.benchmark == benchmark]


def missing_by_category(records: Sequence[EvalRecord]) -> Counter[str]:
    """Returns how many pictures of each category could not be graded; of one benchmark's records."""
    return Counter(record.category for record in records if math.isnan(record.grade.strict))


def words(name: str) -> str:
    """Returns a category as people write it: color_attr becomes color attr."""
    return name.replace("_", " ") or "all"
