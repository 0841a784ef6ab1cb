"""Questions about pictures, from a user's own file.

    {"image": "a.png", "question": "What is on the table?", "answers": ["a cup", "cup"]}
    {"image": "a.png", "question": "Is it day?", "choices": ["yes", "no"], "answers": ["yes"]}

A question with `choices` is decided by which of them is the likeliest; `answers` names those that are right.
One without is answered in words; `answers` lists all that is accepted. `id` and `category` are optional.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tessera.errors import UserError

EXAMPLE = '{"image": "a.png", "question": "What is it?", "answers": ["a cup"]}'


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One question about one picture."""

    id: str
    image: str  # relative to the folder of pictures
    text: str
    answers: tuple[str, ...]
    choices: tuple[str, ...] = ()  # none: it is answered in words
    category: str = ""


def read_questions(path: Path, images: Path) -> list[Question]:
    """Returns the questions of a file, in its order; every picture must be there."""
    if not images.is_dir():
        raise UserError(f"--images {images} is no folder")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    found, ids = list[Question](), set[str]()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        question = _question(line, f"{path}:{number}", f"{len(found):04d}")
        if question.id in ids:
            raise UserError(
                f"{path}:{number}: the id {question.id!r} is there twice; ids tell questions apart"
            )
        if not (images / question.image).is_file():
            raise UserError(f"{path}:{number}: the picture {question.image!r} is not in {images}")
        ids.add(question.id)
        found.append(question)
    if not found:
        raise UserError(f"{path} holds no question; each line is as in {EXAMPLE}")
    return found


def questions_digest(questions: Sequence[Question], images: Path) -> str:
    """Returns a hash of the questions and of the pictures that they are about."""
    total = hashlib.blake2b(digest_size=16)
    for each in questions:
        parts = [each.id, each.image, each.text, each.answers, each.choices, each.category]
        total.update(json.dumps(parts).encode())
    for image in sorted({each.image for each in questions}):
        total.update((images / image).read_bytes())
    return total.hexdigest()


def _question(line: str, where: str, name: str) -> Question:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: no JSON ({error.msg}); a line is as in {EXAMPLE}") from error
    if not isinstance(row, Mapping):
        raise UserError(f"{where}: expected an object as in {EXAMPLE}")
    if unknown := sorted(set(row) - {"id", "image", "question", "answers", "choices", "category"}):
        raise UserError(f"{where}: nothing reads the key {unknown[0]!r}; a line is as in {EXAMPLE}")
    image, text = (_text(row.get(key), key, where) for key in ("image", "question"))
    answers = _texts(row.get("answers"), "answers", where)
    choices = _texts(row["choices"], "choices", where) if "choices" in row else ()
    if choices and (len(choices) < 2 or len(set(choices)) < len(choices)):
        raise UserError(f"{where}: choices must be two or more different texts, got {list(choices)}")
    if choices and (wrong := [each for each in answers if each not in choices]):
        raise UserError(f"{where}: the answer {wrong[0]!r} is none of the choices; copy it from there")
    if choices and len(answers) == len(choices):
        raise UserError(f"{where}: all choices are right, so nothing can be wrong; name the right ones alone")
    if Path(image).is_absolute() or ".." in Path(image).parts:
        raise UserError(f"{where}: image {image!r} leads out of the folder of pictures; name one inside it")
    return Question(
        id=str(row.get("id", name)),
        image=image,
        text=text,
        answers=answers,
        choices=choices,
        category=str(row.get("category", "")),
    )


def _text(value: Any, key: str, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{where}: {key} must be a text, got {value!r:.60}; a line is as in {EXAMPLE}")
    return value.strip()


def _texts(value: Any, key: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise UserError(f"{where}: {key} must be a list of texts, got {value!r:.60}; as in {EXAMPLE}")
    return tuple(_text(each, key, where) for each in value)
