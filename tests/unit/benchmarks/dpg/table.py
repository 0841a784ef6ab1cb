"""A small DPG-Bench made here: three prompts, seven questions, in the published layout."""

import csv
from pathlib import Path

HEAD = (
    "item_id",
    "text",
    "keywords",
    "proposition_id",
    "dependency",
    "category_broad",
    "category_detailed",
    "tuple",
    "question_natural_language",
)
TEXTS = {
    "kettle12": "A dented copper kettle stands to the left of two green apples, on a shelf.",
    "harbour3": "A harbour at dawn, painted in watercolour, with one white ship.",
    "bare1": "A prompt that nobody asked anything about.",
}
# item, number, depends on, tuple, question
ROWS = (
    ("kettle12", 1, "0", "entity - whole (kettle)", "Is there a kettle?"),
    ("kettle12", 2, "1", "attribute - color (kettle, copper)", "Is the kettle, as it stands, of copper?"),
    ("kettle12", 3, "0", "entity - whole (apples)", "Are there apples?"),
    ("kettle12", 4, "1, 3", "relation - spatial (kettle, apples, left)", "Is the kettle left of the apples?"),
    ("harbour3", 1, "0", "global - (watercolour)", "Is it a watercolour?"),
    ("harbour3", 3, "2", "attribute - color (ship, white)", "Is the ship white?"),  # before its parent
    ("harbour3", 2, "1", "entity - whole (ship)", "Is there a ship?"),
)

Row = tuple[str, int, str, str, str]


def written(folder: Path, rows: tuple[Row, ...] = ROWS) -> Path:
    """Returns a folder with the files."""
    (folder / "prompts").mkdir(parents=True, exist_ok=True)
    for name, text in TEXTS.items():
        (folder / "prompts" / f"{name}.txt").write_text(f"{text}\n", encoding="utf-8")
    with (folder / "dpg_bench.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(HEAD)
        for item, number, parents, kind, question in rows:
            group, _, detail = kind.partition("(")[0].partition(" - ")
            told = (item, TEXTS[item], "", number, parents, group, detail.strip(), kind, question)
            table.writerow(told)
    return folder
