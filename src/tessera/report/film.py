"""The film strip of a run: the same prompts and seeds at several steps, each picture with its verdict.

What is shown was named before anything was drawn (`training/watch.py`), and the verdicts are those of the
run: this page chooses nothing but which steps have room.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from tessera.report.images import PAPER, data_uri
from tessera.report.run_files import RunFiles, read_rows
from tessera.report.theme import Series, series_of
from tessera.statistics.intervals import estimate, prompt_means
from tessera.training.metrics import GRADES, PICTURES

COLUMNS = 8  # steps with pictures: the first and the last large, the others small
MOST_TALLIES = 26  # steps with a count
MOST_ROWS = 24  # prompts
MOST_SAMPLES = 4  # of a prompt
MOST_PICTURES = 48  # at one step: with them the page stays near 2 MB, and below 7 whatever they show
LARGE_SIDE, SMALL_SIDE = 128, 64  # pixels of one picture in a tile

# A tile's own units: a picture is so wide, and so far from the next.
CELL, CELL_GAP = 100, 10

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One picture in a tile: its upper left corner, and its mark: right, wrong, open (not graded) or gone."""

    x: int
    y: int
    mark: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A step of the strip: how many of its graded pictures are right, and what they score."""

    step: int
    right: int
    graded: int
    mean: float  # of the soft scores; of training prompts, what the reward says; NaN where there is none


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """The pictures of one prompt at one step, as one image. No `uri`: none is there."""

    step: int
    uri: str
    cells: tuple[Cell, ...]
    width: int  # in units
    height: int
    right: int
    graded: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Reel:
    """One prompt over the steps, one tile per column."""

    prompt: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """How many pictures of one benchmark are right at each step."""

    benchmark: str
    series: Series
    columns: tuple[Column, ...]

    @property
    def judged(self) -> bool:
        """Whether anybody said right or wrong; of training prompts only the reward speaks."""
        return any(column.graded for column in self.columns)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What became of the pictures that are graded at the first step and at the last one."""

    pictures: int
    became_right: int
    became_wrong: int
    low: float  # interval of the difference of the two, over prompts; NaN where it cannot be known
    high: float

    @property
    def interval(self) -> str:
        """The interval in words, in pictures: "-4 to +9"; empty where it is not known."""
        if math.isnan(self.low) or math.isnan(self.high):
            return ""
        return f"{_signed(self.low)} to {_signed(self.high)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Film:
    """The strip; empty where no pictures were kept."""

    columns: tuple[Column, ...]  # with pictures
    tallies: tuple[Tally, ...]
    change: Change | None  # None before a second step
    reels: tuple[Reel, ...]
    steps: int  # with pictures on disk, of which `columns` are a choice
    prompts: int  # of which `reels` are evenly chosen
    samples: int  # of each prompt, of which the page shows MOST_SAMPLES


