"""Descriptions and their words: what a prompt asks for, written in two families of sentences and read back.

In domain the sentences are long and varied, in the manner of T2I-CompBench; out of domain they are short and
templated ("a photo of ..."), in the manner of GenEval. `parse` reads both, and anything a user writes with
the same words; the words that carry no fact are fillers.
"""

import random
import re
from dataclasses import dataclass
from functools import cache

from tessera.errors import PromptError, nearest
from tessera.world.scene import COLORS, MAX_PIECES, RELATIONS, SHAPES, SIZES, TEXTURES

NUMBERS = ("one", "two", "three", "four")
ARTICLES = ("a", "an", "the")

RELATION_WORDS = {  # (in domain, as in T2I-CompBench; out of domain, as in GenEval)
    "left": ("on the left of", "left of"),
    "right": ("on the right of", "right of"),
    "above": ("on the top of", "above"),
    "below": ("on the bottom of", "below"),
}
_RELATION_KEYS = {"left": "left", "right": "right", "above": "above", "below": "below"} | {
    "top": "above",
    "bottom": "below",
}

OPENINGS = (
    "{}",
    "there is {}",  # "there are", where more than one comes first
    "the picture shows {}",
    "a drawing of {}",
    "we can see {}",
    "on a white page there is {}",
    "this drawing contains {}",
)
JOINERS = ("and", "together with", "along with", "and also", "accompanied by")
CLOSINGS = ("", "on a white page", "drawn on paper", "in this picture", "and nothing else")
PHOTO = "a photo of {}"


@dataclass(frozen=True, slots=True)
class Phrase:
    """`count` pieces of one shape; attributes left None may be anything."""

    shape: str
    count: int = 1
    color: str | None = None
    texture: str | None = None
    size: str | None = None

    def words(self) -> str:
        """Returns the phrase in words, with its number or article."""
        attributes = [word for word in (self.size, self.texture, self.color) if word]
        noun = self.shape if self.count == 1 else self.shape + "s"
        if self.count > 1:
            return " ".join([NUMBERS[self.count - 1], *attributes, noun])
        first = (attributes or [noun])[0]
        return " ".join(["an" if first[0] in "aeiou" else "a", *attributes, noun])


@dataclass(frozen=True, slots=True)
class Relation:
    """The first phrase stands `kind` of the second."""

    kind: str


@dataclass(frozen=True, slots=True)
class Description:
    """Everything a prompt asks for: these pieces, nothing else, and how the first two stand to each other."""

    phrases: tuple[Phrase, ...]
    relation: Relation | None = None

    def __post_init__(self) -> None:
        if self.relation and (len(self.phrases) != 2 or any(p.count != 1 for p in self.phrases)):
            raise ValueError(f"a relation needs exactly two single pieces: {self}")

    @property
    def total(self) -> int:
        """How many pieces the picture shall hold."""
        return sum(phrase.count for phrase in self.phrases)

    def key(self) -> str:
        """Returns a name that all sentences with the same meaning share, in every family and order."""
        names = ["/".join(str(getattr(p, f) or "-") for f in Phrase.__slots__) for p in self.phrases]
        if self.relation is None:
            return " + ".join(sorted(names))
        kind = self.relation.kind
        if kind in ("right", "below"):  # b right of a says what a left of b says
            kind = {"right": "left", "below": "above"}[kind]
            names.reverse()
        return f" {kind} ".join(names)


def in_domain_sentence(description: Description, rng: random.Random) -> str:
    """Returns a long sentence for the description, one of many."""
    phrases = [phrase.words() for phrase in description.phrases]
    if description.relation:
        body = f" {RELATION_WORDS[description.relation.kind][0]} ".join(phrases)
    elif len(phrases) == 3:
        body = f"{phrases[0]} and {phrases[1]} {rng.choice(JOINERS)} {phrases[2]}"
    else:
        body = f" {rng.choice(JOINERS)} ".join(phrases)
    opening, closing = rng.choice(OPENINGS), rng.choice(CLOSINGS)
    if description.phrases[0].count > 1:
        opening = opening.replace("there is", "there are")
    # The text window is short: the longest bodies go without a frame.
    if len(body.split()) > 12:
        opening = "{}"
    return f"{opening.format(body)} {closing}".strip()


def out_of_domain_sentence(description: Description) -> str:
    """Returns the one short sentence for the description."""
    joint = RELATION_WORDS[description.relation.kind][1] if description.relation else "and"
    return PHOTO.format(f" {joint} ".join(phrase.words() for phrase in description.phrases))


def split_words(text: str) -> list[str]:
    """Returns the words of a text: lower case, punctuation dropped."""
    return re.findall(r"[a-z0-9]+", text.lower())


