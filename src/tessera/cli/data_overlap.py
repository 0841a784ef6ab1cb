"""`tessera data overlap`: which prompts of a benchmark are among training prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tessera.cli.common import finish, parse_flags
from tessera.errors import UserError

if TYPE_CHECKING:
    from tessera.data.overlap import Shared

SHOWN = 20  # pairs of a benchmark; --json has all


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Compare training prompts with the prompts of benchmarks: same texts, same words, same but for articles.

    Example: tessera data overlap --prompts t2i-r1 --benchmark compbench geneval
    """

    prompts: str
    """training prompts, as in a run's settings: mosaic-id, compbench, t2i-r1, a file (.txt, .jsonl, .csv)"""
    benchmark: tuple[str, ...]
    """what they are compared with: compbench, geneval, mosaic-id, mosaic-ood, or some categories of one"""
    data_dir: Path | None = None
    """the data directory; unset: TESSERA_DATA, else ~/.cache/tessera/data"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "data overlap", arguments)

    from tessera.data.sources import load_source, overlap_with

    if not flags.benchmark:
        raise UserError("say what to compare with: --benchmark compbench geneval")
    stream = load_source(flags.prompts, flags.data_dir)
    rows, lines = [], list(stream.notes)
    for name in dict.fromkeys(flags.benchmark):
        found = overlap_with(stream, name, flags.data_dir)
        rows.append(
            {
                "benchmark": name,
                "train": found.train,
                "test": found.test,
                "same": len(found.same),
                "articles": len(found.of("articles")),
                "pairs": [
                    {"train": train, "test": test, "degree": degree} for train, test, degree in found.pairs
                ],
            }
        )
        none = f"No overlap of {stream.name} ({found.train} prompts) with {name} ({found.test} prompts)."
        lines.append(found.sentence(stream.name, name) or none)
        lines += [lines_of(each) for each in found.shared[:SHOWN]]
        if len(found.shared) > SHOWN:
            lines.append(f"  and {len(found.shared) - SHOWN} more; --json has all of them")
    if any(row["pairs"] for row in rows):
        names = ",".join(row["benchmark"] for row in rows if row["pairs"])
        lines.append(f'The same source without them: prompts = "{stream.name} without {names}"')
    result = {"prompts": stream.name, "notes": list(stream.notes), "benchmarks": rows}
    return finish(result, as_json=flags.json, lines=lines)


def lines_of(shared: "Shared") -> str:
    """Returns what a person reads of a test prompt that was trained on."""
    first, more = shared.train[0], len(shared.train) - 1
    also = f" and {more} more" if more else ""
    return f"  {shared.degree:<8}  {shared.test.id}  {shared.test.text!r}  <-  {first.id}{also}"
