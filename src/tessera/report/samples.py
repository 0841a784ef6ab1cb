"""The captioned grid of a samples folder; with best of n, the chosen pictures and then all candidates."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tessera.report.grid import GAP, INK, MARGIN, captioned_grid
from tessera.report.images import PAPER
from tessera.report.numbers import MISSING
from tessera.sampling.layout import GRID, SAMPLES, SCORES
from tessera.storage import read_jsonl

COLUMNS = 8
MOST_PROMPTS = 40  # a grid of thousands of prompts is a file that nothing opens
MOST_SAMPLES = 16  # of each prompt
MOST_STRIPS = 24  # of candidates
HEADING = 20  # height of the line above a strip


def draw_grid(folder: Path, per_prompt: int, candidates: int = 1) -> int:
    """Writes `grid.png` from `samples.jsonl` and the pictures; returns how many pictures it left out.

    The first prompts and the first samples of each: nothing is chosen by its looks. With several candidates
    for each of the `per_prompt` pictures it shows the chosen ones, and below them each choice as a strip, the
    highest score left.
    """
    asked = (row for row in read_jsonl(folder / SAMPLES) if row["sample"] < per_prompt * candidates)
    every = sorted(asked, key=lambda row: row["sample"] % per_prompt)  # of one prompt, picture by picture
    if candidates == 1:
        shown = _first(every)
        _sheet(folder, shown).save(folder / GRID)
        return len(every) - len(shown)
    scores = list(read_jsonl(folder / SCORES))
    chosen = {(row["prompt"], row["sample"]) for row in scores if row["chosen"]}
    by_name = {(row["prompt"], row["sample"]): row for row in every}
    shown = _first([by_name[name] for name in by_name if name in chosen])
    strips: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in scores:
        strips.setdefault((row["prompt"], row["picture"]), []).append(row)
    drawn = [
        _strip(folder, rows, [by_name[row["prompt"], row["sample"]] for row in rows])
        for rows in map(_best_first, list(strips.values())[:MOST_STRIPS])
    ]
    _stacked([_sheet(folder, shown), *drawn]).save(folder / GRID)
    return len(chosen) - len(shown)


def _first(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns the first samples of the first prompts, those of a prompt side by side."""
    blocks: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        blocks.setdefault(row["prompt"], []).append(row)
    return [row for block in list(blocks.values())[:MOST_PROMPTS] for row in block[:MOST_SAMPLES]]


def _best_first(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns the candidates of one picture, the chosen one first, missing scores last."""
    return sorted(
        rows, key=lambda row: (not row["chosen"], math.inf if row["value"] is None else -row["value"])
    )


def _sheet(folder: Path, rows: Sequence[Mapping[str, Any]], captions: Sequence[str] = ()) -> Image.Image:
    images = [np.asarray(Image.open(folder / row["image"])) for row in rows]
    marks = [None if row["strict"] is None else bool(row["strict"]) for row in rows]
    return captioned_grid(images, captions or [row["prompt"] for row in rows], COLUMNS, marks)


def _strip(
    folder: Path, scores: Sequence[Mapping[str, Any]], samples: Sequence[Mapping[str, Any]]
) -> Image.Image:
    """Returns the candidates of one picture with their scores below a line that says what they are."""
    values = [MISSING if row["value"] is None else f"{row['value']:.3f}" for row in scores]
    # Equal captions would stand above neighbours once: the number of the sample tells them apart.
    captions = [f"{value} (sample {row['sample']})" for value, row in zip(values, scores, strict=True)]
    sheet = _sheet(folder, samples, captions)
    heading = Image.new("RGB", (sheet.width, HEADING), PAPER)
    first = scores[0]
    words = f"{first['prompt']}, picture {first['picture'] + 1}: candidates by {first['scorer']}"
    ImageDraw.Draw(heading).text((MARGIN, 0), words, fill=INK, font=ImageFont.load_default(14))
    return _stacked([heading, sheet])


def _stacked(parts: Sequence[Image.Image]) -> Image.Image:
    """Returns the images one below the other."""
    height = sum(part.height for part in parts) + GAP
    sheet = Image.new("RGB", (max(part.width for part in parts), height), PAPER)
    top = GAP
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    return sheet
