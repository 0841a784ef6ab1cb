"""Somebody else's code, by name: `module:function`. What it raises keeps its own traceback."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from tessera.errors import UserError


def check_name(name: str, what: str) -> None:
    """Refuses what is not written module:function; `what` says what it is the name of."""
    module, _, function = name.partition(":")
    if not module or not function.isidentifier():
        raise UserError(f"{what} is named module:function, got {name!r}")


def load_named(name: str, what: str) -> Callable[..., Any]:
    """Returns the function of that name, its module imported."""
    place, _, attribute = name.partition(":")
    try:
        module = import_module(place)
    except ModuleNotFoundError as error:
        # A module that is there but lacks one of its own imports keeps its own error.
        if error.name is None or not f"{place}.".startswith(f"{error.name}."):
            raise
        raise UserError(
            f"there is no module {error.name!r} for {what} {name!r}; install it, or put its folder on "
            "PYTHONPATH"
        ) from error
    function = vars(module).get(attribute)
    if not callable(function):
        raise UserError(f"{place} has no function {attribute!r}, which {what} {name!r} names")
    return function
