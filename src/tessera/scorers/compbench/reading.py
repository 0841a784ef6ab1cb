"""What a prompt says, word by word: its noun phrases, and which words are nouns and adjectives.

T2I-CompBench reads prompts with spaCy's en_core_web_sm, whose model is not on PyPI. `build_chunks` writes
its reading into a JSON file once:

    {prompt: {"chunks": [phrase, ...], "words": [[word, part of speech], ...]}, ...}

The file wins; else a prompt's metadata may give the phrases ("chunks"); else `words.py` reads the sentence.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tessera.errors import UserError
from tessera.hub import files_digest
from tessera.scorers.compbench.words import noun_phrases, tagged
from tessera.types import Prompt

Source = Literal["spacy", "metadata", "own"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One prompt, read."""

    chunks: tuple[str, ...]  # noun phrases with their articles, in order
    words: tuple[tuple[str, str], ...]  # each with its part of speech: NOUN, ADJ, ADP, ...
    source: Source

    @property
    def nouns(self) -> list[str]:
        """The words that are nouns, in order."""
        return [word for word, kind in self.words if kind == "NOUN"]

    @property
    def without_adjectives(self) -> str:
        """The prompt as T2I-CompBench gives complex ones to CLIP: no adjectives, spaces between words."""
        return " ".join(word for word, kind in self.words if kind != "ADJ")

    def to_json(self) -> dict[str, Any]:
        """Returns plain data."""
        words = [list(each) for each in self.words]
        return {"chunks": list(self.chunks), "words": words, "source": self.source}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Reading":
        """Returns the reading that `to_json` wrote."""
        words = tuple((str(word), str(kind)) for word, kind in data["words"])
        return Reading(chunks=tuple(map(str, data["chunks"])), words=words, source=data["source"])


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads prompts: from a file of readings where it has them, else by `words.py`."""

    readings: Mapping[str, Reading]
    digest: str = "own"  # of the file

    def read(self, prompt: Prompt) -> Reading:
        """Returns the prompt, read."""
        if prompt.text in self.readings:
            return self.readings[prompt.text]
        words = tagged(prompt.text)
        listed = prompt.metadata.get("chunks")
        if listed is None:
            return Reading(chunks=noun_phrases(words), words=words, source="own")
        if not isinstance(listed, list | tuple) or not all(isinstance(each, str) for each in listed):
            raise UserError(f"{prompt.id}: metadata chunks must be a list of phrases, got {listed!r:.100}")
        return Reading(chunks=tuple(listed), words=words, source="metadata")


def load_reader(path: str | None) -> Reader:
    """Returns the reader that has the readings of a file, if one is named."""
    if path is None:
        return Reader({})
    file = Path(path).expanduser()
    return Reader(read_readings(file), files_digest([file]))


def read_readings(path: Path) -> dict[str, Reading]:
    """Returns the readings of a file of `build_chunks`; a plain list of phrases will do for a prompt."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"chunks={path}: {error.strerror or error}. {MAKE}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"chunks={path} is no JSON: {error}. {MAKE}") from error
    try:
        return {str(text): _reading(str(text), value) for text, value in data.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"chunks={path}: expected {{prompt: reading}}, got {error!r}. {MAKE}") from error


def _reading(text: str, value: Mapping[str, Any] | Sequence[str]) -> Reading:
    if isinstance(value, Mapping):
        return Reading.from_json({"source": "spacy", **value})
    return Reading(chunks=tuple(map(str, value)), words=tagged(text), source="spacy")


MAKE = "Make one with python -m tessera.scorers.compbench.build_chunks, where spaCy is installed"