@cache
def vocabulary() -> tuple[str, ...]:
    """Returns every word that the grammar can write or read, in a fixed order."""
    frames = [
        "are",
        *OPENINGS,
        *JOINERS,
        *CLOSINGS,
        PHOTO,
        *(w for pair in RELATION_WORDS.values() for w in pair),
    ]
    fillers = {word for frame in frames for word in split_words(frame)}
    nouns = [noun for shape in SHAPES for noun in (shape, shape + "s")]
    facts = [*NUMBERS, *nouns, *COLORS, *TEXTURES, *SIZES]
    return (*facts, *sorted((fillers | set(ARTICLES) | set(_RELATION_KEYS)) - set(facts)))


_TOPICS = (
    f"This world knows {', '.join(SHAPES)}; {', '.join(COLORS)}; {', '.join(TEXTURES)}; {', '.join(SIZES)}; "
    "one to four; left of, right of, above, below."
)


def check_words(text: str) -> list[str]:
    """Returns the words of a prompt; raises a `PromptError` that names the first unknown one."""
    words = split_words(text)
    if not words:
        raise PromptError("the prompt is empty. Write one, for example: a photo of two red circles")
    for word in words:
        if word not in vocabulary():
            said = text if len(text) <= 80 else text[:77] + "..."
            close = nearest(word, vocabulary())
            hint = f" Did you mean {close!r}?" if close else ""
            raise PromptError(f"prompt {said!r}: unknown word {word!r}.{hint} {_TOPICS}")
    return words


def parse(text: str) -> Description:
    """Returns what a prompt asks for; raises a `PromptError` if the words make no sense together."""
    phrases: list[Phrase] = []
    relation: Relation | None = None
    pending: dict[str, str] = {}
    kinds = {"count": NUMBERS, "color": COLORS, "texture": TEXTURES, "size": SIZES}
    for word in check_words(text):
        singular = word.removesuffix("s")
        kind = next((kind for kind, values in kinds.items() if word in values), None)
        if singular in SHAPES:
            count = NUMBERS.index(pending.pop("count", NUMBERS[0])) + 1
            phrases.append(Phrase(shape=singular, count=count, **pending))
            pending = {}
        elif kind is not None:
            if kind in pending:
                raise PromptError(f"prompt {text!r}: one piece cannot be {pending[kind]!r} and {word!r}")
            pending[kind] = word
        elif word in _RELATION_KEYS:
            if relation or not phrases:
                raise PromptError(f"prompt {text!r}: write one position, between the two pieces it is about")
            relation = Relation(_RELATION_KEYS[word])
    if pending:
        raise PromptError(
            f"prompt {text!r}: {' '.join(pending.values())!r} describes nothing; put a shape after it, "
            f"one of {', '.join(SHAPES)}"
        )
    if not phrases:
        raise PromptError(f"prompt {text!r} names no shape; use one of {', '.join(SHAPES)}")
    if relation and (len(phrases) != 2 or any(phrase.count != 1 for phrase in phrases)):
        raise PromptError(f"prompt {text!r}: a position needs exactly two single pieces")
    description = Description(tuple(phrases), relation)
    if description.total > MAX_PIECES:
        raise PromptError(
            f"prompt {text!r} asks for {description.total} pieces; a picture holds at most {MAX_PIECES}"
        )
    return description


def change_one_fact(description: Description, rng: random.Random) -> tuple[str, Description]:
    """Returns (kind, description) with exactly one fact made different; the kind says which.

    Used for noisy captions in pre-training and for the mutation tests of the verifier.
    """
    options: list[tuple[str, int]] = []
    for index, phrase in enumerate(description.phrases):
        options.append(("shape", index))
        options += [(kind, index) for kind in ("color", "texture", "size") if getattr(phrase, kind)]
        if description.relation is None:
            options.append(("count", index))
    if description.relation:
        options.append(("relation", 0))
    kind, index = rng.choice(options)
    if kind == "relation":
        assert description.relation is not None
        other = rng.choice([r for r in RELATIONS if r != description.relation.kind])
        return kind, Description(description.phrases, Relation(other))
    phrase = description.phrases[index]
    values = {"shape": SHAPES, "color": COLORS, "texture": TEXTURES, "size": SIZES}
    fields = {f: getattr(phrase, f) for f in Phrase.__slots__}
    if kind == "count":
        room = MAX_PIECES - (description.total - phrase.count)
        counts = [n for n in range(1, room + 1) if n != phrase.count]
        if not counts:
            return change_one_fact(description, rng)
        fields["count"] = rng.choice(counts)
    else:
        fields[kind] = rng.choice([v for v in values[kind] if v != fields[kind]])
    phrases = list(description.phrases)
    phrases[index] = Phrase(**fields)
    return kind, Description(tuple(phrases), description.relation)
