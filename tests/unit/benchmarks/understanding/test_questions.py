"""A user's questions are read as written, and what cannot be meant is refused with the line."""

import json
from pathlib import Path
from typing import Any

import pytest

from tessera.benchmarks.understanding.questions import Question, questions_digest, read_questions
from tessera.errors import UserError


def written(folder: Path, *rows: Any) -> Path:
    (folder / "a.png").write_bytes(b"a picture, unread")
    path = folder / "q.jsonl"
    path.write_text("\n\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def row(**changes: Any) -> dict[str, Any]:
    return {"image": "a.png", "question": "Is it day?", "answers": ["yes"], **changes}


def test_questions_are_read_in_order(tmp_path: Path) -> None:
    path = written(tmp_path, row(), row(choices=["yes", "no"], category="light", id="b"))
    assert read_questions(path, tmp_path) == [
        Question(id="0000", image="a.png", text="Is it day?", answers=("yes",)),
        Question(
            id="b",
            image="a.png",
            text="Is it day?",
            answers=("yes",),
            choices=("yes", "no"),
            category="light",
        ),
    ]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("{", "q.jsonl:1: no JSON"),
        ("[]", "expected an object"),
        (row(question=" "), "question must be a text, got ' '"),
        (row(answers="yes"), "answers must be a list of texts, got 'yes'"),
        (row(answers=[]), "answers must be a list"),
        (row(choices=["yes"]), "two or more different texts"),
        (row(choices=["no", "maybe"]), "the answer 'yes' is none of the choices"),
        (row(choices=["yes", "no"], answers=["no", "yes"]), "all choices are right"),
        (row(image="b.png"), "the picture 'b.png' is not in"),
        (row(image="../a.png"), "leads out of the folder"),
        (row(answer="yes"), "nothing reads the key 'answer'"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(tmp_path: Path, wrong: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_questions(written(tmp_path, wrong), tmp_path)


def test_an_id_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the id '1' is there twice"):
        read_questions(written(tmp_path, row(id=1), row(id=1)), tmp_path)


def test_files_and_folders_that_are_not_there_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    for file, images, told in (
        (tmp_path / "no.jsonl", tmp_path, "cannot be read"),
        (path, tmp_path, "holds no question"),
        (path, tmp_path / "no", "is no folder"),
    ):
        with pytest.raises(UserError, match=told):
            read_questions(file, images)


def test_the_digest_changes_with_a_question_and_with_a_picture(tmp_path: Path) -> None:
    path = written(tmp_path, row())
    first = questions_digest(read_questions(path, tmp_path), tmp_path)
    assert questions_digest(read_questions(path, tmp_path), tmp_path) == first
    other = questions_digest(read_questions(written(tmp_path, row(answers=["no"])), tmp_path), tmp_path)
    path = written(tmp_path, row())
    (tmp_path / "a.png").write_bytes(b"another picture")
    assert len({first, other, questions_digest(read_questions(path, tmp_path), tmp_path)}) == 3
