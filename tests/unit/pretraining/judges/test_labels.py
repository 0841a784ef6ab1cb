"""What judges are taught: the words' facts and the patches' looks, by hand."""

import numpy as np
import pytest
import torch

from tessera.pretraining.judges.labels import NOTHING, join, label, patch_looks, word_facts
from tessera.scorers.judges.sizes import TEXT_SLOTS
from tessera.world.grammar import parse, split_words
from tessera.world.render import render_batch
from tessera.world.scene import COLORS, SHAPES, Look, Piece
from tessera.world.verify import Reading, verify

CIRCLE = Piece(Look("circle", "red", "solid", "small"), 0, 0)
STAR = Piece(Look("star", "blue", "dotted", "large"), 4, 4)


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        ("a photo of a red circle and a blue star", "red circle blue star", ""),
        ("a green circle and a blue star", "circle blue star", "green"),
        ("a circle on the left of a star", "circle left star", ""),
        ("a circle on the bottom of a star", "circle star", "bottom"),
        ("a large striped star above a circle", "large star circle", "striped above"),
        ("two circles and a star", "star", "circles"),
    ],
)
def test_every_word_that_names_a_fact_says_whether_it_holds(text: str, right: str, wrong: str) -> None:
    facts = word_facts(text, verify(parse(text), Reading((CIRCLE, STAR), 0, 0.0)))
    words = split_words(text)
    assert [word for word, holds in zip(words, facts, strict=False) if holds == 1] == right.split()
    assert [word for word, holds in zip(words, facts, strict=False) if holds == 0] == wrong.split()
    assert (facts[len(words) : -1] == NOTHING).all()


@pytest.mark.parametrize(("junk", "holds"), [(0, 1), (1, 0)])
def test_the_last_slot_says_whether_there_is_nothing_else(junk: int, holds: int) -> None:
    text = "a circle and a star"
    facts = word_facts(text, verify(parse(text), Reading((CIRCLE, STAR), junk, 0.0)))
    assert facts.shape == (TEXT_SLOTS,)
    assert facts[-1] == holds


def test_two_phrases_of_one_colour_have_a_fact_each() -> None:
    text = "a red circle and a red star"
    facts = word_facts(text, verify(parse(text), Reading((CIRCLE, STAR), 0, 0.0)))
    assert facts[[1, 5]].tolist() == [1, 0]


def test_patches_show_the_piece_that_covers_them() -> None:
    looks = patch_looks(Reading((CIRCLE, STAR), 0, 0.0)).reshape(8, 8, 4)
    assert (looks[..., 0] > 0).sum() == 4 + 9
    assert looks[1, 1, 0] == SHAPES.index("circle") + 1
    assert looks[6, 6].tolist() == [SHAPES.index("star") + 1, COLORS.index("blue") + 1, 4, 2]
    assert (looks[3] == 0).all()


def test_labels_are_the_verifier_s_and_rows_and_joins_keep_them_together() -> None:
    texts = ["a red circle", "a blue circle"]
    both = label(texts, render_batch([(CIRCLE,), (CIRCLE,)]), group=2)
    assert both.strict.tolist() == [1, 0]
    assert both.soft.tolist() == [1, pytest.approx(2 / 3)]
    twice = join([both, both.rows(torch.tensor([1, 0]))])
    assert twice.strict.tolist() == [1, 0, 0, 1]
    assert np.array_equal(twice.ids[0], twice.ids[3])
    with pytest.raises(ValueError, match="groups of"):
        join([both, label(texts[:1], render_batch([(CIRCLE,)]), group=1)])
