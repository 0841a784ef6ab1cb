"""The film strip of a run: the same prompts and seeds at several steps, side by side."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from tessera.report.images import data_uri
from tessera.report.run_files import RunFiles, read_rows, step_folders
from tessera.scorers.mosaic import grade
from tessera.training.metrics import CAPTIONS, PICTURES
from tessera.world.render import SIDE

INDEX = "index.jsonl"  # {"step", "n", "prompt", "strict", "image"}, optional

COLUMNS = 8  # at 128 pixels that is the width of the page
MOST_ROWS = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One picture of a row; `mark` is right, wrong or open (not graded). No `uri`: it is not there."""

    step: int
    uri: str
    mark: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reel:
    """One prompt over the steps, one frame per column."""

    prompt: str
    category: str
    frames: tuple[Frame, ...]

    @property
    def story(self) -> str:
        """What became of it between the first and the last picture."""
        marks = [frame.mark for frame in self.frames if frame.mark != "open"]
        if len(marks) < 2:
            return ""
        return {
            ("wrong", "right"): "became right",
            ("right", "wrong"): "became wrong",
            ("right", "right"): "right at both ends",
            ("wrong", "wrong"): "wrong at both ends",
        }[marks[0], marks[-1]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A step of the strip and how many of its graded pictures are right."""

    step: int
    right: int
    graded: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Film:
    """The strip; empty where no pictures were kept."""

    columns: tuple[Column, ...]
    reels: tuple[Reel, ...]
    steps: int  # with pictures on disk, of which `columns` are a choice
    prompts: int  # of which `reels` are the first


@dataclass(frozen=True, slots=True)
class _Shot:
    """A picture on disk."""

    step: int
    number: int
    prompt: str
    category: str
    path: Path
    strict: float = math.nan


def read_film(run: RunFiles) -> Film:
    """Returns the run's film strip: its first prompts, at steps evenly chosen from the first to the last."""
    shots = _indexed(run.folder) or _listed(run.folder)
    steps = sorted({shot.step for shot in shots})
    numbers = sorted({shot.number for shot in shots})
    chosen = [steps[index] for index in thinned(len(steps), COLUMNS)]
    rows = numbers[:MOST_ROWS]
    shown = _readable([shot for shot in shots if shot.number in rows and shot.step in chosen])
    marks = dict(zip([(shot.number, shot.step) for shot in shown], _marks(shown), strict=True))
    by_place = {(shot.number, shot.step): shot for shot in shown}
    reels = []
    for number in rows:
        any_shot = next(shot for shot in shots if shot.number == number)
        frames = []
        for step in chosen:
            shot = by_place.get((number, step))
            uri = data_uri(shot.path) if shot else ""
            frames.append(Frame(step=step, uri=uri, mark=marks.get((number, step), "open")))
        reels.append(Reel(prompt=any_shot.prompt, category=any_shot.category, frames=tuple(frames)))
    columns = []
    for step in chosen:
        known = [mark for (_, at), mark in marks.items() if at == step and mark != "open"]
        columns.append(Column(step=step, right=known.count("right"), graded=len(known)))
    return Film(columns=tuple(columns), reels=tuple(reels), steps=len(steps), prompts=len(numbers))


def thinned(count: int, most: int) -> list[int]:
    """Returns at most so many of the numbers below `count`, evenly, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]


def _indexed(folder: Path) -> list[_Shot]:
    """Returns the pictures that an index names, with its verdicts."""
    shots = []
    pictures = folder / PICTURES
    for row in read_rows(pictures / INDEX):
        named = str(row.get("image") or f"step_{row['step']:06d}/{row['n']}.png")
        # Relative to the run, or to the pictures; never outside.
        paths = [path for path in (folder / named, pictures / named) if path.is_file()]
        if paths and paths[0].resolve().is_relative_to(folder.resolve()):
            strict = math.nan if row.get("strict") is None else float(row["strict"])
            category = str(row.get("category", ""))
            shots.append(_Shot(row["step"], row["n"], str(row["prompt"]), category, paths[0], strict))
    return shots


def _listed(folder: Path) -> list[_Shot]:
    """Returns the pictures in the step folders, with the prompts that the list beside them names."""
    path = folder / PICTURES / CAPTIONS
    captions = json.loads(path.read_text("utf-8")) if path.is_file() else []
    shots = []
    for step, place in step_folders(folder / PICTURES):
        for picture in place.glob("*.png"):
            if not picture.stem.isdigit():
                continue
            number = int(picture.stem)
            known = captions[number] if number < len(captions) else {}
            prompt = known.get("prompt", f"prompt {number + 1}")
            shots.append(_Shot(step, number, prompt, known.get("category", ""), picture))
    return shots


def _readable(shots: Sequence[_Shot]) -> list[_Shot]:
    """Returns the shots whose file is a whole picture: a kill may leave half of one."""
    whole = []
    for shot in shots:
        try:
            _pixels(shot.path)
        except (OSError, SyntaxError):  # what Pillow raises for files cut off, and for chunks cut off
            continue
        whole.append(shot)
    return whole


def _marks(shots: Sequence[_Shot]) -> list[str]:
    """Returns a mark per shot: the recorded verdict or, for a picture of the world, the verifier's."""
    strict = [shot.strict for shot in shots]
    images = [_pixels(shot.path) for shot in shots]
    open_ = [
        place
        for place, (value, image) in enumerate(zip(strict, images, strict=True))
        if math.isnan(value) and image.shape == (SIDE, SIDE, 3)
    ]
    if open_:
        grades = grade([shots[place].prompt for place in open_], np.stack([images[place] for place in open_]))
        for place, verdict in zip(open_, grades, strict=True):
            strict[place] = verdict.strict
    return ["open" if math.isnan(value) else "right" if value >= 1 else "wrong" for value in strict]


def _pixels(path: Path) -> UInt8[ndarray, "H W 3"]:
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))
