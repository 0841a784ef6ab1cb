"""DPG-Bench's files as they are: TencentQQGYLab/ELLA:dpg_bench (Apache-2.0), commit 4b8cbd3.

    prompts/{item_id}.txt    the prompts, 1065
    dpg_bench.csv            a row per question: item_id, text, keywords, proposition_id, dependency,
                             category_broad, category_detailed, tuple, question_natural_language

`dependency` lists the numbers of the questions that must be answered yes first; 0 is none.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tessera.errors import UserError
from tessera.types import Prompt

TABLE, PROMPTS = "dpg_bench.csv", "prompts"
HOME = "https://github.com/TencentQQGYLab/ELLA/tree/main/dpg_bench"
COLUMNS = ("item_id", "proposition_id", "dependency", "tuple", "question_natural_language")
CATEGORY = "all"  # prompts have none; questions do


def read_dpg(folder: Path) -> list[Prompt]:
    """Returns the prompts in the order of the table, then those without a row.

    Their metadata have `propositions`, {"id", "parents", "kind", "question", "lost"}: `lost` marks what the
    published script never reads (faults.py: first-row, interrupted-item).
    """
    if not (folder / TABLE).is_file() or not (folder / PROMPTS).is_dir():
        raise UserError(
            f"{folder} lacks {TABLE} or {PROMPTS}/; copy both from {HOME} (Apache-2.0) there, or name the "
            "folder that has them: --set dpg.data=FOLDER"
        )
    items = _items(folder / TABLE)
    texts = {path.stem: path for path in sorted((folder / PROMPTS).glob("*.txt"))}
    if lost := [name for name in items if name not in texts]:
        raise UserError(
            f"{folder / PROMPTS} lacks {lost[0]}.txt, which {TABLE} asks about"
            f"{f', and {len(lost) - 1} more' if len(lost) > 1 else ''}; copy the whole folder from {HOME}"
        )
    return [
        Prompt(
            id=f"dpg/{name}",
            text=_text(texts[name]),
            category=CATEGORY,
            metadata={"benchmark": "dpg", "propositions": list(items.get(name, {}).values())},
        )
        for name in dict.fromkeys((*items, *texts))
    ]


def name_of(prompt: Prompt) -> str:
    """Returns the item_id of a prompt."""
    return prompt.id.partition("/")[2]


def _items(path: Path) -> dict[str, dict[int, dict[str, Any]]]:
    """Returns the questions of each item by their numbers."""
    items: dict[str, dict[int, dict[str, Any]]] = {}
    before = ""  # the item of the row before, as the published script knows it
    for place, row in enumerate(_rows(path)):
        name, question = row["item_id"], _proposition(row, f"{path}, row {place + 1}")
        questions = items.setdefault(name, {})
        if place == 0:
            question["lost"] = True
        else:
            if name != before:
                for each in questions.values():
                    each["lost"] = True
            before = name
        questions[question["id"]] = question
    if not items:
        raise UserError(f"{path} holds no question; copy it again from {HOME}")
    return items


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if lacking := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
                raise UserError(f"{path} has no column {lacking[0]!r}; copy it again from {HOME}")
            yield from reader
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no table in UTF-8 ({error}); copy it again from {HOME}") from error


def _proposition(row: dict[str, str], where: str) -> dict[str, Any]:
    if not row["item_id"] or Path(row["item_id"]).name != row["item_id"]:
        raise UserError(
            f"{where}: item_id {row['item_id']!r} names no file; copy the table again from {HOME}"
        )
    try:
        number = int(row["proposition_id"])
        parents = [int(each) for each in row["dependency"].split(",")]
        kind, question = row["tuple"].split("(")[0].strip(), row["question_natural_language"].strip()
    except (ValueError, AttributeError) as error:  # AttributeError: a row that ends early
        raise UserError(
            f"{where}: expected numbers in proposition_id and dependency, and a tuple and a question, got "
            f"{dict(row)!r:.300}"
        ) from error
    parents = [each for each in parents if each != 0]
    return {"id": number, "parents": parents, "kind": kind, "question": question, "lost": False}


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no UTF-8 text; copy it again from {HOME}") from error
    if not text:
        raise UserError(f"{path} is empty; copy it again from {HOME}")
    return text
