"""Who reads a prompt: the file of spaCy's readings, else the metadata, else the own reader."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tessera.errors import UserError
from tessera.scorers.compbench.build_chunks import main, readings
from tessera.scorers.compbench.reading import Reading, load_reader
from tests.unit.scorers.compbench.seen import prompt

TEXT = "a red car and a cat"


def test_the_file_wins_over_the_metadata_and_those_over_the_own_reader(tmp_path: Path) -> None:
    path = tmp_path / "chunks.json"
    words = [["a", "DET"], ["key", "ADJ"]]
    path.write_text(json.dumps({TEXT: {"chunks": ["a key"], "words": words}, "two": ["two words"]}))
    told = prompt(TEXT, "color", chunks=["a cart"])
    by_file = load_reader(str(path)).read(told)
    assert (by_file.chunks, by_file.words, by_file.source) == (
        ("a key",),
        (("a", "DET"), ("key", "ADJ")),
        "spacy",
    )
    assert load_reader(str(path)).read(prompt("two", "color")).chunks == ("two words",)
    assert load_reader(None).read(told).chunks == ("a cart",)
    assert load_reader(None).read(told).source == "metadata"
    own = load_reader(None).read(prompt(TEXT, "color"))
    assert (own.chunks, own.source) == (("a red car", "a cat"), "own")
    assert own.without_adjectives == "a car and a cat"
    assert own.nouns == ["car", "cat"]


def test_another_file_is_another_reader(tmp_path: Path) -> None:
    digests = {load_reader(None).digest}
    for name, text in (("a", '{"x": ["y"]}'), ("b", '{"x": ["z"]}')):
        (tmp_path / f"{name}.json").write_text(text)
        digests.add(load_reader(str(tmp_path / f"{name}.json")).digest)
    assert len(digests) == 3


def test_a_reading_comes_back_from_json() -> None:
    reading = load_reader(None).read(prompt(TEXT, "color"))
    assert Reading.from_json(json.loads(json.dumps(reading.to_json()))) == reading


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "no JSON"), ("[1]", "expected {prompt: reading}"), ('{"a": {"chunks": 3}}', "expected {prompt")],
)
def test_a_broken_file_is_told_with_the_remedy(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "chunks.json"
    path.write_text(text)
    with pytest.raises(UserError, match=told) as error:
        load_reader(str(path))
    assert "build_chunks" in str(error.value)
    with pytest.raises(UserError, match="No such file"):
        load_reader(str(tmp_path / "gone.json"))


def test_phrases_in_the_metadata_must_be_a_list() -> None:
    with pytest.raises(UserError, match="must be a list of phrases"):
        load_reader(None).read(prompt(TEXT, "color", chunks="a car"))


@dataclass
class Word:
    text: str
    pos_: str


class Parsed:
    """What spaCy gives, as far as it is used."""

    def __init__(self, text: str) -> None:
        self.words = [Word(word, "NOUN") for word in text.split()]
        self.noun_chunks = [Word(text.rsplit(maxsplit=1)[-1], "")]

    def __iter__(self):
        return iter(self.words)


def test_the_file_of_readings_is_what_the_reader_takes(tmp_path: Path) -> None:
    found = readings(["a cat", "a cat", "a dog"], Parsed)
    assert list(found) == ["a cat", "a dog"]
    (tmp_path / "chunks.json").write_text(json.dumps(found))
    reading = load_reader(str(tmp_path / "chunks.json")).read(prompt("a cat", "color"))
    assert (reading.chunks, reading.nouns) == (("cat",), ["a", "cat"])


def test_without_spacy_the_command_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a cat\n")
    try:
        import spacy  # noqa: F401 # pyright: ignore[reportMissingImports]
    except ImportError:
        with pytest.raises(UserError, match=r"tessera\[chunks\]"):
            main([str(tmp_path / "prompts.txt"), "--out", str(tmp_path / "chunks.json")])
