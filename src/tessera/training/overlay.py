"""Changes on top of a recipe: named flags and KEY=VALUE words, checked like any configuration."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tessera.config import from_plain, to_plain
from tessera.errors import UserError
from tessera.training.config import RunConfig


def overlaid(settings: RunConfig, named: Mapping[str, Any], words: Sequence[str]) -> RunConfig:
    """Returns the settings with values put at dotted places; None changes nothing.

    A word's value is JSON, or else text: steps=20, precision=float32, algorithm.clip=[0.1,0.2]. Setting the
    `kind` of a part puts the defaults of that kind in its place, before anything else of it is set.
    """
    data = to_plain(settings)
    changes = {path: value for path, value in named.items() if value is not None}
    changes |= dict(_parse(word) for word in words)
    for path in sorted(changes, key=lambda path: not path.endswith("kind")):
        _put(data, path, changes[path])
    return from_plain(RunConfig, data, where="--set" if words else "flags")


def _parse(word: str) -> tuple[str, Any]:
    path, equals, text = word.partition("=")
    if not equals or not path:
        raise UserError(f"--set takes KEY=VALUE, for example algorithm.kl_weight=0.02; got {word!r}")
    try:
        return path, json.loads(text)
    except json.JSONDecodeError:
        return path, text


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for depth, parent in enumerate(parents):
        inner = data.get(parent)
        if inner is None and parent in data:  # an optional part that was unset
            inner = data[parent] = {}
        if not isinstance(inner, dict):
            raise UserError(f"--set: {'.'.join(parents[: depth + 1])!r} is no part of the configuration")
        data = inner
    if name == "kind" and data.get("kind") != value:
        data.clear()
    data[name] = value
