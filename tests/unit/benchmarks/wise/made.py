"""Small files in WISE's layout, made here: two prompts of each category, none of them WISE's."""

import json
from pathlib import Path

from tessera.benchmarks.wise.files import ENDING, PARTS
from tessera.benchmarks.wise.settings import Edition

# The first and the last prompt_id of each category.
NUMBERS: dict[Edition, tuple[int, ...]] = {
    "verified": (1, 400, 401, 520, 521, 640, 641, 760, 761, 880, 881, 1000),
    "legacy": (1, 400, 401, 567, 568, 700, 701, 800, 801, 900, 901, 1000),
}


def part_of(place: int) -> str:
    """Returns the file of a prompt: culture, then time and space, then the sciences."""
    return PARTS[0] if place < 2 else PARTS[1] if place < 6 else PARTS[2]


def written(folder: Path, edition: Edition = "verified") -> Path:
    """Returns a folder with the three files of an edition."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        rows = [
            {
                "prompt_id": number,
                "Prompt": f"The thing of riddle {number}",
                "Explanation": f"It is answer {number}",
                "Category": "made here",
                "Subcategory": f"kind {number % 3}",
            }
            for place, number in enumerate(NUMBERS[edition])
            if part_of(place) == part
        ]
        (folder / f"{part}{ENDING[edition]}").write_text(json.dumps(rows[::-1]), encoding="utf-8")
    return folder
