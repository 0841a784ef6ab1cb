"""Prompts from anybody's file, with what it knows of them.

    FILE.txt      a prompt a line
    FILE.jsonl    {"prompt": "...", "category": "...", "id": "...", "metadata": {...}}, or but the prompt
    FILE.csv      a head with the column prompt, and more

Any other key or column is metadata, too; where there is no category, `tag` or `task_type` names it, so that
files in the manner of GenEval and T2I-R1 fall into categories. Blank lines are skipped.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tessera.data.prompts import read_prompts
from tessera.errors import UserError
from tessera.types import Prompt

SUFFIXES = (".txt", ".jsonl", ".csv")
OWN = ("prompt", "id", "category", "metadata")
CATEGORY = ("category", "tag", "task_type")  # the first of them that a row has


def read_prompt_file(path: Path) -> list[Prompt]:
    """Returns the prompts of a file in order; what has no id of its own is named by its place, from 0."""
    prompts = [_prompt(row, f"{path.name}/{number:04d}", where) for number, (where, row) in _rows(path)]
    ids: set[str] = set()
    for prompt in prompts:
        if prompt.id in ids:
            raise UserError(f"{path}: the id {prompt.id!r} is there twice; ids tell prompts apart")
        ids.add(prompt.id)
    if not prompts:
        raise UserError(f"{path} holds no prompt")
    return prompts


def _rows(path: Path) -> Iterator[tuple[int, tuple[str, Any]]]:
    """Yields the number of each row, and where it stands with what it holds."""
    match path.suffix:
        case ".txt":
            yield from enumerate((f"{path}", {"prompt": text}) for text in read_prompts(path))
        case ".jsonl":
            lines = enumerate(_text(path).split("\n"), 1)
            yield from enumerate(
                (f"{path}:{number}", _json(line, f"{path}:{number}"))
                for number, line in lines
                if line.strip()
            )
        case ".csv":
            rows = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
            try:
                yield from enumerate((f"{path}, row {number}", row) for number, row in enumerate(rows, 1))
            except csv.Error as error:
                raise UserError(f"{path} is no CSV ({error})") from error
        case _:
            raise UserError(f"{path}: prompts are read from {', '.join(SUFFIXES)}, not from {path.suffix!r}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"prompt file {path} cannot be read: {error}") from error


def _json(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: no JSON ({error.msg})") from error


def _prompt(row: Any, name: str, where: str) -> Prompt:
    if not isinstance(row, Mapping) or not isinstance(row.get("prompt"), str) or not row["prompt"].strip():
        raise UserError(f'{where}: expected a prompt, as in {{"prompt": "a photo of a red star"}}')
    given = row.get("metadata") or {}
    if not isinstance(given, Mapping):
        raise UserError(f"{where}: metadata must be an object, got {given!r:.80}")
    if None in row:  # how csv keeps cells beyond the head
        raise UserError(f"{where} has more cells than the head of the file")
    metadata = {key: value for key, value in row.items() if key not in OWN and value is not None}
    category = next((str(row[key]) for key in CATEGORY if row.get(key)), "")
    return Prompt(
        id=str(row["id"]) if row.get("id") not in (None, "") else name,
        text=row["prompt"].strip(),
        category=category,
        metadata={**metadata, **given},
    )
