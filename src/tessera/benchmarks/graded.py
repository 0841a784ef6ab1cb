"""A picture of a benchmark, what was seen on it and the verdict: what summaries are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tessera.types import Grade, Prompt


@dataclass(frozen=True, kw_only=True, slots=True)
class Graded:
    """A picture after both halves of grading: the instruments looked, the rules judged."""

    prompt: Prompt
    sample: int
    picture: str  # where it lies, below the benchmark's folder
    seen: Mapping[str, Any]  # plain data
    grade: Grade
