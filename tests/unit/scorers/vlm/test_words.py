"""Tokenizers as they lie in published folders."""

import json
from pathlib import Path

import pytest

from tessera.scorers.vlm.questions import PAIR, hps_v3
from tessera.scorers.vlm.qwen import QWEN_CONTROLS
from tessera.scorers.vlm.words import AFTER, BEFORE, read_words
from tests.unit.scorers.vlm import tiny

TEXTS = [
    f"{BEFORE}<|vision_start|><|image_pad|><|vision_end|>{PAIR}{AFTER}Final Score: 4",
    hps_v3(),
    " 12  3\n\n",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns a folder with the files of Qwen2's tokenizer, named as Qwen names its class."""
    tiny.tokenizer().save_pretrained(tmp_path)
    told = json.loads((tmp_path / "tokenizer.json").read_text())
    (tmp_path / "vocab.json").write_text(json.dumps(told["model"]["vocab"]))
    merges = [" ".join(pair) for pair in told["model"]["merges"]]
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    added = {str(token.pop("id")): token for token in told["added_tokens"]}
    settings = {
        "tokenizer_class": "Qwen2Tokenizer",
        "added_tokens_decoder": added,
        "bos_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": None,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    return tmp_path


@pytest.mark.parametrize("lacking", [(), ("vocab.json", "merges.txt"), ("tokenizer.json",)])
def test_a_tokenizer_of_one_file_or_of_two_writes_the_same_ids(
    folder: Path, lacking: tuple[str, ...]
) -> None:
    for name in lacking:
        (folder / name).unlink()
    words = read_words(folder, QWEN_CONTROLS)
    for text in TEXTS:
        assert words.ids(text) == tiny.tokenizer()(text)["input_ids"]


def test_nothing_is_added_and_control_tokens_are_read_as_such(folder: Path) -> None:
    words = read_words(folder, QWEN_CONTROLS)
    assert words.ids("<|im_end|>") == [words.single("<|im_end|>")]
    assert words.following("Final Score: ", "4") == words.single("4")
    assert words.control_in("a red star") == ""
    assert "<|vision_start|>" in words.control_in("a <|vision_start|> sign")
