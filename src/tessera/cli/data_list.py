"""`tessera data list`: which data sets are there, whole or changed, on which terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tessera.cli.common import finish, parse_flags

if TYPE_CHECKING:
    from tessera.data.home import State


@dataclass(frozen=True, kw_only=True)
class Flags:
    """List the data sets of outside projects: what is there, held against its digests, and the licences.

    Example: tessera data list
    """

    data_dir: Path | None = None
    """the data directory; unset: TESSERA_DATA, else ~/.cache/tessera/data"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "data list", arguments)

    from tessera.data.catalogue import DATASETS
    from tessera.data.home import data_dir, state

    root = data_dir(flags.data_dir)
    rows, lines = [], [f"Data directory: {root}", ""]
    for each in DATASETS:
        found = state(each.files, root / each.folder)
        rows.append(
            {
                "name": each.name,
                "folder": each.folder,
                "files": len(each.files),
                "missing": list(found.missing),
                "changed": list(found.changed),
                "licence": each.licence,
                "home": each.home,
                "source": each.source,
            }
        )
        lines += [
            f"{each.name}: {told(found, len(each.files))}",
            f"  holds    {each.holds}",
            f"  folder   {each.folder}/",
            f"  licence  {each.licence}",
            f"  source   {each.home}, {each.source}",
            *([f"  get      tessera data get {each.name}"] if found.missing else []),
            "",
        ]
    return finish({"data_dir": str(root), "datasets": rows}, as_json=flags.json, lines=lines[:-1])


def told(found: "State", count: int) -> str:
    """Returns how much of so many files is there, in words."""
    from tessera.data.home import listed

    if found.whole:
        return "verified"
    if len(found.missing) == count:
        return "not here"
    there = f"{count - len(found.missing)} of {count} files" if found.missing else ""
    changed = f"not as published: {listed(found.changed)}" if found.changed else ""
    return "; ".join(filter(None, (there, changed)))
