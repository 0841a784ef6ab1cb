"""Scorers on a folder of anybody's pictures: a row per picture, kept as they come.

scores.jsonl   {"image", "prompt", "values": {scorer: number or null}, "reasons": {scorer: why null}}
scores.csv     image, prompt, a column per scorer; empty where there is no score
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from tessera.benchmarks.layout import SCORES
from tessera.data.listing import Listed, read_picture
from tessera.protocols import Scorer
from tessera.rewards.ask import checked
from tessera.storage import (
    append_jsonl,
    drop_torn_line,
    full_disk_told,
    read_jsonl,
    write_atomic,
    write_lines,
)
from tessera.types import Progress, silent

SCORES_CSV = "scores.csv"
CHUNK = 32  # pictures between two writes


def score_pictures(
    folder: Path,
    listed: Sequence[Listed],
    scorers: Sequence[Scorer],
    out: Path,
    *,
    on_progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Returns a row for each picture, in the order given; those that `out` has are not scored again."""
    path = out / SCORES
    drop_torn_line(path)
    known = {row["image"]: row for row in read_jsonl(path)}
    waiting = [each for each in listed if each.image not in known]
    done = len(listed) - len(waiting)
    on_progress("scoring", done, len(listed))
    for start in range(0, len(waiting), CHUNK):
        rows = list(_scored(folder, waiting[start : start + CHUNK], scorers))
        with full_disk_told(out):
            append_jsonl(path, rows)
        known |= {row["image"]: row for row in rows}
        on_progress("scoring", done + start + len(rows), len(listed))
    ordered = [known[each.image] for each in listed]
    write_lines(path, ordered)
    write_atomic(out / SCORES_CSV, _csv(ordered, [scorer.name for scorer in scorers]).encode())
    return ordered


def _scored(folder: Path, chunk: Sequence[Listed], scorers: Sequence[Scorer]) -> Iterator[dict[str, Any]]:
    images = [read_picture(folder / each.image) for each in chunk]
    values: list[dict[str, float | None]] = [{} for _ in chunk]
    reasons: list[dict[str, str]] = [{} for _ in chunk]
    for places, images_BHWC in _by_size(images):
        prompts = [chunk[place].prompt for place in places]
        for scorer in scorers:
            scores = checked(scorer.score(prompts, images_BHWC), scorer.name, prompts)
            for place, value, reason in zip(places, scores.value_B.tolist(), scores.reasons, strict=True):
                values[place][scorer.name] = None if math.isnan(value) else value
                if math.isnan(value):
                    reasons[place][scorer.name] = reason
    for each, mine, why in zip(chunk, values, reasons, strict=True):
        yield {"image": each.image, "prompt": each.prompt.text, "values": mine, "reasons": why}


def _by_size(
    images: Sequence[UInt8[ndarray, "_ _ 3"]],
) -> Iterator[tuple[list[int], UInt8[ndarray, "B H W 3"]]]:
    """Yields pictures of one size together, with their places."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for place, image_HWC in enumerate(images):
        sizes.setdefault(image_HWC.shape, []).append(place)
    for places in sizes.values():
        yield places, np.stack([images[place] for place in places])


def _csv(rows: Sequence[dict[str, Any]], scorers: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "prompt", *scorers])
    for row in rows:
        values = ("" if row["values"][name] is None else repr(row["values"][name]) for name in scorers)
        writer.writerow([row["image"], row["prompt"], *values])
    return text.getvalue()
