"""The captioned grid of a samples folder."""

from pathlib import Path

import numpy as np
from PIL import Image

from tessera.report.grid import captioned_grid
from tessera.sampling.layout import GRID, SAMPLES
from tessera.storage import read_jsonl

COLUMNS = 8
MOST_PROMPTS = 40  # a grid of thousands of prompts is a file that nothing opens
MOST_SAMPLES = 16  # of each prompt


def draw_grid(folder: Path) -> int:
    """Writes `grid.png` from `samples.jsonl` and the pictures; returns how many pictures it left out.

    The first prompts and the first samples of each: nothing is chosen by its looks.
    """
    blocks: dict[str, list[dict]] = {}
    left_out = 0
    for row in read_jsonl(folder / SAMPLES):
        known = row["prompt"] in blocks or len(blocks) < MOST_PROMPTS
        if known and len(block := blocks.setdefault(row["prompt"], [])) < MOST_SAMPLES:
            block.append(row)
        else:
            left_out += 1
    rows = [row for block in blocks.values() for row in block]
    images = [np.asarray(Image.open(folder / row["image"])) for row in rows]
    marks = [None if row["strict"] is None else bool(row["strict"]) for row in rows]
    sheet = captioned_grid(images, [row["prompt"] for row in rows], COLUMNS, marks)
    sheet.save(folder / GRID)
    return left_out
