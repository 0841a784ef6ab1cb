"""What was measured of the exported policy and of its base: rows of evaluation folders, none invented.

Taken are folders of `tessera eval` and of `tessera understand` whose policy has the digest of either.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tessera.benchmarks.layout import RECORDS, SUMMARY, read_summary
from tessera.benchmarks.understanding.layout import ANSWERS
from tessera.errors import UserError
from tessera.storage import CONFIG

THIS, BASE = "this model", "its base"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One score with its interval; None is a score that is not known."""

    whose: str
    benchmark: str
    category: str
    estimate: Mapping[str, Any]  # mean, ci_low, ci_high, n
    graded: int | None  # pictures, or answers, that it is made of; of a whole benchmark alone
    missing: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What one folder says."""

    rows: tuple[Row, ...]
    how: str  # view, seed, number of pictures
    command: str


def read_results(folder: Path, digests: Mapping[str, str]) -> Measured:
    """Returns the scores in a folder; `digests` are those of the policies that may be measured, by name."""
    if not (folder / CONFIG).is_file() or not (folder / SUMMARY).is_file():
        raise UserError(f"{folder} is no finished folder of `tessera eval` or `tessera understand`")
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    summary, command = read_summary(folder), config.get("command", "")
    if (folder / ANSWERS).is_file():
        rows = tuple(_answered(folder, summary, digests))
        return Measured(rows=rows, how="Questions about pictures.", command=command)
    if not (folder / RECORDS).is_file():
        raise UserError(f"{folder} holds no evaluation: {RECORDS} is missing")
    whose = _whose(folder, config.get("policy_digest", ""), digests)
    view, how = config["view"], []
    how.append(", ".join(f"{name.replace('_', '-')} {view[name]}" for name in view))
    how.append(f"seed {config['seed']}")
    if config.get("best_of", 1) > 1:
        how.append(f"all of {config['best_of']} candidates for each picture")
    return Measured(rows=tuple(_scores(whose, summary)), how=f"{whose}: {', '.join(how)}.", command=command)


def _scores(whose: str, summary: Mapping[str, Any]) -> Iterator[Row]:
    for benchmark, result in summary.items():
        count = {"graded": result["images"] - result["missing"], "missing": result["missing"]}
        yield Row(whose=whose, benchmark=benchmark, category="", estimate=result["overall"], **count)
        for name, each in result["categories"].items():
            yield Row(
                whose=whose, benchmark=benchmark, category=name, estimate=each, graded=None, missing=None
            )


def _answered(folder: Path, summary: Mapping[str, Any], digests: Mapping[str, str]) -> Iterator[Row]:
    for result in summary["policies"].values():
        yield Row(
            whose=_whose(folder, result["policy_digest"], digests),
            benchmark="reading pictures",
            category="",
            estimate=result["overall"],
            graded=result["questions"] - result["missing"],
            missing=result["missing"],
        )


def _whose(folder: Path, digest: str, digests: Mapping[str, str]) -> str:
    for whose, known in digests.items():
        if known and digest == known:
            return whose
    raise UserError(
        f"{folder} measured a policy with the digest {digest[:12] or 'unknown'}, which is neither "
        f"{' nor '.join(f'{whose} ({known[:12]})' for whose, known in digests.items())}; measure the "
        "checkpoint that you export: tessera eval --policy CHECKPOINT"
    )
