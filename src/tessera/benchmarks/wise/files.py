"""WISE's prompt files as its authors publish them: three lists of JSON objects for each edition.

    {"prompt_id": 1, "Prompt": "...", "Explanation": "...", "Category": "...", "Subcategory": "..."}

The repository has no licence, so its files are the user's to get. prompt_id, 1 to 1000, tells the category;
`Category` and `Subcategory` do not.
"""

import json
from pathlib import Path
from typing import Any

from tessera.benchmarks.wise.rules import CATEGORIES, LAST, category_of
from tessera.benchmarks.wise.settings import Edition
from tessera.errors import UserError
from tessera.types import Prompt

HOME = "https://github.com/PKU-YuanGroup/WISE"
PARTS = ("cultural_common_sense", "spatio-temporal_reasoning", "natural_science")
ENDING: dict[Edition, str] = {"verified": "_verified.json", "legacy": ".json"}
# Where the files are in the repository.
UPSTREAM: dict[Edition, str] = {"verified": "data_verified", "legacy": "WISE_legacy/data"}


def read_wise(folder: Path, edition: Edition) -> list[Prompt]:
    """Returns the prompts by prompt_id; metadata have `number`, `explanation`, `subcategory` and `part`."""
    names = [f"{part}{ENDING[edition]}" for part in PARTS]
    places = (folder, folder / UPSTREAM[edition])
    home = next((each for each in places if all((each / name).is_file() for name in names)), None)
    if home is None:
        raise UserError(
            f"{folder} lacks {', '.join(names)}; WISE has no licence, so get them yourself, from "
            f"{UPSTREAM[edition]}/ of {HOME}, and put them there or name their folder: --set wise.data=FOLDER"
        )
    prompts: dict[int, Prompt] = {}
    for part, name in zip(PARTS, names, strict=True):
        for place, row in enumerate(_rows(home / name)):
            prompt = _prompt(row, part, edition, f"{home / name}, object {place}")
            number = prompt.metadata["number"]
            if number in prompts:
                raise UserError(
                    f"{home / name}: prompt_id {number} is there twice; take files of one version"
                )
            prompts[number] = prompt
    by_category = {prompt.category for prompt in prompts.values()}
    if lacking := [name for name in CATEGORIES if name not in by_category]:
        raise UserError(f"{home} has no prompt of {lacking[0]}; copy its files again from {HOME}")
    return [prompts[number] for number in sorted(prompts)]


def _rows(path: Path) -> list[Any]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is no JSON ({error}); copy it again from {HOME}") from error
    if not isinstance(rows, list):
        raise UserError(f"{path} is no list of prompts; copy it again from {HOME}")
    return rows


def _prompt(row: Any, part: str, edition: Edition, where: str) -> Prompt:
    try:
        number, text, explanation = row["prompt_id"], row["Prompt"], row["Explanation"]
        subcategory = row.get("Subcategory", "")
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f'{where}: expected {{"prompt_id", "Prompt", "Explanation", ...}}, got {row!r:.200}'
        ) from error
    if type(number) is not int or not 1 <= number <= LAST[edition][-1]:
        raise UserError(
            f"{where}: prompt_id is {number!r}; it is a whole number from 1 to {LAST[edition][-1]}"
        )
    if not (isinstance(text, str) and isinstance(explanation, str) and text.strip()):
        raise UserError(f"{where}: Prompt and Explanation are texts, got {text!r:.100}, {explanation!r:.100}")
    return Prompt(
        id=f"wise-{edition}/{number}",
        text=text,
        category=category_of(edition, number),
        metadata={
            "benchmark": "wise",
            "number": number,
            "explanation": explanation,
            "subcategory": subcategory,
            "part": part,
        },
    )
