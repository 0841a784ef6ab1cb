"""Golden vectors and prompts of the data directory; a test that needs them skips without them."""

import json
from typing import Any

from tests.outside import outside


def fixture(name: str) -> list[dict[str, Any]]:
    """Returns the golden vectors of that name: inputs with what the published rule says of them."""
    return json.loads(outside(f"fixtures/{name}.json").read_text(encoding="utf-8"))


def lines(name: str) -> list[str]:
    """Returns the lines of a file of T2I-CompBench's prompts that are not empty."""
    text = outside(f"t2i_compbench/dataset/{name}.txt").read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]
