"""Prompts from files: plain text, one a line, or JSON lines with a `prompt` key."""

import json
from collections.abc import Sequence
from pathlib import Path

from tessera.errors import UserError


def gather_prompts(given: Sequence[str], file: Path | None) -> list[str]:
    """Returns the prompts of the flags and of the file, each once, in order."""
    prompts = [*given, *(read_prompts(file) if file else [])]
    if not prompts:
        raise UserError('no prompt: give --prompt "a photo of two red circles" or --prompt-file FILE')
    return list(dict.fromkeys(prompts))


def read_prompts(path: Path) -> list[str]:
    """Returns the prompts of a file in order; blank lines are skipped."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"prompt file {path} does not exist") from error
    except UnicodeDecodeError as error:
        raise UserError(f"prompt file {path} is no UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise UserError(f"cannot read prompt file {path}: {error.strerror}") from error
    if "\0" in text:
        raise UserError(f"prompt file {path} is binary; one prompt a line is expected")
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise UserError(f"prompt file {path} holds no prompt")
    if path.suffix == ".jsonl":
        return [_prompt_of(line, f"{path}:{number}") for number, line in lines]
    return [line for _, line in lines]


def _prompt_of(line: str, where: str) -> str:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: no JSON ({error.msg})") from error
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
        raise UserError(f'{where}: expected an object like {{"prompt": "a photo of a red star"}}')
    return row["prompt"]
