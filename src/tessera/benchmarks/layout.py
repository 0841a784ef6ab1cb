"""What an evaluation folder holds and under which names; shared by the runner and the report."""

import json
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from tessera.types import EvalRecord

RECORDS = "eval.jsonl"
SCORES = "scores.jsonl"  # of the candidates of best-of-n, where there are any
SCORERS = "scorers.json"  # {name: digest} of who gave them
SUMMARY = "summary.json"
JUDGES = "judges.json"  # of a folder in which scorers are judged
PAGE = "report.html"


def picture_path(record: EvalRecord) -> PurePosixPath:
    """Returns where the picture of a record lies, relative to the folder."""
    if record.picture:
        return PurePosixPath(record.picture)
    name = f"{_part(record.prompt_id.rpartition('/')[2])}-{record.sample}.png"
    return PurePosixPath("pictures", _part(record.benchmark), _part(record.category), name)


def _part(name: str) -> str:
    """Returns a name as one part of a path: distinct for distinct names, never a way out of the folder."""
    part = quote(name, safe="+,= ")
    return f"%2E{part[1:]}" if part.startswith(".") else part


def read_summary(folder: Path) -> dict[str, Any]:
    """Returns `summary.json`: {benchmark: {"overall": estimate, "categories": {name: estimate}, ...}}."""
    return json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