def read_film(run: RunFiles) -> Film:
    """Returns the run's film strip: prompts and steps evenly chosen from the first to the last."""
    rows = {(row["step"], row["number"]): row for row in read_rows(run.folder / GRADES)}
    by_step: dict[int, list[Row]] = {}
    prompts: dict[tuple[str, str], set[int]] = {}  # (benchmark, prompt): the numbers of its pictures
    for place in sorted(rows):
        row = rows[place]
        by_step.setdefault(row["step"], []).append(row)
        prompts.setdefault((row["benchmark"], row["prompt"]), set()).add(row["number"])
    steps = list(by_step)
    shown = [steps[index] for index in thinned(len(steps), COLUMNS)]
    samples = max((len(numbers) for numbers in prompts.values()), default=0)
    most = min(MOST_ROWS, MOST_PICTURES // max(1, min(samples, MOST_SAMPLES)))
    reels = [
        _reel(run.folder, prompt, shown, sorted(numbers)[:MOST_SAMPLES], rows)
        for (_, prompt), numbers in (list(prompts.items())[place] for place in thinned(len(prompts), most))
    ]
    return Film(
        columns=tuple(_column(step, by_step[step]) for step in shown),
        tallies=tuple(_tally(name, by_step) for name in dict.fromkeys(name for name, _ in prompts)),
        change=_change(by_step[steps[0]], by_step[steps[-1]]) if len(steps) > 1 else None,
        reels=tuple(reels),
        steps=len(steps),
        prompts=len(prompts),
        samples=samples,
    )


def thinned(count: int, most: int) -> list[int]:
    """Returns at most so many of the numbers below `count`, evenly, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]


def mark(strict: float | None) -> str:
    """Returns a verdict as a class of the page."""
    if strict is None or math.isnan(strict):
        return "open"
    return "right" if strict >= 1 else "wrong"


def _signed(number: float) -> str:
    whole = round(number)
    return f"\N{MINUS SIGN}{-whole}" if whole < 0 else f"+{whole}" if whole else "0"


def _column(step: int, rows: Sequence[Row]) -> Column:
    marks = [mark(row["strict"]) for row in rows]
    soft = [row["soft"] for row in rows if row["soft"] is not None]
    return Column(
        step=step,
        right=marks.count("right"),
        graded=len(marks) - marks.count("open"),
        mean=float(np.mean(soft)) if soft else math.nan,
    )


def _tally(benchmark: str, by_step: Mapping[int, Sequence[Row]]) -> Tally:
    steps = [list(by_step)[index] for index in thinned(len(by_step), MOST_TALLIES)]
    columns = [
        _column(step, [row for row in by_step[step] if row["benchmark"] == benchmark]) for step in steps
    ]
    return Tally(benchmark=benchmark, series=series_of(benchmark), columns=tuple(columns))


def _change(first: Sequence[Row], last: Sequence[Row]) -> Change:
    """Returns the change between two steps; its interval resamples prompts, not pictures."""
    after = {row["number"]: mark(row["strict"]) for row in last}
    names, changes = [], []
    for row in first:
        marks = (mark(row["strict"]), after.get(row["number"], "open"))
        if "open" not in marks:
            names.append(f"{row['benchmark']} {row['prompt']}")
            changes.append(float(marks[1] == "right") - float(marks[0] == "right"))
    change_P = prompt_means(names, changes)
    low = high = math.nan
    if len(set(change_P.tolist())) > 1:  # prompts that all change alike tell nothing of others
        interval = estimate(change_P)
        low, high = len(changes) * interval.ci_low, len(changes) * interval.ci_high
    return Change(
        pictures=len(changes),
        became_right=changes.count(1.0),
        became_wrong=changes.count(-1.0),
        low=low,
        high=high,
    )


def _reel(
    folder: Path,
    prompt: str,
    steps: Sequence[int],
    numbers: Sequence[int],
    rows: Mapping[tuple[int, int], Row],
) -> Reel:
    tiles = []
    for step in steps:
        side = LARGE_SIDE if step in (steps[0], steps[-1]) else SMALL_SIDE
        tiles.append(_tile(folder, step, [rows.get((step, number), {}) for number in numbers], side))
    return Reel(prompt=prompt, tiles=tuple(tiles))


def _tile(folder: Path, step: int, rows: Sequence[Row], side: int) -> Tile:
    """Returns the pictures of one prompt and step in a square as far as they go; an empty row is a gap."""
    images = [
        _pixels(folder / PICTURES / f"step_{step:06d}" / f"{int(row['number'])}.png", side) if row else None
        for row in rows
    ]
    across = math.ceil(math.sqrt(len(rows)))
    down = math.ceil(len(rows) / across)
    gap = CELL_GAP * side // CELL
    pitch = side + gap
    sheet = np.empty((down * pitch - gap, across * pitch - gap, 3), np.uint8)
    sheet[:] = PAPER
    cells = []
    for place, (row, image_HWC) in enumerate(zip(rows, images, strict=True)):
        y, x = divmod(place, across)
        if image_HWC is not None:
            sheet[y * pitch : y * pitch + side, x * pitch : x * pitch + side] = image_HWC
        shown = mark(row["strict"]) if image_HWC is not None else "gone"
        cells.append(Cell(x=x * (CELL + CELL_GAP), y=y * (CELL + CELL_GAP), mark=shown))
    counted = _column(step, [row for row in rows if row])
    return Tile(
        step=step,
        uri=data_uri(sheet, side=max(sheet.shape)) if any(image is not None for image in images) else "",
        cells=tuple(cells),
        width=across * (CELL + CELL_GAP) - CELL_GAP,
        height=down * (CELL + CELL_GAP) - CELL_GAP,
        right=counted.right,
        graded=counted.graded,
    )


def _pixels(path: Path, side: int) -> UInt8[ndarray, "H W 3"] | None:
    """Returns a picture at that size; None if there is no whole file: a kill may leave half of one."""
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, SyntaxError):  # what Pillow raises for files cut off, and for chunks cut off
        return None
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))
