"""A small reader of T2I-CompBench's sentences, for where spaCy's reading is not at hand.

Closed classes (articles, prepositions, ...) and the adjectives and verbs of that benchmark are listed; -ly is
an adverb; of what follows an article the last word is the noun, and a listed verb, or a word in -ed or -ing
after a noun, ends the phrase. Parts of speech are named as spaCy does (universalpos). Commas inside a phrase
are kept, as spaCy does ("the rich, earthy tones").

Measured, with articles dropped and plurals made singular where the other side has them so:

- val prompts of the form "a X and a Y" read as just those two phrases: color 237 of 237, shape 199 of 220,
  texture 197 of 197; the rest are "a slice of cheese" and the like, which spaCy splits at "of" as well;
- T2I-R1's training file, phrases equal to its attr_nouns: color 571 of 879, shape 513 of 682, texture 551 of
  695 (that file leaves out phrases without an attribute, "photo" of "a photo of" among them); heads equal to
  its nouns: 613, 520, 554; all its nouns among the heads: complex 624 of 700, non-spatial 637 of 700;
- first and last noun equal to its obj1 and obj2: 688 of 695 spatial prompts. In the other seven that file
  says "side" or "left" where the prompt ends with "a key".

Not for other texts than that benchmark's: a word it does not know is a noun.
"""

import re
from collections.abc import Sequence

from tessera.scorers.compbench.lexicon import (
    ADJECTIVES,
    CLOSED,
    ENDINGS,
    NOUN_VERBS,
    NOUNS,
    OWNING,
    PLACES,
    PLURAL_VERBS,
    VERBS,
)

Word = tuple[str, str]  # with its part of speech

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]")


def tagged(text: str) -> tuple[Word, ...]:
    """Returns the words of a sentence with their parts of speech."""
    words = _WORD.findall(text)
    found: list[Word] = []
    for index, word in enumerate(words):
        rest = [each.lower() for each in words[index + 1 : index + 3]]
        found.append((word, _kind(word.lower(), rest, found)))
    return tuple(found)


def noun_phrases(words: Sequence[Word]) -> tuple[str, ...]:
    """Returns the noun phrases, with their articles: what spaCy calls noun_chunks."""
    phrases: list[list[Word]] = []
    here: list[Word] = []
    for index, (word, kind) in enumerate(words):
        following = words[index + 1][1] if index + 1 < len(words) else ""
        inside = kind in ("DET", "ADJ", "NOUN", "NUM") or (kind == "PRON" and word.lower() in OWNING)
        joins = kind in ("PUNCT", "CCONJ") and bool(here) and here[-1][1] == "ADJ" and following == "ADJ"
        starts_anew = kind in ("DET", "NUM", "PRON") and any(each[1] == "NOUN" for each in here)
        if starts_anew or not (inside or joins):
            phrases.append(here)
            here = []
        if inside or joins:
            here.append((word, kind))
    phrases.append(here)
    return tuple(_joined(each) for each in phrases if any(kind == "NOUN" for _, kind in each))


def _kind(word: str, rest: Sequence[str], before: Sequence[Word]) -> str:
    """Returns the part of speech of a word in lower case, from itself and its neighbours."""
    last_word, last = before[-1] if before else ("", "")
    if not word[0].isalnum():
        return "PUNCT"
    if word in PLACES:  # "on the left of" has a noun, "the left shoe" an adjective
        return "NOUN" if rest[:1] == ["of"] or last == "ADP" or _ends(rest) else "ADJ"
    if word == "can" and last in ("DET", "ADJ", "NOUN") and _ends(rest):
        return "NOUN"
    if word in CLOSED:
        return CLOSED[word]
    if _is_adjective(word):
        # What ends its phrase is the noun: "a spoon and an orange", "a glass of milk".
        return "NOUN" if _ends(rest) and not _predicate(before) else "ADJ"
    if word.endswith("ly") and word not in NOUNS:
        return "ADV"
    after_plural = last == "NOUN" and last_word.endswith("s")
    if word in VERBS or (word in NOUN_VERBS and last == "NOUN") or (word in PLURAL_VERBS and after_plural):
        return "VERB"
    if _is_participle(word):
        if last in ("NOUN", "PRON", "AUX", "ADV", "SCONJ", "CCONJ", "") or (last == "PUNCT" and _ends(rest)):
            return "VERB"
        return "NOUN" if _ends(rest) else "ADJ"
    return "NOUN"


def _is_adjective(word: str) -> bool:
    return word in ADJECTIVES or (word.endswith(ENDINGS) and not word.endswith("fish"))


def _is_participle(word: str) -> bool:
    return word.endswith(("ed", "ing")) and len(word) > 4 and word not in NOUNS


def _ends(rest: Sequence[str]) -> bool:
    """Returns whether a noun phrase ends before these words."""
    if not rest:
        return True
    following, after = rest[0], rest[1] if len(rest) > 1 else "."
    if following in (",", "and"):  # "the rich, earthy tones", "a black and white cat"
        return not (_is_adjective(after) or (following == "," and _is_participle(after)))
    if not following[0].isalnum():
        return True
    return CLOSED.get(following) not in (None, "NUM", "DET") or following in VERBS


def _predicate(before: Sequence[Word]) -> bool:
    """Returns whether an adjective here says something of what came before: "the wall is white"."""
    for _, kind in reversed(before):
        if kind == "AUX":
            return True
        if kind not in ("ADV", "CCONJ", "ADJ", "PUNCT"):
            return False
    return False


def _joined(words: Sequence[Word]) -> str:
    """Returns the words as a phrase, without what joins nothing at its end."""
    last = max(index for index, (_, kind) in enumerate(words) if kind == "NOUN")
    text = ""
    for word, kind in words[: last + 1]:
        text += word if kind == "PUNCT" or not text else f" {word}"
    return text
