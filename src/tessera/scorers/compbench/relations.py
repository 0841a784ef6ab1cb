"""Which relation a prompt names, and between which nouns: as published, and mended.

Published: the words are tried in order, the first that stands anywhere in the prompt is taken, and the nouns
are the first and the last of the sentence; complex prompts have a parser of their own (UniDet_eval/
2D_spatial_eval.py). Mended: the relation is the one that stands first, the longest of those, and the nouns
are those around it, read by `words.py`: spaCy takes "key" for an adjective at the end of some prompts. So two
nouns and a relation are read from each of the 88 complex val prompts that are judged by place; the published
parser reads other nouns from 11 of them, and none from one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tessera.scorers.compbench.lexicon import PLACES
from tessera.scorers.compbench.reading import Reading
from tessera.scorers.compbench.words import Word, tagged
from tessera.scorers.detection.asked import RELATIONS

PUBLISHED_2D = (
    *("on side of", "next to", "near", "on the left of", "on the right of"),
    *("on the bottom of", "on the top of", "on top of"),
)
PUBLISHED_3D = ("in front of", "behind", "hidden")
PUBLISHED_COMPLEX = (
    "on top of",
    "on bottom of",
    "on the left",
    "on the right",
    "next to",
    "on side of",
    "near",
)
WORDS_2D = (*RELATIONS, "on the side of")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a prompt asks for; None where it could not be read from it."""

    locality: str | None
    first: str | None
    second: str | None


def published_simple(text: str, reading: Reading, localities: Sequence[str]) -> Asked | None:
    """Returns the relation and the first and last noun; None where the script stops: there is no noun."""
    locality = next((word for word in localities if word in text), None)
    nouns = reading.nouns
    return Asked(locality=locality, first=nouns[0], second=nouns[-1]) if nouns else None


def published_complex(text: str, reading: Reading) -> Asked:
    """Returns the relation, and the nouns if exactly two are read around its words."""
    words, found = reading.words, []
    for index in range(len(words)):
        length = next((n for n in (3, 2, 1) if _text(words[index : index + n]) in PUBLISHED_COMPLEX), 0)
        if not length:
            continue
        before = [word for word, kind in words[:index] if kind in ("NOUN", "PROPN")]
        after = words[index + length :]
        nouns = [word for word, kind in after if kind == "NOUN"] or _last_of_names(after)
        found += before[-1:] + nouns[:1]
    first, second = found if len(found) == 2 else (None, None)
    locality = next((word for word in PUBLISHED_2D if word in text), None)
    return Asked(locality=locality, first=first, second=second)


def mended(text: str, localities: Sequence[str]) -> Asked:
    """Returns the relation that stands first, and the nouns on either side of it."""
    words = tagged(text)
    plain = [word.lower() for word, _ in words]
    for index in range(len(words)):
        here = [each for each in localities if plain[index : index + len(each.split())] == each.split()]
        if here:
            locality = max(here, key=len)
            before = _noun_ending(words[:index])
            after = _noun_starting(words[index + len(locality.split()) :])
            return Asked(locality=locality, first=before, second=after)
    return Asked(locality=None, first=None, second=None)


def _noun_ending(words: Sequence[Word]) -> str | None:
    """Returns the last noun of some words."""
    nouns = [word for word, kind in words if kind == "NOUN" and word.lower() not in PLACES]
    return nouns[-1].lower() if nouns else None


def _noun_starting(words: Sequence[Word]) -> str | None:
    """Returns the noun of the first phrase: the last of the nouns that follow one another."""
    noun = None
    for word, kind in words:
        if kind == "NOUN":
            noun = word.lower()
        elif noun is not None:
            return noun
    return noun


def _text(words: Sequence[Word]) -> str:
    return " ".join(word for word, _ in words)


def _last_of_names(words: Sequence[Word]) -> list[str]:
    """Returns the last word of the first proper name, unless it ends the sentence, as published."""
    kinds = [kind for _, kind in words]
    for index, kind in enumerate(kinds[:-1]):
        if kind == "PROPN" and kinds[index + 1] != "PROPN":
            return [words[index][0]]
    return []
