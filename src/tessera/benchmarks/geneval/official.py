"""GenEval's own files: where pictures lie, what its tool writes, how its summary counts.

As djghosh13/geneval has them (commit 16f1681), so that its scripts run on our folders: generation/
diffusers_generate.py for places, evaluation/evaluate_images.py for results, evaluation/summary_scores.py.

    00012/metadata.jsonl          line 12 (from 0) of evaluation_metadata.jsonl
    00012/samples/00003.png       its fourth picture
    results.jsonl                 {"filename", "tag", "prompt", "correct", "reason", "metadata", "details"}
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from tessera.benchmarks.geneval.rows import counted
from tessera.benchmarks.graded import Graded
from tessera.scorers.detection.geneval import counted_above
from tessera.types import Prompt

TAGS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
SAMPLES = 4  # pictures of a prompt; README.md
RESULTS = "results.jsonl"


def folder_of(prompt: Prompt) -> PurePosixPath:
    """Returns the folder of a prompt: its line's number, in five digits."""
    return PurePosixPath(prompt.id.rpartition("/")[2])


def picture_of(prompt: Prompt, sample: int) -> PurePosixPath:
    """Returns where a picture of the prompt lies."""
    return folder_of(prompt) / "samples" / f"{sample:05}.png"


def result(graded: Graded) -> dict[str, Any]:
    """Returns what the tool says of a picture; `details` has the boxes that count, with their scores."""
    metadata = graded.prompt.metadata
    there = counted(graded.seen["detected"], counted_above(metadata["tag"]))
    details = {name: [[*each.box, each.score] for each in objects] for name, objects in there.items()}
    return {
        "filename": graded.picture,
        "tag": metadata["tag"],
        "prompt": metadata["prompt"],
        "correct": graded.grade.strict == 1,
        "reason": graded.grade.reason,
        "metadata": json.dumps(metadata),
        "details": json.dumps({name: boxes for name, boxes in details.items() if boxes}),
    }


def summarised(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns GenEval's summary: the mean over pictures of each tag, and the unweighted mean of the tags.

    A result has `tag`, `prompt` and `correct`; where that is None the picture could not be judged: it is
    counted as missing, and in nothing else.
    """
    by_tag: dict[str, list[bool]] = {}
    by_prompt: dict[str, bool] = {}
    for row in results:
        judged = by_tag.setdefault(row["tag"], [])
        if row["correct"] is not None:
            judged.append(row["correct"])
            by_prompt[row["prompt"]] = by_prompt.get(row["prompt"], False) or row["correct"]
    order = [tag for tag in TAGS if tag in by_tag] + [tag for tag in by_tag if tag not in TAGS]
    tags = {tag: {"mean": _mean(by_tag[tag]), "images": len(by_tag[tag])} for tag in order}
    all_judged = [right for judged in by_tag.values() for right in judged]
    return {
        "images": len(all_judged),
        "prompts": len(by_prompt),
        "missing": len(results) - len(all_judged),
        "correct_images": _mean(all_judged),
        "correct_prompts": _mean(list(by_prompt.values())),
        "tags": tags,
        "overall": _mean([each["mean"] for each in tags.values()]),
    }


def _mean(values: Sequence[float | bool]) -> float:
    """Returns the mean; NaN of nothing."""
    return sum(values) / len(values) if values else math.nan
