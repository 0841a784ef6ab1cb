"""Configuration as data: frozen dataclasses that read from and write to plain JSON or TOML values.

    @config
    class SampleConfig:
        seed: int = 0

An unknown key, a missing one or a value of the wrong type is a `UserError` that names the place and, for a
misspelt key, the nearest one. No torch here.
"""

import copy
import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, dataclass_transform, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from tessera.errors import UserError, nearest

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def config(cls: type[T]) -> type[T]:
    """Makes a class a frozen keyword-only dataclass that refuses unknown keys when read from data."""
    cls.__pydantic_config__ = ConfigDict(extra="forbid", strict=False)  # pyright: ignore[reportAttributeAccessIssue]
    return cast(type[T], dataclass(frozen=True, kw_only=True, slots=True)(cls))


def from_plain(cls: type[T], data: Mapping[str, Any], *, where: str) -> T:
    """Returns the configuration in plain data; `where` (a file, a flag) begins the error message."""
    try:
        return _adapter(cls).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        if first["type"] == "unexpected_keyword_argument":
            close = nearest(str(first["loc"][-1]), _known_keys(cls, first["loc"][:-1]))
            hint = f" Did you mean {close!r}?" if close else ""
            raise UserError(f"{where}: unknown key {path!r}.{hint}") from error
        if first["type"] == "missing":
            raise UserError(f"{where}: key {path!r} is missing") from error
        raise UserError(f"{where}: {path or 'the value'}: {first['msg']}, got {first['input']!r}") from error


def to_plain(value: object) -> dict[str, Any]:
    """Returns plain data (dictionaries, lists, numbers, strings) that `from_plain` reads back."""
    return _adapter(type(value)).dump_python(value, mode="json")


def digest(value: object) -> str:
    """Returns a short hash of a configuration: equal for equal values, stable over machines and runs."""
    text = json.dumps(to_plain(value), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@cache
def _adapter(cls: type) -> Any:  # TypeAdapter of the class, which the checker of shapes cannot read
    """Returns what reads and writes a class; making one takes longer than using it a hundred times."""
    return TypeAdapter(cls)


def _known_keys(cls: type, path: tuple[int | str, ...]) -> list[str]:
    """Returns the keys allowed at a nested place of a configuration, or none if the place is not one."""
    here = [cls]
    for part in path:
        deeper = [_fields(outer)[part] for outer in here if part in _fields(outer)]
        inside = [inner for annotation in deeper for inner in _classes(annotation)]
        # A part that is no field is the kind of a union's variant, which pydantic puts into the path.
        here = inside or [variant for variant in here if part in get_args(_fields(variant).get("kind"))]
    return sorted({name for each in here for name in _fields(each)})


def _fields(cls: Any) -> dict[str, Any]:
    return {each.name: each.type for each in fields(cls)} if is_dataclass(cls) else {}


def _classes(annotation: Any) -> list[Any]:
    """Returns the configurations that a field may hold: one, or the variants of a union."""
    if get_origin(annotation) is Annotated:
        return _classes(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [each for part in get_args(annotation) for each in _classes(part)]
    return [annotation] if is_dataclass(annotation) else []


def parse_word(word: str, example: str) -> tuple[str, Any]:
    """Returns the dotted place and the value of a KEY=VALUE word; a value is JSON, or else text."""
    path, equals, text = word.partition("=")
    if not equals or not path:
        raise UserError(f"--set takes KEY=VALUE, for example {example}; got {word!r}")
    try:
        return path, json.loads(text)
    except json.JSONDecodeError:
        return path, text


def merged(data: Mapping[str, Any], words: Sequence[str], example: str) -> dict[str, Any]:
    """Returns plain data with the values of KEY=VALUE words at their dotted places."""
    whole = copy.deepcopy(dict(data))
    for word in words:
        path, value = parse_word(word, example)
        *parents, key = path.split(".")
        part = whole
        for parent in parents:
            part = part.setdefault(parent, {})
            if not isinstance(part, dict):
                raise UserError(f"--set {word}: {parent!r} is a value and has no parts")
        part[key] = value
    return whole


def read_toml(path: Path) -> dict[str, Any]:
    """Returns the tables of a file that --config names."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--config {path}: {error.strerror or error}. It takes TOML files") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no TOML: {error}. Text stands in quotes, lists in brackets") from error
