"""Saved detections graded again: other thresholds or rules, and no model.

A row of detections: {"metadata": a line of evaluation_metadata.jsonl, "detected": {class: [{"box": [left,
top, right, bottom, score], "color": name}, ...]}}, and whatever else the row says, which is kept. Written are

    results.jsonl   the rows with {"tag", "prompt", "correct", "reason"}, in order
    summary.json    per tag the share of right pictures, their unweighted mean, pictures and prompts
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tessera.benchmarks.geneval.rules import geneval
from tessera.errors import UserError
from tessera.scorers.detection.geneval import MOST, Seen
from tessera.storage import write_json, write_lines

RESULTS, SUMMARY = "results.jsonl", "summary.json"
TAGS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")


def read_detections(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the rows of a file of detections, JSON lines or one JSON list."""
    try:
        text = path.read_text(encoding="utf-8")
        rows = json.loads(text) if text.lstrip().startswith("[") else map(json.loads, text.splitlines())
        yield from rows
    except OSError as error:
        raise UserError(f"--detections {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is no JSON: {error}") from error


def regraded(
    rows: Iterable[Mapping[str, Any]],
    where: str,
    threshold: float | None = None,
    counting_threshold: float | None = None,
) -> list[dict[str, Any]]:
    """Returns the rows with their verdicts. A threshold that is None takes the detections as they are.

    Detections are saved above a threshold already; another one can only be higher.
    """
    found = []
    for number, row in enumerate(rows, 1):
        try:
            metadata, detected = row["metadata"], row["detected"]
            least = counting_threshold if metadata["tag"] == "counting" else threshold
            seen = {name: _counting(objects, least) for name, objects in detected.items()}
            grade = geneval(metadata, seen)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UserError(
                f'{where}, row {number}: expected {{"metadata": {{"tag", "include", ...}}, "detected": '
                f'{{class: [{{"box": [left, top, right, bottom, score], "color": ...}}]}}}}, got {error!r}'
            ) from error
        verdict = {"correct": bool(grade.strict == 1), "reason": grade.reason}
        told = {"tag": metadata["tag"], "prompt": metadata.get("prompt", "")}
        found.append({**{k: v for k, v in row.items() if k != "detected"}, **told, **verdict})
    if not found:
        raise UserError(f"{where} holds no row")
    return found


def summarised(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns GenEval's summary: the mean over pictures of each tag, and the unweighted mean of the tags."""
    by_tag: dict[str, list[bool]] = {}
    by_prompt: dict[str, bool] = {}
    for row in results:
        by_tag.setdefault(row["tag"], []).append(row["correct"])
        by_prompt[row["prompt"]] = by_prompt.get(row["prompt"], False) or row["correct"]
    order = [tag for tag in TAGS if tag in by_tag] + [tag for tag in by_tag if tag not in TAGS]
    tags = {tag: {"mean": sum(by_tag[tag]) / len(by_tag[tag]), "images": len(by_tag[tag])} for tag in order}
    return {
        "images": len(results),
        "prompts": len(by_prompt),
        "correct_images": sum(row["correct"] for row in results) / len(results),
        "correct_prompts": sum(by_prompt.values()) / len(by_prompt),
        "tags": tags,
        "overall": sum(each["mean"] for each in tags.values()) / len(tags),
    }


def regrade(detections: Path, out: Path, threshold: float | None, counting: float | None) -> dict[str, Any]:
    """Writes verdicts and summary of saved detections into a folder; returns the summary."""
    results = regraded(read_detections(detections), str(detections), threshold, counting)
    summary = {**summarised(results), "threshold": threshold, "counting_threshold": counting}
    write_lines(out / RESULTS, results)
    write_json(out / SUMMARY, summary)
    return summary


def _counting(objects: Sequence[Mapping[str, Any]], least: float | None) -> list[Seen]:
    """Returns the objects above the threshold, the most confident first, and of equal ones the earlier."""
    seen = [
        Seen(score=float(each["box"][4]), box=_box(each["box"]), colour=each.get("color") or "")
        for each in objects
    ]
    ordered = sorted(seen, key=lambda each: -each.score)
    return [each for each in ordered if least is None or each.score > least][:MOST]


def _box(values: Sequence[float | int]) -> tuple[float, float, float, float]:
    left, top, right, bottom, _ = values
    return float(left), float(top), float(right), float(bottom)
