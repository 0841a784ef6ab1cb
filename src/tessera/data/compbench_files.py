"""T2I-CompBench's prompt files (arXiv 2307.06350) as they are: a prompt a line, for each of eight categories.

    dataset/{category}_{train,val}.txt         700 to train on, 300 to measure with
    dataset/complex_{train,val}_{kind}.txt     the complex ones again, by how they are judged

Most have CRLF line ends and nothing after the last line; shape and non_spatial are UTF-8. Prompts that the
training files have twice (color 21, shape 15, texture 5) are kept, for so they were published. A prompt's id
has its place in its file, from 0.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tessera.errors import UserError, unknown
from tessera.types import Prompt

CompBenchSplit = Literal["train", "val"]
Kind = Literal["spatial", "action", "spatialaction"]

FOLDER = "dataset"
CATEGORIES = ("color", "shape", "texture", "spatial", "3d_spatial", "numeracy", "non_spatial", "complex")
KINDS: tuple[Kind, ...] = ("spatial", "action", "spatialaction")


def read_compbench(folder: Path, category: str, split: CompBenchSplit) -> list[Prompt]:
    """Returns the prompts of a category in the order of its file; `folder` is what `home.find` returns.

    Their metadata say which benchmark, and of a complex prompt also its `kind`: what is judged beside its
    attributes, the relation, the action or both.
    """
    if category not in CATEGORIES:
        raise UserError(unknown("category of T2I-CompBench", category, CATEGORIES))
    name = f"{category}_{split}"
    kinds = _kinds(folder, split) if category == "complex" else {}
    prompts = []
    for number, text in enumerate(read_lines(folder / FOLDER / f"{name}.txt")):
        metadata = {"benchmark": "compbench"}
        if category == "complex":
            if matched(text) not in kinds:
                raise UserError(
                    f"{folder / FOLDER}: {text!r:.100} of {name}.txt is in none of {name}_*.txt, which say "
                    "how it is judged; take files of one version, as tessera data get t2i-compbench does"
                )
            metadata["kind"] = kinds[matched(text)]
        prompts.append(
            Prompt(id=f"compbench/{name}/{number:04d}", text=text, category=category, metadata=metadata)
        )
    return prompts


def matched(text: str) -> str:
    """Returns what of a complex prompt is compared with the lists of kinds: lower case, up to a full stop.

    As Karine-Huang/T2I-CompBench:3_in_1_eval/3_in_1.py does.
    """
    return text.lower().partition(".")[0].strip()


def read_lines(path: Path) -> list[str]:
    """Returns the lines of a text file that are not blank, without line ends and spaces around them."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(
            f"{path} is missing; fetch it (tessera data get t2i-compbench) or copy it there"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no UTF-8 text (byte {error.start}); copy it again") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        raise UserError(f"{path} holds no prompt; copy it again")
    return lines


def _kinds(folder: Path, split: CompBenchSplit) -> Mapping[str, Kind]:
    """Returns the kind of each complex prompt."""
    return {
        matched(text): kind
        for kind in KINDS
        for text in read_lines(folder / FOLDER / f"complex_{split}_{kind}.txt")
    }
