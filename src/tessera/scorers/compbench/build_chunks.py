"""`python -m tessera.scorers.compbench.build_chunks`: prompts read by spaCy, once, into a JSON file.

T2I-CompBench reads its prompts with spaCy's en_core_web_sm; this writes what it says of them, so that nobody
else needs it. Install the extra and the model (which is not on PyPI) first:

    pip install 'tessera[chunks]' && python -m spacy download en_core_web_sm
    python -m tessera.scorers.compbench.build_chunks t2i_compbench/dataset/*_val.txt --out chunks.json

The file goes to the setting `chunks` of the scorer `compbench` and of the benchmark.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from tessera.errors import UserError
from tessera.storage import write_json

MODEL = "en_core_web_sm"


class Token(Protocol):
    """A word of spaCy's."""

    text: str
    pos_: str


class Sentence(Protocol):
    """What spaCy makes of a prompt: its words, one after another, and its noun phrases."""

    noun_chunks: Any  # of spans, each with its text

    def __iter__(self) -> Any: ...


def readings(prompts: Iterable[str], parse: Callable[[str], Sentence]) -> dict[str, dict[str, Any]]:
    """Returns what a parser says of each prompt: its noun phrases, its words and their kind."""
    found: dict[str, dict[str, Any]] = {}
    for text in dict.fromkeys(prompts):
        sentence = parse(text)
        words = [[cast(Token, token).text, cast(Token, token).pos_] for token in sentence]
        found[text] = {"chunks": [chunk.text for chunk in sentence.noun_chunks], "words": words}
    return found


def main(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tessera.scorers.compbench.build_chunks")
    parser.add_argument("files", nargs="+", type=Path, help="prompt files, a prompt to a line")
    parser.add_argument("--out", required=True, type=Path, help="JSON file to write")
    flags = parser.parse_args(list(arguments))
    prompts = [
        line.strip()
        for path in flags.files
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    found = readings(prompts, _spacy())
    write_json(flags.out, found)
    sys.stdout.write(f"{len(found)} prompts read into {flags.out}\n")
    return 0


def _spacy() -> Callable[[str], Sentence]:
    try:
        import spacy  # noqa: PLC0415 # pyright: ignore[reportMissingImports] - an extra

        return spacy.load(MODEL)
    except ImportError as error:
        raise UserError("spaCy is not installed: pip install 'tessera[chunks]'") from error
    except OSError as error:  # what spaCy raises for a model that is not there
        raise UserError(f"spaCy has no {MODEL}: python -m spacy download {MODEL}") from error


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        sys.exit(f"error: {error}")
