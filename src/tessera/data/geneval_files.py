"""GenEval's prompt file (arXiv 2310.11513): 553 prompts to measure with, each with what it asks for.

    evaluation_metadata.jsonl    {"tag": "position", "include": [...], "prompt": "a photo of ..."}

A prompt's category is its tag, its metadata the whole line; its id has its place in the file, from 0, as the
official folders of pictures are numbered.
"""

import json
from pathlib import Path

from tessera.data.compbench_files import read_lines
from tessera.errors import UserError
from tessera.types import Prompt

FILE = "evaluation_metadata.jsonl"


def read_geneval(folder: Path) -> list[Prompt]:
    """Returns the prompts in the order of the file; `folder` is what `home.find` returns."""
    prompts = []
    for number, line in enumerate(read_lines(folder / FILE)):
        try:
            row = json.loads(line)
            text, tag = row["prompt"], row["tag"]
        except (json.JSONDecodeError, TypeError, KeyError) as error:
            raise UserError(
                f"{folder / FILE}: prompt {number} cannot be read ({error}); delete the file and fetch it "
                "again: tessera data get geneval"
            ) from error
        prompts.append(Prompt(id=f"geneval/{number:05d}", text=text, category=tag, metadata=row))
    return prompts
