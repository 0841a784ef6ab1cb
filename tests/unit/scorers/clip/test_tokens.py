"""Prompts as codes: cut and padded as published, cleaned as published, read at the first end token."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tessera.errors import CheckpointError
from tessera.scorers.clip.tokens import Cleaning, cleaned, cleaning_word, read_tokenizer, tokenize
from tessera.scorers.clip.towers import text_features, window
from tests.unit.scorers.clip.tiny import CODES, END, START, random_clip, write_tokenizer

FIRST, LAST = CODES[START], CODES[END]
RED, CAT, A = CODES["red</w>"], CODES["cat</w>"], CODES["a</w>"]


def rows(folder: Path, *texts: str, cleaning: Cleaning = "openai", length: int = 6) -> list[list[int]]:
    return tokenize(read_tokenizer(folder), texts, cleaning=cleaning, length=length).ids_BL.tolist()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tokenizer(tmp_path / "tokenizer")


def test_a_row_starts_ends_and_is_padded_with_0(folder: Path) -> None:
    assert rows(folder, "A  RED\tcat ", "") == [[FIRST, A, RED, CAT, LAST, 0], [FIRST, LAST, 0, 0, 0, 0]]


def test_what_is_too_long_is_cut_and_still_ends_in_the_end_token(folder: Path) -> None:
    assert rows(folder, "red " * 4, "red " * 5) == [[FIRST, RED, RED, RED, RED, LAST]] * 2


def test_entities_are_resolved_twice_where_openai_does(folder: Path) -> None:
    openai, plain = (rows(folder, "&amp;amp; cat", cleaning=each)[0] for each in ("openai", "none"))
    assert openai == [FIRST, CODES["&</w>"], CAT, LAST, 0, 0]
    assert plain[:4] == [FIRST, CODES["&</w>"], CODES["a"], CODES["m"]]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Returns the only folder that modules come from, and forgets ftfy before and after."""
    monkeypatch.delitem(sys.modules, "ftfy", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    yield tmp_path
    sys.modules.pop("ftfy", None)


def test_without_ftfy_only_entities_are_resolved_and_the_digest_says_so(installed: Path) -> None:
    assert cleaned("cat &amp;eacute; ") == "cat é"
    assert (cleaning_word("openai"), cleaning_word("none")) == ("openai without ftfy", "none")


def test_where_ftfy_is_installed_it_mends_the_prompt_first(installed: Path) -> None:
    (installed / "ftfy.py").write_text("def fix_text(text):\n    return text.replace('cat', '&lt;')\n")
    assert cleaned(" a cat ") == "a <"
    assert (cleaning_word("openai"), cleaning_word("none")) == ("openai", "none")


def test_a_spelt_out_end_token_ends_the_prompt_there(folder: Path) -> None:
    told = tokenize(read_tokenizer(folder), [f"red {END} cat", "red"], cleaning="openai", length=6)
    assert told.ids_BL.tolist()[0] == [FIRST, RED, LAST, CAT, LAST, 0]
    assert told.end_B.tolist() == [2, 2]


@pytest.mark.parametrize("eos", [CODES[END], 2])
def test_the_feature_is_read_at_the_first_end_token_whatever_the_configuration_says(
    folder: Path, eos: int
) -> None:
    """Configurations of before transformers 4.31 say 2; the padding is 0 and plays no part."""
    clip = random_clip()
    clip.text_model.eos_token_id = eos
    tokenizer = read_tokenizer(folder)
    told = tokenize(tokenizer, ["a red cat", f"red {END} cat", "red " * 20], cleaning="openai", length=12)
    with torch.no_grad():
        ours = text_features(clip, told)
        hidden = clip.text_model(input_ids=told.ids_BL).last_hidden_state
        expected = clip.text_projection(torch.stack([hidden[0, 4], hidden[1, 2], hidden[2, 11]]))
        other_padding = told.ids_BL.where(told.ids_BL != 0, 5)
        padded = text_features(clip, type(told)(ids_BL=other_padding, end_B=told.end_B))
    torch.testing.assert_close(ours, expected / expected.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(ours, padded, rtol=0, atol=1e-6)


def test_a_tokenizer_that_transformers_saved_is_the_same(folder: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    read_tokenizer(folder).save_pretrained(saved)
    assert not (saved / "vocab.json").exists()  # transformers 5 writes tokenizer.json alone
    texts = ("a red cat", "redcat &amp; café's 12", "")
    assert rows(saved, *texts, length=12) == rows(folder, *texts, length=12)


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_torn_file_is_told_from_a_whole_one(folder: Path, name: str) -> None:
    path = folder / name
    whole = path.read_text()
    path.write_text(whole[: len(whole) - 12])
    with pytest.raises(CheckpointError, match="copy"):
        read_tokenizer(folder)


def test_a_torn_tokenizer_json_is_told_from_a_whole_one(folder: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    read_tokenizer(folder).save_pretrained(saved)
    told = json.loads((saved / "tokenizer.json").read_text())
    del told["model"]["merges"]
    (saved / "tokenizer.json").write_text(json.dumps(told))
    with pytest.raises(CheckpointError, match="merges"):
        read_tokenizer(saved)


def test_a_tokenizer_of_another_model_is_refused() -> None:
    clip = random_clip()
    assert window(clip, len(CODES)) == 12
    with pytest.raises(CheckpointError, match="belong to different models"):
        window(clip, len(CODES) + 1)
