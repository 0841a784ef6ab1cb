"""Runs commands as a person does: arguments in, exit code and both streams out."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tessera.cli.main import main


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Returns a function that runs `tessera` with the given words."""

    def call(*words: object) -> Outcome:
        try:
            code = main([str(word) for word in words])
        except SystemExit as exit_:  # how flag parsers leave
            code = exit_.code if isinstance(exit_.code, int) else 1
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call
