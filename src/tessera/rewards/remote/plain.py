"""JSON from the other side of a wire, read strictly into configurations."""

import json
from typing import Annotated, Any, TypeVar

from pydantic import Field

from tessera.config import from_plain
from tessera.errors import UserError

SAID = 500  # characters of a message that quotes the other side

T = TypeVar("T")

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # no text, no true or false


def from_json(cls: type[T], text: bytes, where: str) -> T:
    """Returns the configuration that the text holds; any fault is a `UserError` that begins with `where`."""
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError) as error:  # a ValueError is also text that is not UTF-8
        raise UserError(f"{where}: no JSON: {error}") from error
    if not isinstance(data, dict):
        raise UserError(f"{where}: no JSON object but {str(data)[:40]!r}")
    try:
        return from_plain(cls, data, where=where)
    except UserError as error:
        raise UserError(str(error)[:SAID]) from error  # it quotes the value, which may be long
