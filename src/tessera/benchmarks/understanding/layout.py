"""What a folder of answers holds, and under which names; shared by the runner and the report. No torch."""

import json
from pathlib import Path
from typing import Any

ANSWERS = "understanding.jsonl"  # one line per policy and question
SUMMARY = "summary.json"


def read_understanding(folder: Path) -> dict[str, Any]:
    """Returns `summary.json`: {"policies": {name: scores}, "differences": {name: from the first}}."""
    return json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
