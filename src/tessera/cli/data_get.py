"""`tessera data get`: fetches prompts of outside projects into the data directory, and verifies them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from tessera.cli.common import finish, parse_flags
from tessera.cli.progress import progress_bar
from tessera.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Fetch data sets from where their authors publish them: geneval, t2i-compbench, t2i-r1.

    Each file is held against a known digest and kept only if it is right. What is there is not fetched again,
    so the same line goes on after a broken transfer.

    Example: tessera data get geneval t2i-compbench
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional]
    """which; tessera data list tells of all"""
    data_dir: Path | None = None
    """the data directory; unset: TESSERA_DATA, else ~/.cache/tessera/data"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "data get", arguments)

    from tessera.data.catalogue import DATASETS, dataset
    from tessera.data.fetch import fetch
    from tessera.data.home import data_dir

    if not flags.names:
        raise UserError(f"say which: tessera data get {' '.join(each.name for each in DATASETS)}")
    root, wanted = data_dir(flags.data_dir), [dataset(name) for name in dict.fromkeys(flags.names)]
    with progress_bar(flags.json) as bar:
        kept = {each.name: fetch(each, root, bar) for each in wanted}
    rows, lines = [], []
    for each in wanted:
        folder, terms = root / each.folder, f"Licence: {each.licence}. Source: {each.home}, {each.source}."
        rows.append(
            {
                "name": each.name,
                "folder": str(folder),
                "licence": each.licence,
                "source": each.home,
                "kept": kept[each.name],
            }
        )
        lines.append(f"{each.name}: {folder}. {terms}")
        if kept[each.name]:
            lines.append(
                f"  Kept as it was, though not as published: {', '.join(kept[each.name])}. For what is "
                "published, delete it and run this again."
            )
    lines.append("Next: tessera data overlap --prompts t2i-r1 --benchmark compbench geneval")
    return finish({"data_dir": str(root), "datasets": rows}, as_json=flags.json, lines=lines)
