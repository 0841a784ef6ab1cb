"""Kept evidence judged again: the rules mended or as published, and no model.

A row is a line of `answers.jsonl` as `tessera eval` keeps it: what `scorers.compbench.evaluator` saw, with
"prompt_id", "sample" and "picture". Written are

    grades.jsonl    {"prompt_id", "sample", "category", "prompt", "score", "reason", "facts"}, in order; the
                    score is null where a picture could not be judged
    summary.json    the mean of each category, and by which rules
    {category}/...  the files of T2I-CompBench's scripts (`official.py`)
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tessera.benchmarks.compbench import official
from tessera.benchmarks.compbench.benchmark import summary
from tessera.benchmarks.graded import Graded
from tessera.errors import UserError
from tessera.scorers.compbench.verdict import verdict
from tessera.storage import write_atomic, write_json, write_lines
from tessera.types import Prompt

GRADES, SUMMARY = "grades.jsonl", "summary.json"


def read_answers(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the rows of a file of evidence."""
    try:
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())
    except OSError as error:
        raise UserError(f"--answers {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is no JSON lines: {error}") from error


def regraded(rows: Iterable[Mapping[str, Any]], where: str, *, official_bugs: bool) -> list[Graded]:
    """Returns every row with its verdict."""
    found = []
    for number, row in enumerate(rows, 1):
        try:
            prompt = Prompt(id=row["prompt_id"], **row["prompt"])
            grade = verdict(prompt, row, official_bugs=official_bugs)
            sample, picture = int(row["sample"]), str(row["picture"])
            found.append(Graded(prompt=prompt, sample=sample, picture=picture, seen=row, grade=grade))
            official.number_of(prompt, sample)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UserError(
                f"{where}, row {number}: expected a line of answers.jsonl as tessera eval keeps it, with "
                f'"prompt_id", "sample", "picture", "prompt" and what was seen; got {error!r}'
            ) from error
    if not found:
        raise UserError(f"{where} holds no row")
    return found


def regrade(answers: Path, out: Path, *, official_bugs: bool) -> dict[str, Any]:
    """Writes verdicts, the scripts' files and a summary into a folder; returns the summary."""
    graded = regraded(read_answers(answers), str(answers), official_bugs=official_bugs)
    write_lines(out / GRADES, map(_line, graded))
    for name, text in official.results(graded, official_bugs=official_bugs):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out / name, text.encode())
    told = summary(graded, official_bugs=official_bugs)
    write_json(out / SUMMARY, told)
    return told


def _line(graded: Graded) -> dict[str, Any]:
    return {
        "prompt_id": graded.prompt.id,
        "sample": graded.sample,
        "category": graded.prompt.category,
        "prompt": graded.prompt.text,
        "score": graded.grade.soft,
        "reason": graded.grade.reason,
        "facts": [asdict(fact) for fact in graded.grade.facts],
    }
