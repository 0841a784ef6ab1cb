"""`tessera compare`: evaluations side by side, with paired differences and the pictures that changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from tessera.cli.common import command_line, finish, link, parse_flags
from tessera.errors import UserError

MARKDOWN, LATEX, NUMBERS = "compare.md", "compare.tex", "compare.json"


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Compare evaluations: scores with intervals, paired differences from the first, pictures that changed.

    Prompts that all share are compared; what differs otherwise is said. With --out it writes compare.md,
    compare.tex, compare.json and a page.
    Example: tessera compare runs/base runs/grpo --out runs/base-and-grpo
    """

    folders: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """two or more folders made by tessera eval; differences are from the first"""
    name: tuple[str, ...] = ()
    """names for tables and columns, one for each folder; unset: those of the folders"""
    out: Path | None = None
    """folder for tables and page; unset: the terminal alone"""
    num: int = 12
    """pictures on the page that improved most, and as many that broke; 0 for none"""
    published: bool = False
    """also show published numbers of the same benchmarks, with their sources"""
    resume: bool = False
    """make tables and page again in a folder made with the same flags"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "compare", arguments)
    if flags.num < 0:
        raise UserError(f"--num is a number of pictures, 0 or more, got {flags.num}")

    from tessera import __version__
    from tessera.benchmarks.layout import PAGE
    from tessera.report.compare.page import (
        compare,
        compare_json,
        compare_latex,
        compare_lines,
        compare_markdown,
        compare_page,
    )
    from tessera.storage import OutputFolder, full_disk_told, write_atomic, write_json

    # Pictures are read for the page alone.
    most = flags.num if flags.out else 0
    comparison = compare(flags.folders, flags.name, published=flags.published, most=most)
    result, lines = compare_json(comparison), compare_lines(comparison)
    if flags.out is None:
        words = " ".join(link(folder.absolute()) for folder in flags.folders)
        return finish(
            result, as_json=flags.json, lines=[*lines, f"For a page: tessera compare {words} --out FOLDER"]
        )
    settings = {
        "tessera": __version__,
        "folders": [str(folder.absolute()) for folder in flags.folders],
        "name": list(flags.name),
        "published": flags.published,
        "num": flags.num,
    }
    folder = OutputFolder.open(flags.out, settings, resume=flags.resume)
    command = command_line("compare", arguments)
    with full_disk_told(flags.out):
        write_json(folder.work / NUMBERS, result)
        for name, text in (
            (MARKDOWN, compare_markdown(comparison)),
            (LATEX, compare_latex(comparison)),
            (PAGE, compare_page(comparison, command)),
        ):
            write_atomic(folder.work / name, text.encode())
        folder.note({"command": command})
    folder.finish()
    lines += [
        f"Tables to paste: {link(folder.final / MARKDOWN)}, {link(folder.final / LATEX)}",
        f"Open {link(folder.final / PAGE)} in a browser.",
    ]
    return finish({"out": str(folder.final), **result}, as_json=flags.json, lines=lines)
