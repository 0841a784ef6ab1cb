"""What the instruments of a benchmark see on its pictures: by one process or several, resumable.

A line of the evidence, whose file the benchmark names, has what was seen and

    "prompt_id", "sample", "picture": path below the folder, "digest": of the file, "by": of the instruments

It is kept as long as the picture and the instruments are what they were. Pictures are looked at in pieces of
fixed size, and a piece is done again whole: so it does not matter where a kill came, to the last digit.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from tessera.benchmarks.drawing import file_digest
from tessera.benchmarks.graded import Graded
from tessera.errors import UserError
from tessera.pool import spread
from tessera.protocols import Observed
from tessera.storage import append_jsonl, drop_torn_line, read_jsonl, write_lines
from tessera.types import Progress, Prompt, silent

PIECE = 8  # pictures
KEYS = ("prompt_id", "sample", "picture", "digest", "by")

Look = tuple[Prompt, Mapping[str, Any]]  # and the row of its picture


def look(
    folder: Path,
    benchmark: Observed,
    pictures: Sequence[Look],
    *,
    opened: Callable[[int], Observed] | None = None,
    processes: int = 1,
    on_progress: Progress = silent,
) -> list[Graded]:
    """Returns every picture with its verdict, in order; the instruments look at what they have not seen.

    `pictures` are prompts with rows that have "sample", "picture" and "digest". `opened` gives the
    benchmark to another process, by its number.
    """
    path, by = folder / benchmark.evidence, benchmark.digest()
    drop_torn_line(path)
    known = {(row["prompt_id"], row["sample"]): row for row in read_jsonl(path)}

    def seen(each: Look) -> bool:
        row = known.get((each[0].id, each[1]["sample"]), {})
        return row.get("by") == by and row["digest"] == each[1]["digest"]

    pieces = [pictures[start : start + PIECE] for start in range(0, len(pictures), PIECE)]
    missing = [piece for piece in pieces if not all(map(seen, piece))]
    what, done = f"{benchmark.name}: grading", len(pictures) - sum(map(len, missing))
    on_progress(what, done, len(pictures))
    mine = opened if opened is not None and processes > 1 else _same(benchmark)
    work = partial(_look, folder=folder, by=by)
    for _, rows in spread(missing, mine, work, processes if opened is not None else 1):
        append_jsonl(path, rows)
        known |= {(row["prompt_id"], row["sample"]): row for row in rows}
        done += len(rows)
        on_progress(what, done, len(pictures))
    write_lines(path, [known[prompt.id, row["sample"]] for prompt, row in pictures])
    return [judged(benchmark, prompt, known[prompt.id, row["sample"]]) for prompt, row in pictures]


def judged(benchmark: Observed, prompt: Prompt, row: Mapping[str, Any]) -> Graded:
    """Returns the verdict on a line of the evidence."""
    seen = {key: value for key, value in row.items() if key not in KEYS}
    return Graded(
        prompt=prompt,
        sample=row["sample"],
        picture=row["picture"],
        seen=seen,
        grade=benchmark.verdict(prompt, seen),
    )


def _same(benchmark: Observed) -> Callable[[int], Observed]:
    return lambda _: benchmark


def _look(benchmark: Observed, piece: Sequence[Look], *, folder: Path, by: str) -> list[dict[str, Any]]:
    """Returns the lines of a piece, pictures of one size looked at together."""
    images = [_read(folder / row["picture"], row["digest"]) for _, row in piece]
    lines: dict[int, dict[str, Any]] = {}
    for size in dict.fromkeys(image.shape for image in images):
        places = [place for place, image in enumerate(images) if image.shape == size]
        seen = benchmark.observe(
            [piece[place][0] for place in places], np.stack([images[place] for place in places])
        )
        for place, each in zip(places, seen, strict=True):
            prompt, row = piece[place]
            named = {"prompt_id": prompt.id, **{key: row[key] for key in ("sample", "picture", "digest")}}
            lines[place] = {**named, "by": by, **each}
    return [lines[place] for place in range(len(piece))]


def _read(path: Path, digest: str) -> np.ndarray:
    if file_digest(path) != digest:
        raise UserError(f"{path} was changed while it was to be graded; start again with --resume")
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"{path} is no whole picture ({error}); make it again") from error
