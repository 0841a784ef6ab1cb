"""How many of what a prompt asks for: number words before the nouns of T2I-CompBench's list.

The list is dataset/new_objects.txt of Karine-Huang/T2I-CompBench (MIT, (c) 2023 The University of Hong Kong),
its lines "singular - plural" without repetitions: 88 objects. `_IRREGULAR` has the plurals without -s.
"""

from collections.abc import Sequence

from tessera.scorers.compbench.reading import Reading
from tessera.scorers.compbench.words import tagged

_SINGULARS = """
airplane apple backpack bag balloon banana bear bee bicycle bird boat book bottle bowl boy bread
butterfly cake camel camera candle car cat chair chicken clock computer couch cow cup deer desk dog
drum duck egg fish flag frog giraffe girl goldfish guitar hamburger helicopter helmet horse key kite
knife lamp lemon man microphone microwave mouse paddle painting peach pear pen person phone pig
pillow plate printer rabbit refrigerator sheep ship shrimp sink sofa stool strawberry suitcase swan
table television tent tomato toy train truck turtle vase woman
"""
_IRREGULAR = {
    "deer": "deer",
    "fish": "fish",
    "goldfish": "goldfish",
    "knife": "knives",
    "man": "men",
    "mouse": "mice",
    "person": "people",
    "sheep": "sheep",
    "shrimp": "shrimp",
    "tomato": "tomatoes",
    "woman": "women",
}
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
ONE = ("a", "an", "one")
PUBLISHED = 8  # the largest number that the published script reads


def _plural(singular: str) -> str:
    if singular in _IRREGULAR:
        return _IRREGULAR[singular]
    if singular.endswith("y") and singular[-2] not in "aeiou":
        return f"{singular[:-1]}ies"
    return f"{singular}es" if singular.endswith(("s", "x", "ch", "sh")) else f"{singular}s"


PLURALS: dict[str, str] = {singular: _plural(singular) for singular in _SINGULARS.split()}
SINGULARS: dict[str, str] = {plural: singular for singular, plural in PLURALS.items()}


def singular(noun: str) -> str:
    """Returns a noun in the singular: of the list, or by its ending."""
    if noun in SINGULARS or noun in PLURALS:
        return SINGULARS.get(noun, noun)
    if noun.endswith("ies"):
        return f"{noun[:-3]}y"
    if noun.endswith(("ses", "xes", "ches", "shes")):
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun


def mended(text: str) -> list[tuple[str, int]]:
    """Returns each counted noun in the singular with its number, in order; adjectives may stand between."""
    words = [(word.lower(), kind) for word, kind in tagged(text)]
    found = []
    for index, (word, _) in enumerate(words):
        number = 1 if word in ONE else NUMBERS.index(word) + 1 if word in NUMBERS else 0
        noun = next((other for other, kind in words[index + 1 :] if kind != "ADJ"), "")
        one = SINGULARS.get(noun, noun)
        if number and one in PLURALS:
            found.append((one, number))
    return found


def published(reading: Reading) -> tuple[list[str], list[int]] | str:
    """Returns the nouns and the numbers, as two lists as the script has them; a string: why it stops.

    The two need not be of one length: no number is kept of "a" before a plural.
    """
    words = [word for word, _ in reading.words]
    nouns: list[str] = []
    numbers: list[int] = []
    for index, word in enumerate(words):
        if word not in (*ONE, *NUMBERS[:PUBLISHED]):
            continue
        if index + 1 == len(words):
            return "a number ends the prompt"
        noun = words[index + 1]
        if noun in PLURALS and word in ONE:
            nouns.append(noun)
            numbers.append(1)
        elif noun in SINGULARS:
            nouns.append(SINGULARS[noun])
            numbers += [NUMBERS.index(word) + 1] if word in NUMBERS else []
        elif noun in PLURALS:
            return f"{noun!r} is no plural that it knows"
    return (nouns, numbers) if nouns else "no object is read in the prompt"


def nouns_of(text: str) -> Sequence[str]:
    """Returns what an open-vocabulary detector is to look for."""
    return list(dict.fromkeys(noun for noun, _ in mended(text)))
