"""Which test prompts were trained on: prompts of two sets that are the same.

Two prompts are the same in one of three degrees:

- `exact`: character by character;
- `spelling`: but for case, punctuation, hyphens, white space and Unicode's compatible forms (NFKC), so
  "A red cup." and "a red cup", "T-shirt" and "t shirt";
- `articles`: but for these and a, an, the as well: "The child is ..." and "A child is ...".

The first two ask for one picture in the same words; they are the overlap. The third is told beside it: nearly
always the same request, but a word is another. Paraphrases are not found, nor "a photo of a cup" for "a cup".

The time is linear in the number of prompts, whatever their order.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tessera.types import Prompt

Degree = Literal["exact", "spelling", "articles"]

DEGREES: tuple[Degree, ...] = ("exact", "spelling", "articles")
ARTICLES = frozenset({"a", "an", "the"})
_APOSTROPHES = re.compile("['\u2019\u2018\u02bc`]")
_OTHER = re.compile(r"[\W_]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """A test prompt, and the training prompts that are the same in one degree."""

    test: Prompt
    train: tuple[Prompt, ...]
    degree: Degree  # of the likest of them


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlap:
    """What two sets of prompts share."""

    train: int  # prompts compared
    test: int
    shared: tuple[Shared, ...]  # in the order of the test prompts

    def of(self, *degrees: Degree) -> list[Shared]:
        """Returns what is shared in these degrees."""
        return [each for each in self.shared if each.degree in degrees]

    @property
    def same(self) -> list[Shared]:
        """The overlap: test prompts trained on in the same words."""
        return self.of("exact", "spelling")

    @property
    def pairs(self) -> Iterator[tuple[str, str, Degree]]:
        """Each training prompt's id with a test prompt's, and how the two are the same."""
        for each in self.shared:
            for prompt in each.train:
                yield prompt.id, each.test.id, _degree(prompt.text, each.test.text)

    def sentence(self, train: str, test: str) -> str:
        """Returns what to print beside results on the test prompts; "" if nothing is shared."""
        same, near = len(self.same), len(self.of("articles"))
        if not self.shared:
            return ""
        what = "is a training prompt" if same == 1 else "are training prompts"
        more = f", and {near} more but for an article" if near else ""
        return f"Overlap: {same} of the {self.test} prompts of {test} {what} of {train}{more}."


def overlaps(train: Sequence[Prompt | str], test: Sequence[Prompt | str]) -> Overlap:
    """Returns what the two sets share; a string is a prompt named by its place, from 0."""
    trained, tested = prompts_of(train), prompts_of(test)
    words = {prompt.text: normalised(prompt.text) for prompt in trained}
    spelt = set(words.values())
    alike: dict[str, list[Prompt]] = {}
    for prompt in trained:
        alike.setdefault(without_articles(words[prompt.text]), []).append(prompt)
    found = {key: tuple(prompts) for key, prompts in alike.items()}
    shared = []
    for prompt in tested:
        own = normalised(prompt.text)
        if (key := without_articles(own)) in found:
            spelling: Degree = "spelling" if own in spelt else "articles"
            degree: Degree = "exact" if prompt.text in words else spelling
            shared.append(Shared(test=prompt, train=found[key], degree=degree))
    return Overlap(train=len(trained), test=len(tested), shared=tuple(shared))


def prompts_of(given: Sequence[Prompt | str]) -> list[Prompt]:
    """Returns prompts as they are, and strings as prompts named by their place."""
    return [
        Prompt(id=f"{place:04d}", text=each) if isinstance(each, str) else each
        for place, each in enumerate(given)
    ]


def normalised(text: str) -> str:
    """Returns the words of a prompt in lower case, one space between them; without words, the prompt."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _OTHER.sub(" ", _APOSTROPHES.sub("", text).casefold()).strip() or text


def without_articles(words: str) -> str:
    """Returns normalised words without articles; with them, where there is nothing else."""
    return " ".join(word for word in words.split(" ") if word not in ARTICLES) or words


def _degree(one: str, other: str) -> Degree:
    """Returns in which degree two prompts are the same that are so without their articles."""
    if one == other:
        return "exact"
    return "spelling" if normalised(one) == normalised(other) else "articles"
