"""Anybody's prompt files: text, JSON lines, CSV; what they know of a prompt is kept."""

from pathlib import Path

import pytest

from tessera.data.prompt_files import read_prompt_file
from tessera.errors import UserError
from tessera.types import Prompt


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_bytes(content.encode())
    return path


def test_a_text_file_has_a_prompt_a_line(tmp_path: Path) -> None:
    path = written(tmp_path, "mine.txt", "a red star\r\n\r\n  a blue ring")
    assert read_prompt_file(path) == [
        Prompt(id="mine.txt/0000", text="a red star"),
        Prompt(id="mine.txt/0001", text="a blue ring"),
    ]


def test_json_lines_keep_category_id_and_whatever_else_they_say(tmp_path: Path) -> None:
    lines = (
        '{"prompt": " a red cup ", "id": 7, "category": "color", "nouns": ["cup"], "metadata": {"x": 1}}',
        "",
        '{"prompt": "two cups", "tag": "counting", "include": [{"class": "cup", "count": 2}]}',
        '{"prompt": "a cat", "task_type": "object"}',
    )
    first, second, third = read_prompt_file(written(tmp_path, "mine.jsonl", "\n".join(lines)))
    assert first == Prompt(id="7", text="a red cup", category="color", metadata={"nouns": ["cup"], "x": 1})
    assert (second.id, second.category) == ("mine.jsonl/0001", "counting")
    assert second.metadata == {"tag": "counting", "include": [{"class": "cup", "count": 2}]}
    assert third.category == "object"


def test_csv_cells_may_hold_commas_and_lines(tmp_path: Path) -> None:
    content = 'prompt,category,style\r\n"a cup, and\na cat",color,oil\r\na dog,,\r\n'
    first, second = read_prompt_file(written(tmp_path, "mine.csv", content))
    assert (first.text, first.category, first.metadata["style"]) == ("a cup, and\na cat", "color", "oil")
    assert (second.text, second.category, second.id) == ("a dog", "", "mine.csv/0001")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"prompt": "a"}\n\n{"prompt"', r"a\.jsonl:3: no JSON"),
        ("a.jsonl", '{"text": "a"}', r"a\.jsonl:1: expected a prompt"),
        ("a.jsonl", '{"prompt": "  "}', r"a\.jsonl:1: expected a prompt"),
        ("a.jsonl", '["a"]', r"a\.jsonl:1: expected a prompt"),
        ("a.jsonl", '{"prompt": "a", "metadata": 3}', "metadata must be an object, got 3"),
        ("a.jsonl", '{"prompt": "a", "id": 1}\n{"prompt": "b", "id": "1"}', "the id '1' is there twice"),
        ("a.jsonl", "\n", "holds no prompt"),
        ("a.csv", "text\na cup\n", "row 1: expected a prompt"),
        ("a.csv", "prompt\na cup,red\n", "row 1 has more cells than the head"),
        ("a.csv", 'prompt\n"a cup\n', "is no CSV"),
        ("a.csv", "prompt\n", "holds no prompt"),
        ("a.yaml", "- a cup", r"read from \.txt, \.jsonl, \.csv, not from '\.yaml'"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read_prompt_file(written(tmp_path, name, content))


@pytest.mark.parametrize("name", ["none.txt", "none.jsonl", "none.csv"])
def test_a_missing_file_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"prompt file .*none"):
        read_prompt_file(tmp_path / name)
