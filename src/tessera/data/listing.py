"""Pictures in a folder with their prompts, however somebody else has written them down.

    FILE.jsonl   {"image": "a.png", "prompt": "...", ...}: what else a row says is the prompt's metadata
    FILE.csv     a head with the columns image and prompt, and more for metadata
    FILE.txt     a prompt a line; so may .jsonl and .csv without images: they go with the pictures by name

Without a file every picture has the one prompt that is given.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, UnidentifiedImageError

from tessera.data.prompts import read_prompts
from tessera.errors import UserError
from tessera.types import Prompt

SUFFIXES = frozenset({".png", ".webp", ".jpg", ".jpeg", ".bmp"})
MOST_PIXELS = 64_000_000  # of one picture; more is a mistake, or somebody's bomb


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """One picture with its prompt."""

    image: str  # relative to the folder
    prompt: Prompt


def read_listing(folder: Path, prompts: Path | None, text: str | None) -> list[Listed]:
    """Returns the pictures of a folder with their prompts, in the order of the file, else by name."""
    if (prompts is None) is (text is None):
        raise UserError(
            'say what the pictures should show: --prompts FILE, or --prompt "..." for all of them'
        )
    if not folder.is_dir():
        raise UserError(f"--images {folder} is no folder")
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix.lower() in SUFFIXES
    )
    if not names:
        raise UserError(f"{folder} holds no picture ({', '.join(sorted(SUFFIXES))})")
    if prompts is None:
        return [_listed(name, {"prompt": text}, name) for name in names]
    rows = _rows(prompts)
    if any("image" in row for row in rows):
        return _named(rows, names, folder, prompts)
    if len(rows) != len(names):
        raise UserError(
            f"{prompts} has {len(rows)} prompts for the {len(names)} pictures of {folder}; make them equally "
            'many, or name the picture of each: {"image": "a.png", "prompt": "..."}'
        )
    return [_listed(name, row, str(prompts)) for name, row in zip(names, rows, strict=True)]


def read_picture(path: Path) -> UInt8[ndarray, "H W 3"]:
    """Returns the picture as RGB; transparent parts are what the file says lies under them."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise UserError(f"{path} has {image.width} x {image.height} pixels, too many for any scorer")
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path} is no picture that can be read ({error})") from error


def _rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix not in (".jsonl", ".csv"):
        return [{"prompt": line} for line in read_prompts(path)]
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        if path.suffix == ".csv":
            rows: list[Any] = list(csv.DictReader(lines))
        else:
            rows = [json.loads(line) for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
            raise UserError(f'{path}, row {number}: expected {{"image": "a.png", "prompt": "..."}}')
    if not rows:
        raise UserError(f"{path} holds no prompt")
    return rows


def _named(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], folder: Path, where: Path
) -> list[Listed]:
    known, seen = set(names), set[str]()
    for number, row in enumerate(rows, 1):
        name = row.get("image")
        if not isinstance(name, str) or name not in known:
            raise UserError(f"{where}, row {number}: the picture {name!r} is not in {folder}")
        if name in seen:
            raise UserError(f"{where}, row {number}: the picture {name!r} is there twice")
        seen.add(name)
    return [_listed(row["image"], row, str(where)) for row in rows]


def _listed(image: str, row: Mapping[str, Any], where: str) -> Listed:
    text = str(row["prompt"]).strip()
    if not text:
        raise UserError(f"{where}: the prompt of {image} is empty")
    metadata = {key: value for key, value in row.items() if key not in ("image", "prompt", "category", "id")}
    prompt = Prompt(
        id=str(row.get("id") or image), text=text, category=str(row.get("category") or ""), metadata=metadata
    )
    return Listed(image=image, prompt=prompt)
