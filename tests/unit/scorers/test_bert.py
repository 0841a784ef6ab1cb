"""The vocabulary of BERT, against transformers' own reader of it."""

from pathlib import Path

import pytest
import transformers

from tessera.errors import CheckpointError
from tessera.scorers.bert import read_words
from tests.unit.scorers.blip.tiny import VOCABULARY, words_folder

TEXTS = [
    "A RED car, two Dogs!",
    "reds   and\tblued cats.",
    "Café au lait — naïve",
    "the red-blue car's 3 stars?",
    "星 star",
    "red [SEP] blue [MASK]",
    "x" * 120,
    "",
]


def test_pieces_are_those_of_the_published_tokenizer(tmp_path: Path) -> None:
    vocabulary = [*VOCABULARY, "cafe", "au", "-", "##d", "!", "星", "—", "\u2028"]
    words = read_words(words_folder(tmp_path, vocabulary))
    published = transformers.BertTokenizer(vocab={piece: i for i, piece in enumerate(vocabulary)})
    assert words.size == len(vocabulary)
    for text in TEXTS:
        assert words.ids(text) == published(text, add_special_tokens=False)["input_ids"], text
        for limit in (4, 6, 35):
            cut = published(text, truncation=True, max_length=limit)["input_ids"]
            assert words.enclosed(text, limit) == cut, text


def test_a_file_that_is_no_vocabulary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no BERT vocabulary: \[SEP\] is missing"):
        read_words(words_folder(tmp_path, [piece for piece in VOCABULARY if piece != "[SEP]"]))
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CheckpointError, match="is not text"):
        read_words(tmp_path)


def test_a_piece_that_is_not_there_and_a_wrong_size_are_told(tmp_path: Path) -> None:
    words = read_words(words_folder(tmp_path))
    with pytest.raises(CheckpointError, match="has no 'maybe'"):
        words.id_of("maybe")
    words.check_fits(len(VOCABULARY) + 2, 2, "the model")
    with pytest.raises(CheckpointError, match="do not belong together"):
        words.check_fits(len(VOCABULARY) + 2, 0, "the model")
