"""Prompt files: what is read, and what is refused with the file's name."""

from pathlib import Path

import pytest

from tessera.data.prompts import gather_prompts, read_prompts
from tessera.errors import UserError


def test_text_files_give_a_prompt_a_line_and_flags_come_first(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("a red star\n\n  a blue ring \na red star\n")
    assert read_prompts(path) == ["a red star", "a blue ring", "a red star"]
    assert gather_prompts(["a heart"], path) == ["a heart", "a red star", "a blue ring"]


def test_json_lines_give_their_prompt(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "a red star", "id": 7}\n')
    assert read_prompts(path) == ["a red star"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", b"\n \n", "holds no prompt"),
        ("binary.txt", b"\x89PNG\r\n\xff\xfe", "no UTF-8 text"),
        ("nul.txt", b"a\0b", "is binary"),
        ("broken.jsonl", b'{"prompt": "a"}\n{"prompt"', "broken.jsonl:2: no JSON"),
        ("keyless.jsonl", b'{"text": "a"}', "keyless.jsonl:1: expected an object"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_prompts(path)


def test_a_missing_file_and_no_prompt_at_all_are_mistakes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_prompts(tmp_path / "none.txt")
    with pytest.raises(UserError, match="cannot read"):
        read_prompts(tmp_path)
    with pytest.raises(UserError, match="no prompt: give --prompt"):
        gather_prompts([], None)
