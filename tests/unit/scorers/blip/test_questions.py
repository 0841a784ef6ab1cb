"""Questions and products, by the rules of T2I-CompBench's code, worked by hand."""

from pathlib import Path

import pytest

from tessera.scorers.bert import read_words
from tessera.scorers.blip.questions import cleaned, product, question_ids
from tessera.scorers.rows import phrases, pieces, scores
from tessera.types import Prompt
from tests.unit.scorers.blip.tiny import VOCABULARY, ids_of, words_folder


def test_a_question_is_lowered_and_loses_some_marks_only() -> None:
    assert cleaned('A "Red" (car): #1; *new* ~!. ?') == "a red car 1 new  ?"
    assert cleaned("the dog's ball, please?  ") == "the dog's ball, please?"


def test_a_question_has_at_most_fifty_words() -> None:
    assert cleaned(" ".join(["car"] * 50)) == " ".join(["car"] * 50)
    assert cleaned(" ".join(["Car"] * 49 + ["red", "blue?"])) == " ".join(["car"] * 49 + ["red"])


def test_a_question_begins_with_enc_and_has_at_most_35_pieces(tmp_path: Path) -> None:
    words = read_words(words_folder(tmp_path))
    enc, end = len(VOCABULARY) + 1, VOCABULARY.index("[SEP]")
    assert question_ids("A red CAR?", words) == [enc, *ids_of("a red car ?"), end]
    long = question_ids("red car " * 20, words)
    assert long == [enc, *ids_of("red car " * 20)[:33], end]


def test_factors_and_product_are_rounded_to_four_decimals() -> None:
    assert product([0.12344999]) == 0.1234
    assert product([0.5, 0.5, 1.0]) == 0.25
    assert product([0.33336, 0.99996]) == 0.3334  # 0.3334 * 1; unrounded factors would give 0.3333
    assert product([0.00004, 1.0]) == 0.0
    assert product([0.0123, 0.0123]) == 0.0002  # 0.00015129


def test_phrases_come_from_the_first_key_that_has_some() -> None:
    def asked(**metadata: object) -> tuple[list[str], str]:
        return phrases(Prompt(id="", text="", metadata=metadata), "attr_nouns", "nouns")

    assert asked(attr_nouns=["red car"], nouns=["car"]) == (["red car"], "")
    assert asked(attr_nouns=None, nouns=("car", " ")) == (["car"], "")
    assert asked(attr_nouns=[], nouns=["car"]) == (["car"], "")
    assert asked()[0] == []
    assert "no attr_nouns or nouns" in asked()[1]
    assert "must be a list of phrases, got 'car'" in asked(nouns="car")[1]
    assert "must be a list of phrases, got [3]" in asked(nouns=[3])[1]


def test_batches_hold_all_rows_once() -> None:
    assert [list(each) for each in pieces([1, 2, 3, 4, 5], 2)] == [[1, 2], [3, 4], [5]]
    assert list(pieces([], 2)) == []


def test_what_is_not_finite_is_nan_with_a_reason() -> None:
    made = scores([0.5, float("inf"), float("nan")], ["", "", "nothing to ask"], "d")
    assert made.value_B.tolist()[0] == 0.5
    assert made.value_B[1:].isnan().all()
    assert made.reasons[0] == ""
    assert "no finite number" in made.reasons[1]
    assert made.reasons[2] == "nothing to ask"
    with pytest.raises(ValueError, match="zip"):
        scores([0.5], [], "d")
