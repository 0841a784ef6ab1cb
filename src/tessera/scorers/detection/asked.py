"""What a prompt asks to see, for a detector: objects, where one is to the other, how many of each.

It is read from the prompt's metadata:

- `nouns`: ["cup", "cat"];
- `spatial`: ["cup", "on the left of", "cat"], the relation one of `RELATIONS`;
- `numeracy`: {"cup": 2, "cat": 1}.

Where there is no such key, from the sentence, if it is as simple as most of T2I-CompBench's (arXiv
2307.06350). Before all of them "a photo of" may stand, and a full stop after them:

- spatial: "a cup on the left of a cat", also with "is" or "was" before the relation;
- numeracy: "three cups, two candles and one cat": number words to ten, nouns of one word, or of two where
  the second is a plural ("two tennis balls"). The detector is asked for the words as they stand;
- objects: those of the two, or "a red cup and a cat".

A noun of "a", "an" or "the" has up to three words, none of them a function word. Any other sentence is not
guessed at.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tessera.scorers.detection.geometry import LOCALITIES, Relation
from tessera.types import Prompt

Task = Literal["object", "spatial", "numeracy", "prompt"]  # prompt: whichever of the three it asks for

# T2I-CompBench's eight, and GenEval's four.
RELATIONS: dict[str, Relation] = {
    **LOCALITIES,
    "on top of": "above",
    "above": "above",
    "below": "below",
    "left of": "left",
    "right of": "right",
}
_COUNTED = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBERS = {"a": 1, "an": 1} | {word: number for number, word in enumerate(_COUNTED, start=1)}
FUNCTION_WORDS = {
    *("and", "or", "of", "with", "without", "in", "on", "at", "by", "to", "for", "from", "into", "under"),
    *("over", "behind", "near", "above", "below", "is", "are", "was", "were", "a", "an", "the", "that"),
}

_LONGEST_FIRST = "|".join(sorted(RELATIONS, key=len, reverse=True))
_BETWEEN = re.compile(rf"(.+?) (?:(?:is|are|was|were) )?({_LONGEST_FIRST}) (.+)")
_ITEMS = re.compile(r",? and |, ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Objects:
    """Each of these is to be seen."""

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spatial:
    """The first is to stand in the relation to the second."""

    first: str
    relation: Relation
    second: str

    @property
    def names(self) -> tuple[str, ...]:
        """What to look for."""
        return (self.first, self.second)


@dataclass(frozen=True, kw_only=True, slots=True)
class Numeracy:
    """So many of each are to be seen."""

    counts: tuple[tuple[str, int], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What to look for."""
        return tuple(name for name, _ in self.counts)


Asked = Objects | Spatial | Numeracy


def asked(prompt: Prompt, task: Task) -> Asked | str:
    """Returns what the prompt asks for, as this task understands it; a string says why it cannot be told."""
    told, text = prompt.metadata, prompt.text
    match task:
        case "spatial":
            if "spatial" in told:
                return spatial_metadata(told["spatial"])
            return spatial_sentence(text) or _unreadable(text, "spatial")
        case "numeracy":
            if "numeracy" in told:
                return numeracy_metadata(told["numeracy"])
            return numeracy_sentence(text) or _unreadable(text, "numeracy")
        case "object":
            found = object_metadata(told["nouns"]) if "nouns" in told else asked(prompt, "prompt")
            return found if isinstance(found, str) else Objects(names=found.names)
        case "prompt":
            for key, read in METADATA.items():
                if key in told:
                    return read(told[key])
            read_text = spatial_sentence(text) or numeracy_sentence(text) or object_sentence(text)
            return read_text or _unreadable(text, "nouns")


def object_metadata(value: Any) -> Objects | str:
    """Returns the objects that `nouns` lists, each once."""
    if not isinstance(value, list | tuple) or not value or not all(map(_is_name, value)):
        return f"metadata nouns must be a list of names, got {value!r:.100}"
    return Objects(names=tuple(dict.fromkeys(map(_plain, value))))


