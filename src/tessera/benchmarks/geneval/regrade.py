"""Saved detections graded again: other thresholds or rules, and no model.

A row of detections: {"metadata": a line of evaluation_metadata.jsonl, "detected": {class: [{"box": [left,
top, right, bottom, score], "color": name}, ...]}}; "counted_above", if it says so, the score above which its
objects count where no threshold is given; and whatever else the row says, which is kept. Written are

    results.jsonl   the rows with {"tag", "prompt", "correct", "reason"}, in order; correct is null where a
                    picture could not be judged
    summary.json    per tag the share of right pictures, their unweighted mean, pictures and prompts
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tessera.benchmarks.geneval.official import RESULTS, summarised
from tessera.benchmarks.geneval.rows import right, verdict_on
from tessera.errors import UserError
from tessera.storage import write_json, write_lines

SUMMARY = "summary.json"


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
    """Returns the rows with their verdicts. A threshold that is None is the row's own, if it names one.

    Detections are saved above a threshold already; another one can only be higher.
    """
    found = []
    for number, row in enumerate(rows, 1):
        try:
            metadata = row["metadata"]
            least = counting_threshold if metadata["tag"] == "counting" else threshold
            grade = verdict_on(row, row.get("counted_above") if least is None else least)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UserError(
                f'{where}, row {number}: expected {{"metadata": {{"tag", "include", ...}}, "detected": '
                f'{{class: [{{"box": [left, top, right, bottom, score], "color": ...}}]}}}}, got {error!r}'
            ) from error
        verdict = {"correct": right(grade), "reason": grade.reason}
        told = {"tag": metadata["tag"], "prompt": metadata.get("prompt", "")}
        found.append({**{k: v for k, v in row.items() if k != "detected"}, **told, **verdict})
    if not found:
        raise UserError(f"{where} holds no row")
    return found


def regrade(detections: Path, out: Path, threshold: float | None, counting: float | None) -> dict[str, Any]:
    """Writes verdicts and summary of saved detections into a folder; returns the summary."""
    results = regraded(read_detections(detections), str(detections), threshold, counting)
    summary = {**summarised(results), "threshold": threshold, "counting_threshold": counting}
    write_lines(out / RESULTS, results)
    write_json(out / SUMMARY, summary)
    return summary
