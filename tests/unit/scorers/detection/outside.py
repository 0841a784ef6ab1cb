"""Data of other projects, which is not part of this one: a test that needs it skips without it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest


def outside(name: str) -> Path:
    """Returns a file or folder of the data directory; skips the test where it is not there."""
    told = os.environ.get("TESSERA_DATA")
    folder = Path(told) if told else Path(__file__).parents[5] / "shared" / "data"
    if not (folder / name).exists():
        pytest.skip(f"needs {name} of the data directory; set TESSERA_DATA to the folder that has it")
    return folder / name


def fixture(name: str) -> list[dict[str, Any]]:
    """Returns the golden vectors of that name: inputs with what the published rule says of them."""
    return json.loads(outside(f"fixtures/{name}.json").read_text(encoding="utf-8"))


def lines(name: str) -> list[str]:
    """Returns the lines of a file of T2I-CompBench's prompts that are not empty."""
    text = outside(f"t2i_compbench/dataset/{name}.txt").read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]