def spatial_metadata(value: Any) -> Spatial | str:
    """Returns the relation that `spatial` gives."""
    if not isinstance(value, list | tuple) or len(value) != 3 or not all(map(_is_name, value)):
        return f"metadata spatial must be [name, relation, name], got {value!r:.100}"
    first, relation, second = map(_plain, value)
    if relation not in RELATIONS:
        return f"metadata spatial: unknown relation {relation!r}; known: {', '.join(sorted(RELATIONS))}"
    return _apart(Spatial(first=first, relation=RELATIONS[relation], second=second))


def numeracy_metadata(value: Any) -> Numeracy | str:
    """Returns the counts that `numeracy` gives."""
    if not isinstance(value, Mapping) or not value or not all(map(_is_name, value)):
        return f"metadata numeracy must be {{name: count}}, got {value!r:.100}"
    if wrong := [each for each in value.values() if type(each) is not int or each < 1]:
        return f"metadata numeracy: a count must be a whole number above 0, got {wrong[0]!r:.100}"
    return _once(tuple((_plain(name), count) for name, count in value.items()))


METADATA = {"spatial": spatial_metadata, "numeracy": numeracy_metadata, "nouns": object_metadata}


def spatial_sentence(text: str) -> Spatial | str | None:
    """Returns the relation of a simple sentence; None if it is none."""
    parts = _BETWEEN.fullmatch(_sentence(text))
    if parts is None:
        return None
    first, second = _noun(parts[1]), _noun(parts[3])
    if first is None or second is None:
        return None
    return _apart(Spatial(first=first, relation=RELATIONS[parts[2]], second=second))


def numeracy_sentence(text: str) -> Numeracy | str | None:
    """Returns the counts of a simple sentence; None if it is none, or counts nothing ("a cup and a cat")."""
    counts = []
    for item in _ITEMS.split(_sentence(text)):
        number, *noun = item.split(" ")
        plural = len(noun) == 2 and NUMBERS.get(number, 1) > 1 and noun[1].endswith("s")
        if number not in NUMBERS or not (len(noun) == 1 or plural) or FUNCTION_WORDS & {*noun}:
            return None
        counts.append((number, " ".join(noun)))
    if all(number in ("a", "an") for number, _ in counts):
        return None
    return _once(tuple((noun, NUMBERS[number]) for number, noun in counts))


def object_sentence(text: str) -> Objects | None:
    """Returns the objects of a list such as "a red cup and a cat"; None if the sentence is none."""
    nouns = [_noun(item) for item in _ITEMS.split(_sentence(text))]
    names = tuple(dict.fromkeys(noun for noun in nouns if noun is not None))
    return Objects(names=names) if None not in nouns else None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and any(letter.isalnum() for letter in value)


def _plain(name: str) -> str:
    return " ".join(name.lower().split())


def _sentence(text: str) -> str:
    return _plain(text).rstrip(" .").removeprefix("a photo of ")


def _noun(words: str) -> str | None:
    """Returns the noun after an article; None for anything else."""
    article, *noun = words.split(" ")
    if article not in ("a", "an", "the") or not 1 <= len(noun) <= 3 or FUNCTION_WORDS & {*noun}:
        return None
    return " ".join(noun)


def _apart(found: Spatial) -> Spatial | str:
    if found.first == found.second:
        return f"two of one name ({found.first!r}) cannot be told apart by where they are"
    return found


def _once(counts: tuple[tuple[str, int], ...]) -> Numeracy | str:
    names = [name for name, _ in counts]
    if twice := [name for name in names if names.count(name) > 1]:
        return f"{twice[0]!r} is counted twice"
    return Numeracy(counts=counts)


def _unreadable(text: str, key: str) -> str:
    return f"no {key} in the prompt's metadata, and {text!r:.100} is no sentence to read it from"
