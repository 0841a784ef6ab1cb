"""Published numbers beside ours: a small file of them, each with where it was read and how far it compares.

Whoever adds one reads it in the named source first; a number from memory has no place there.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cache
from importlib.resources import files

from tessera.config import config, from_plain

FILE = "published.toml"


@config
class PublishedRow:
    """One model's scores as printed, in [0, 1] and with the digits of the source: text, not numbers."""

    model: str
    overall: str = ""
    scores: Mapping[str, str] = field(default_factory=dict)  # by category, in Tessera's names


@config
class Source:
    """Where numbers were read."""

    benchmark: str  # how the names of its benchmark begin in Tessera
    source: str  # arXiv id, or owner/repo:path at a commit
    measured: str  # with what, and by whom
    comparable: str  # with what Tessera computes: how far
    row: tuple[PublishedRow, ...]


@config
class _File:
    source: tuple[Source, ...]


def sources_of(benchmark: str, categories: Sequence[str]) -> list[Source]:
    """Returns the sources of a benchmark that have a number for one of these categories."""
    return [
        source
        for source in _read()
        if benchmark.startswith(source.benchmark)
        and any(category in row.scores for row in source.row for category in categories)
    ]


@cache
def _read() -> tuple[Source, ...]:
    text = files("tessera.report.compare").joinpath(FILE).read_text(encoding="utf-8")
    return from_plain(_File, tomllib.loads(text), where=FILE).source
