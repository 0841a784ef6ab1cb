"""T2I-CompBench's own files: where pictures lie, what its scripts write, how its averages count.

As Karine-Huang/T2I-CompBench has them, so that its scripts run on our folders: names as in GORS_finetune/
inference_eval.py, results as of each evaluator. A category is one of its output folders:

    color/samples/a green bench and a blue bowl_000003.png     the fourth picture of the first prompt
    color/annotation_blip/{vqa_result.json, blip_vqa_score.txt}          also shape, texture, complex
    spatial/labels/annotation_obj_detection_2d/{vqa_result.json, mapping.json, avg_score.txt}   also complex
    3d_spatial/labels/annotation_obj_detection_3d/{vqa_result.json, avg_result.txt}
    numeracy/annotation_num/{vqa_result.json, score.txt}
    non_spatial/annotation_clip/{vqa_result.json, score_avg.txt}         also complex
    complex/annotation_3_in_1/{vqa_result.json, vqa_score.txt}

A picture's number runs over prompts and their ten pictures; the scripts sort by it and read the prompt back
from the name. Seeds are Tessera's own, not theirs (42 to 51 for every prompt alike). A picture that could not
be judged has the answer null, at which their scripts stop; averages leave it out. So has a complex picture
for what its kind does not count, where theirs measure it and leave it aside.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from tessera.benchmarks.graded import Graded
from tessera.errors import UserError
from tessera.scorers.compbench.settings import CATEGORIES
from tessera.scorers.compbench.three_in_one import PARTS, Part
from tessera.scorers.compbench.verdict import part_of
from tessera.types import Prompt

SAMPLES = 10  # pictures of a prompt; inference_eval.py, --n_iter
LONGEST = 255  # bytes of a file name
ANSWERS = "vqa_result.json"
BLIP, CLIP, COUNTS = "annotation_blip", "annotation_clip", "annotation_num"
PLANE, DEPTH = "labels/annotation_obj_detection_2d", "labels/annotation_obj_detection_3d"
ALL_THREE = "annotation_3_in_1"
FOLDERS = {
    **dict.fromkeys(("color", "shape", "texture"), BLIP),
    "spatial": PLANE,
    "3d_spatial": DEPTH,
    "numeracy": COUNTS,
    "non_spatial": CLIP,
    "complex": ALL_THREE,
}
PART_FOLDERS: Mapping[Part, str] = {"attributes": BLIP, "place": PLANE, "similarity": CLIP}
OVERALL = "the unweighted mean of the categories if all eight are there: ours, T2I-CompBench publishes none"

Answer = tuple[Graded, float]  # and the score that a file has of it


def number_of(prompt: Prompt, sample: int) -> int:
    """Returns the number of a picture in its category."""
    if not 0 <= sample < SAMPLES:
        raise UserError(
            f"T2I-CompBench numbers its pictures {SAMPLES} to a prompt, so that there is no sample {sample}; "
            f"ask for {SAMPLES} samples at most"
        )
    return int(prompt.id.rpartition("/")[2]) * SAMPLES + sample


def picture_of(prompt: Prompt, sample: int) -> PurePosixPath:
    """Returns where a picture of the prompt lies."""
    name = f"{prompt.text}_{number_of(prompt, sample):06}.png"
    if "/" in prompt.text or len(name.encode()) > LONGEST:
        raise UserError(
            f"{prompt.id}: T2I-CompBench names pictures after their prompts, and {prompt.text!r:.60} makes "
            "no file name: a slash, or more than 255 bytes"
        )
    return PurePosixPath(prompt.category, "samples", name)


def summarised(graded: Sequence[Graded]) -> dict[str, Any]:
    """Returns the mean over the pictures of each category, and of seen and unseen pairs where told."""
    found = {}
    for category in CATEGORIES:
        here = [each for each in graded if each.prompt.category == category]
        if here:
            found[category] = _told(here)
        halves = {
            half: [each for each in here if each.prompt.metadata.get("half") == half] for half in HALVES
        }
        if any(halves.values()):
            found[category] |= {half: _told(those) for half, those in halves.items() if those}
    means = [each["mean"] for each in found.values() if each["mean"] is not None]
    return {
        "images": sum(each["images"] for each in found.values()),
        "missing": sum(each["missing"] for each in found.values()),
        "prompts": len({each.prompt.id for each in graded}),
        "categories": found,
        "overall": _mean(means) if len(means) == len(CATEGORIES) else None,
        "overall_is": OVERALL,
    }


HALVES = ("seen", "unseen")


def results(graded: Sequence[Graded], *, official_bugs: bool) -> Iterator[tuple[PurePosixPath, str]]:
    """Yields the files that the scripts write, of each category whose pictures are there."""
    for category in CATEGORIES:
        here = sorted(
            (each for each in graded if each.prompt.category == category),
            key=lambda each: number_of(each.prompt, each.sample),
        )
        if not here:
            continue
        whole = [(each, each.grade.soft) for each in here]
        yield from _files(PurePosixPath(category), FOLDERS[category], whole)
        if category == "complex":
            for part, folder in PART_FOLDERS.items():
                answers = [(each, _part(part, each, official_bugs=official_bugs)) for each in here]
                yield from _files(PurePosixPath(category), folder, answers)


def _part(part: Part, graded: Graded, *, official_bugs: bool) -> float:
    """Returns one of the scores of a complex picture; NaN where its kind has no such part."""
    if graded.seen.get("problem") or part not in PARTS.get(str(graded.prompt.metadata.get("kind")), ()):
        return math.nan
    return part_of(part, graded.prompt, graded.seen, official_bugs=official_bugs).soft


def _files(
    home: PurePosixPath, folder: str, answers: Sequence[Answer]
) -> Iterator[tuple[PurePosixPath, str]]:
    """Yields the files of one script: every answer, and the average in its own words."""
    place = home / folder
    numbers = [number_of(each.prompt, each.sample) for each, _ in answers]
    rows = [
        {"question_id": number, "answer": _answer(value, folder)}
        for number, (_, value) in zip(numbers, answers, strict=True)
    ]
    yield place / ANSWERS, json.dumps(rows)
    known = [value for _, value in answers if not math.isnan(value)]
    total, average = sum(known), _mean(known)
    if average is None:
        return
    match folder:
        case "annotation_blip":
            yield place / "blip_vqa_score.txt", f"BLIP-VQA score:{average}"
        case "annotation_clip":
            yield place / "score_avg.txt", f"score avg:{average}"
        case "annotation_num":
            yield place / "score.txt", f"total:{total} num:{len(known)} avg:{average}"
        case "annotation_3_in_1":
            yield place / "vqa_score.txt", f"score avg:{average}"
        case "labels/annotation_obj_detection_2d":
            yield place / "avg_score.txt", f"score avg:{average}"
            names = [PurePosixPath(each.picture).name for each, _ in answers]
            mapping = [
                {"image": name, "question_id": number} for name, number in zip(names, numbers, strict=True)
            ]
            yield place / "mapping.json", json.dumps(mapping)
        case _:
            yield place / "avg_result.txt", f"avg score is {average}"


def _answer(value: float, folder: str) -> float | str | None:
    if math.isnan(value):
        return None
    return f"{value:.4f}" if folder == BLIP else value


def _told(graded: Iterable[Graded]) -> dict[str, Any]:
    values = [each.grade.soft for each in graded]
    known = [value for value in values if not math.isnan(value)]
    return {"mean": _mean(known), "images": len(known), "missing": len(values) - len(known)}


def _mean(values: Sequence[float]) -> float | None:
    """Returns the mean; None of nothing."""
    return sum(values) / len(values) if values else None
