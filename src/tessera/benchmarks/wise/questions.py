"""What the judge is asked: our words, or those of a file of the user's.

WISE's own wording has no licence, so it is not here. Ours asks for the same marks in the same form; a judge
may give others than it would to the published words, and the `title` of results says whose words they were.
Who has the published ones puts them into a file, with {prompt} and {explanation} where these belong.
"""

import re
from pathlib import Path

from tessera.benchmarks.wise.settings import Edition
from tessera.errors import UserError

_HEAD = (
    "This picture was made from a short text. Knowing something about the world, one can tell what the text "
    "stands for.\n\nText: {prompt}\nWhat it stands for: {explanation}\n\n"
)

OWN: dict[Edition, str] = {
    "verified": _HEAD + "Decide whether a viewer would recognise in the picture what the text stands for. "
    "It counts only if the subject is the right one, what is said about it is shown and nothing shown is "
    "false, and if the drawing is clean and lifelike enough to be sure of all that. In case of doubt it does "
    "not count.\nEnd with one line: 'Score: 1' if it counts, 'Score: 0' if it does not.",
    "legacy": _HEAD + "Give three marks, each a whole number from 0 (bad) over 1 (in part) to 2 (nothing to "
    "object to); give a 2 seldom.\n"
    "Consistency: is what the text stands for there, all of it, and nothing against it?\n"
    "Realism: could the scene exist as shown, its materials, light and space?\n"
    "Aesthetic Quality: is it well composed and pleasing to look at?\n"
    "Write three lines and no more, the name, a colon and the mark: 'Consistency: ', 'Realism: ' and "
    "'Aesthetic Quality: '.",
}

PLACES: tuple[str, str] = ("{prompt}", "{explanation}")


def read_question(path: Path) -> str:
    """Returns the wording in a file, which must have both places."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"wise.question={path} cannot be read as UTF-8 text ({error})") from error
    if lacking := [place for place in PLACES if place not in text]:
        raise UserError(
            f"wise.question={path} has no {lacking[0]}; write it where that of each prompt is to stand"
        )
    return text


def asked(question: str, prompt: str, explanation: str) -> str:
    """Returns the wording with both places filled, whatever else stands in braces."""
    given: dict[str, str] = dict(zip(PLACES, (prompt, explanation), strict=True))
    return re.sub("|".join(map(re.escape, PLACES)), lambda found: given[found[0]], question)
