"""Changes on top of a recipe: TOML files, named flags, KEY=VALUE words. In this order; later ones win.

All are checked like any configuration. A table of a file is merged into the part it names. Whatever sets the
`kind` of a part puts the defaults of that kind in its place, before anything else of it is set. A policy by
name takes the place of one by its settings.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tessera.config import from_plain, parse_word, read_toml, to_plain
from tessera.errors import UserError, nearest
from tessera.training.config import RunConfig

EXAMPLE = "algorithm.kl_weight=0.02"
FLAGS, SET = "flags", "--set"  # where a change comes from, if not from a file

Stage = tuple[str, dict[str, Any]]  # where the last change came from, and the configuration after it


def overlaid(
    settings: RunConfig, named: Mapping[str, Any], words: Sequence[str], files: Sequence[Path] = ()
) -> RunConfig:
    """Returns the settings with values put at dotted places; None among the named ones changes nothing.

    A word's value is JSON, or else text: steps=20, precision=float32, algorithm.clip=[0.1,0.2].
    """
    layers = [(str(path), _flat(read_toml(path))) for path in files]
    layers.append((FLAGS, {path: value for path, value in named.items() if value is not None}))
    layers.append((SET, dict(parse_word(word, EXAMPLE) for word in words)))
    data = to_plain(settings)
    stages: list[Stage] = [("recipe", copy.deepcopy(data))]
    for where, changes in layers:
        if "policy" in changes:  # whose name stands in for settings of a family
            data["model"] = None
        for path in sorted(changes, key=_kinds_first):
            _put(data, path, changes[path], where)
        if changes:
            stages.append((where, copy.deepcopy(data)))
    return _checked(stages)


def _checked(stages: Sequence[Stage]) -> RunConfig:
    """Returns the last stage as a configuration; an error names the change since which it has been wrong.

    What lies between need not hold: steps=51 may come from a file, the number of updates that divides it
    from a flag.
    """
    where, data = stages[-1]
    try:
        return from_plain(RunConfig, data, where=where)
    except UserError as error:
        if len(stages) > 1:
            _checked(stages[:-1])  # raises, if it was wrong before this change
        # A configuration that refuses its own values does not know which file they stand in.
        if where in (FLAGS, SET) or str(error).startswith(f"{where}: "):
            raise
        raise UserError(f"{where}: {error}") from error


def _flat(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Returns the values of nested tables by dotted path; an empty table has none."""
    values: dict[str, Any] = {}
    for key, value in table.items():
        path = f"{above}{key}"
        values |= _flat(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return values


def _kinds_first(path: str) -> tuple[bool, int]:
    *parents, name = path.split(".")
    return name != "kind", len(parents)


def _put(data: dict[str, Any], path: str, value: Any, where: str) -> None:
    *parents, name = path.split(".")
    for depth, parent in enumerate(parents):
        inner = data.get(parent)
        if inner is None and parent in data:  # an optional part that was unset
            inner = data[parent] = {}
        if not isinstance(inner, dict):
            place = ".".join(parents[: depth + 1])
            close = None if parent in data else nearest(parent, data)
            hint = f". Did you mean {close!r}?" if close else ""
            raise UserError(f"{where}: {place!r} is no part of the configuration{hint}")
        data = inner
    if name == "kind" and data.get("kind") != value:
        data.clear()
    data[name] = value
