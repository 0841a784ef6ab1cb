"""WISE's own files and summary: where pictures lie, what its scripts write and read, how they add up.

    1.png ... 1000.png                     one picture of each prompt
    Results/{part}_full_results.json       [{"prompt_id", "prompt", "key", "image_path", "evaluation"}, ...]
    Results/{part}_scores_results.jsonl    {"prompt_id", "Subcategory", and the marks}

As in gpt_eval.py of PKU-YuanGroup/WISE (legacy). Of the current edition's files only `prompt_id` and `score`
are confirmed; the rest is written in the same manner. A picture that could not be judged has no line.
"""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from tessera.benchmarks.graded import Graded
from tessera.benchmarks.wise.files import PARTS
from tessera.benchmarks.wise.rules import CATEGORIES, WEIGHTS, marks_in, overall
from tessera.benchmarks.wise.settings import Edition
from tessera.types import Prompt

SAMPLES = 1  # pictures of a prompt; README.md
RESULTS = "Results"


def folder_of(sample: int) -> PurePosixPath:
    """Returns the folder of the first pictures, or of further ones: each is one that the scripts can read."""
    return PurePosixPath(f"sample_{sample}") if sample else PurePosixPath()


def picture_of(prompt: Prompt, sample: int) -> PurePosixPath:
    """Returns where a picture of the prompt lies."""
    return folder_of(sample) / f"{prompt.metadata['number']}.png"


def summarised(graded: Sequence[Graded], edition: Edition) -> dict[str, Any]:
    """Returns the mean over pictures of each category, and their weighted sum; NaN where one has none."""
    categories: dict[str, dict[str, float | int]] = {}
    for name, weight in zip(CATEGORIES, WEIGHTS[edition], strict=True):
        scores = [each.grade.strict for each in graded if each.prompt.category == name]
        judged = [score for score in scores if not math.isnan(score)]
        mean = sum(judged) / len(judged) if judged else math.nan
        missing = len(scores) - len(judged)
        categories[name] = {"mean": mean, "images": len(judged), "missing": missing, "weight": weight}
    means = {name: float(each["mean"]) for name, each in categories.items()}
    return {
        "edition": edition,
        "overall": overall(edition, means),
        "images": sum(int(each["images"]) for each in categories.values()),
        "missing": sum(int(each["missing"]) for each in categories.values()),
        "categories": categories,
    }


def result_files(graded: Sequence[Graded], edition: Edition) -> Iterator[tuple[PurePosixPath, str]]:
    """Yields both files of each part, for the first pictures of all prompts, the second ones and so on."""
    judged = [each for each in graded if not math.isnan(each.grade.strict)]
    for sample in sorted({each.sample for each in judged}):
        for part in PARTS:
            mine = [each for each in judged if each.sample == sample and each.prompt.metadata["part"] == part]
            mine.sort(key=lambda each: each.prompt.metadata["number"])
            where = folder_of(sample) / RESULTS
            full = json.dumps([_full(each) for each in mine], ensure_ascii=False, indent=2)
            scores = (json.dumps(_scores(each, edition), ensure_ascii=False) + "\n" for each in mine)
            yield where / f"{part}_full_results.json", full
            yield where / f"{part}_scores_results.jsonl", "".join(scores)


def _full(each: Graded) -> dict[str, Any]:
    metadata = each.prompt.metadata
    return {
        "prompt_id": metadata["number"],
        "prompt": each.prompt.text,
        "key": metadata["explanation"],
        "image_path": each.picture,
        "evaluation": each.seen["answer"],
    }


def _scores(each: Graded, edition: Edition) -> dict[str, Any]:
    metadata = each.prompt.metadata
    marks = {
        name.lower().replace(" ", "_"): mark for name, mark in marks_in(edition, each.seen["answer"]).items()
    }
    return {"prompt_id": metadata["number"], "Subcategory": metadata["subcategory"], **marks}
