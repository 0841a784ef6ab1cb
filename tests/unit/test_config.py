"""Configuration is data: it round-trips, and a mistake in it is named with its place."""

import dataclasses
from typing import Annotated, Literal

import pytest
from pydantic import Field

from tessera.config import config, digest, from_plain, to_plain
from tessera.errors import UserError
from tessera.types import View


@config
class Inner:
    """A nested part."""

    rate: float = 0.1


@config
class Fast:
    """One variant of a union."""

    kind: Literal["fast"] = "fast"
    speed: float = 1.0


@config
class Slow:
    """The other."""

    kind: Literal["slow"] = "slow"
    patience: float = 1.0


@config
class Outer:
    """A whole."""

    steps: int
    inner: Inner = Inner()
    view: View = View()
    words: tuple[str, ...] = ()
    way: Annotated[Fast | Slow, Field(discriminator="kind")] = Fast()


def test_plain_data_reads_back_equal() -> None:
    value = Outer(steps=3, inner=Inner(rate=0.5), view=View(guidance=2.0), words=("a", "b"), way=Slow())
    assert from_plain(Outer, to_plain(value), where="test") == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"steps": 1, "stepz": 2}, r"file: unknown key 'stepz'. Did you mean 'steps'\?"),
        ({"steps": 1, "inner": {"rat": 2}}, r"file: unknown key 'inner.rat'. Did you mean 'rate'\?"),
        (
            {"steps": 1, "way": {"kind": "slow", "patiance": 2}},
            r"'way.slow.patiance'. Did you mean 'patience'",
        ),
        ({"steps": 1, "way": {"kind": "slow", "sped": 2}}, r"unknown key 'way.slow.sped'\.$"),
        ({"steps": 1, "way": {"kind": "sloe"}}, "file: way: .*'fast', 'slow'"),
        ({}, "file: key 'steps' is missing"),
        ({"steps": "many"}, "file: steps: .*got 'many'"),
        ({"steps": 1, "inner": {"rate": []}}, "file: inner.rate"),
    ],
)
def test_a_mistake_is_named_with_its_place(data: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        from_plain(Outer, data, where="file")


def test_configurations_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Outer(steps=1).steps = 2  # pyright: ignore[reportAttributeAccessIssue]


def test_equal_configurations_have_equal_digests_and_others_do_not() -> None:
    assert digest(Outer(steps=1)) == digest(Outer(steps=1))
    assert digest(Outer(steps=1)) != digest(Outer(steps=1, inner=Inner(rate=0.2)))
