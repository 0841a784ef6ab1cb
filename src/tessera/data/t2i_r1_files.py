"""T2I-R1's training prompts (arXiv 2505.00703): each with what it asks for, as scorers read it.

The file is JSON lines (CaraJ7/T2I-R1:data/geneval_and_t2i_data_final.json); its keys become those that
scorers read:

    nouns                                  nouns        detection, GIT
    attr_nouns                             attr_nouns   GIT
    attr_nouns, else nouns                 phrases      BLIP-VQA
    spatial_info {obj1, locality, obj2}    spatial      detection: [obj1, locality, obj2]
    numeracy_info [{obj_name, num}]        numeracy     detection: {obj_name: num}

`task_type` is the category. Three complex prompts have one noun twice ("a red umbrella on top of a black
umbrella stand": umbrella, umbrella), which a detector cannot tell apart, and says so.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tessera.data.compbench_files import read_lines
from tessera.errors import UserError
from tessera.types import Prompt

FILE = "geneval_and_t2i_data_final.json"  # JSON lines, whatever its name says


def read_t2i_r1(folder: Path) -> list[Prompt]:
    """Returns the prompts in the order of the file; `folder` is what `home.find` returns."""
    prompts = []
    for number, line in enumerate(read_lines(folder / FILE)):
        try:
            row = json.loads(line)
            text, category, metadata = row["prompt"], row["task_type"], asked(row)
        except (json.JSONDecodeError, TypeError, KeyError) as error:
            raise UserError(
                f"{folder / FILE}: prompt {number} cannot be read ({error}); delete the file and fetch it "
                "again: tessera data get t2i-r1"
            ) from error
        prompts.append(Prompt(id=f"t2i-r1/{number:04d}", text=text, category=category, metadata=metadata))
    return prompts


def asked(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the metadata of a row under the names that scorers read."""
    told: dict[str, Any] = {key: list(row[key]) for key in ("nouns", "attr_nouns") if row.get(key)}
    if phrases := told.get("attr_nouns", told.get("nouns")):
        told["phrases"] = phrases
    if place := row.get("spatial_info"):
        told["spatial"] = [place["obj1"], place["locality"], place["obj2"]]
    if counts := row.get("numeracy_info"):
        told["numeracy"] = {each["obj_name"]: each["num"] for each in counts}
    return told
