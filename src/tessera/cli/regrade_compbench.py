"""`tessera regrade compbench`: verdicts on kept evidence again, without a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tessera.cli.common import command_line, finish, parse_flags
from tessera.errors import UserError
from tessera.scorers.compbench.faults import table

HELP = f"""Apply T2I-CompBench's rules to what its instruments saw: mended, or with the faults of its scripts.

Reads answers.jsonl as tessera eval keeps it. Writes grades.jsonl (score, reason; in order), summary.json and
the files of T2I-CompBench's scripts.
Example: tessera regrade compbench --answers runs/eval/compbench/answers.jsonl --out runs/compbench

Faults that are mended, or with --official-bugs applied:

{table()}
"""


@dataclass(frozen=True, kw_only=True)
class Flags:
    __doc__ = HELP

    answers: Path
    """JSON lines"""
    out: Path
    """folder of the results"""
    official_bugs: bool = False
    """with the faults of the published scripts, for their numbers; without it they are mended"""
    resume: bool = False
    """write over the results in --out"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "regrade compbench", arguments)

    from tessera import __version__
    from tessera.benchmarks.compbench.regrade import GRADES, regrade
    from tessera.hub import files_digest
    from tessera.storage import open_in_place

    if not flags.answers.is_file():
        raise UserError(f"--answers {flags.answers} is no file")
    header = {
        "tessera": __version__,
        "answers": files_digest([flags.answers]),
        "official_bugs": flags.official_bugs,
    }
    notes = {"command": command_line("regrade compbench", arguments)}
    open_in_place(flags.out, header, resume=flags.resume, notes=notes)
    summary = regrade(flags.answers, flags.out, official_bugs=flags.official_bugs)
    lines = [
        f"{category:<12}{_number(each['mean'])}  {each['images']:>5} pictures"
        + (f", {each['missing']} not judged" if each["missing"] else "")
        for category, each in summary["categories"].items()
    ]
    lines += [
        f"{'overall':<12}{_number(summary['overall'])}  {summary['overall_is']}",
        f"Rules: {summary['rules']}",
        f"Every verdict with its reason: {flags.out / GRADES}",
    ]
    return finish({"out": str(flags.out), **summary}, as_json=flags.json, lines=lines)


def _number(value: float | None) -> str:
    return f"{'—':>9}" if value is None else f"{value:9.4f}"
