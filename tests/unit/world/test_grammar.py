"""Descriptions and words: what is written is read back, equal meanings share a key, nonsense is refused."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessera.errors import PromptError
from tessera.policies.mosaic.config import TransformerConfig
from tessera.world.categories import CATEGORIES, Family
from tessera.world.grammar import (
    NUMBERS,
    Description,
    Phrase,
    Relation,
    change_one_fact,
    check_words,
    in_domain_sentence,
    out_of_domain_sentence,
    parse,
    vocabulary,
)
from tessera.world.prompts import draw, sentence
from tessera.world.scene import COLORS, MAX_PIECES, RELATIONS, SHAPES, SIZES, TEXTURES

DRAWS = 400  # per category; there are twelve
MIRRORED = {"left": "right", "right": "left", "above": "below", "below": "above"}


def _draws() -> list[tuple[Family, str, Description]]:
    """Returns thousands of descriptions of every category, all values free."""
    rng = random.Random(1)
    return [
        (family, category, draw(category, rng, axes=None))
        for family, categories in CATEGORIES.items()
        for category in categories
        for _ in range(DRAWS)
    ]


# Plain fields of any legal description, also of ones that no category has. They become records in the test,
# because the shape checker draws from `random`, which hypothesis refuses inside a strategy.
Fields = list[tuple[str, int, str | None, str | None, str | None]]
PHRASES = st.tuples(
    st.sampled_from(SHAPES),
    st.integers(1, 4),
    st.none() | st.sampled_from(COLORS),
    st.none() | st.sampled_from(TEXTURES),
    st.none() | st.sampled_from(SIZES),
)
FIELDS = st.lists(PHRASES, min_size=1, max_size=4).filter(lambda f: sum(p[1] for p in f) <= MAX_PIECES)
KINDS = st.none() | st.sampled_from(RELATIONS)


def _description(fields: Fields, kind: str | None) -> Description:
    phrases = tuple(
        Phrase(shape, count, color, texture, size) for shape, count, color, texture, size in fields
    )
    if kind is None or [phrase.count for phrase in phrases] != [1, 1]:
        return Description(phrases)
    return Description(phrases, Relation(kind))


def _meaning(description: Description) -> tuple[object, ...]:
    """Returns what a description says, free of order and of mirrored words: an independent `key`."""
    parts = [(p.shape, p.count, p.color, p.texture, p.size) for p in description.phrases]
    if description.relation is None:
        return ("together", frozenset(Counter(parts).items()))
    kind = description.relation.kind
    return (kind, *parts) if kind in ("left", "above") else (MIRRORED[kind], *reversed(parts))


# --- words and back -----------------------------------------------------------------------------------------


def test_every_drawn_description_is_read_back_from_the_sentences_of_both_families() -> None:
    rng = random.Random(2)
    for _, category, description in _draws():
        for family in CATEGORIES:
            text = sentence(family, description, rng)
            assert parse(text) == description, (category, text)


@given(FIELDS, KINDS, st.integers(0, 10**6))
def test_any_legal_description_is_read_back(fields: Fields, kind: str | None, seed: int) -> None:
    description = _description(fields, kind)
    assert parse(in_domain_sentence(description, random.Random(seed))) == description
    assert parse(out_of_domain_sentence(description)) == description


def test_every_drawn_sentence_fits_in_the_text_window() -> None:
    slots = TransformerConfig().text_slots
    assert slots == 24
    rng = random.Random(3)
    longest = max(len(check_words(sentence(family, d, rng))) for family, _, d in _draws() for _ in range(4))
    assert longest <= slots


def test_the_longest_sentence_that_can_be_drawn_fits_in_the_text_window() -> None:
    """The longest bodies by hand: a relation of two full phrases, and three phrases of one attribute."""
    full = Phrase("circle", color="blue", texture="solid", size="small")
    short = Phrase("star", color="blue")
    for description in (Description((full, full), Relation("left")), Description((short, short, short))):
        words = [len(in_domain_sentence(description, random.Random(seed)).split()) for seed in range(2000)]
        assert max(words) <= TransformerConfig().text_slots


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        (Phrase("star"), "a star"),
        (Phrase("circle", color="orange"), "an orange circle"),
        (Phrase("circle", color="orange", size="large"), "a large orange circle"),
        (Phrase("ring", 3, color="red", texture="striped", size="small"), "three small striped red rings"),
        (Phrase("square", 2), "two squares"),
    ],
)
def test_a_phrase_is_written_in_english(phrase: Phrase, words: str) -> None:
    assert phrase.words() == words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A photo of TWO red circles!", Description((Phrase("circle", 2, color="red"),))),
        ("star", Description((Phrase("star"),))),
        ("one small ring", Description((Phrase("ring", size="small"),))),
        ("an orange heart", Description((Phrase("heart", color="orange"),))),
        (
            "on a white page there is a star on the bottom of a striped square, and nothing else",
            Description((Phrase("star"), Phrase("square", texture="striped")), Relation("below")),
        ),
        ("a circle right of a ring", Description((Phrase("circle"), Phrase("ring")), Relation("right"))),
    ],
)
def test_what_a_user_writes_is_read(text: str, expected: Description) -> None:
    assert parse(text) == expected


def test_the_out_of_domain_sentences_are_genevals() -> None:
    pair = (Phrase("circle", color="orange"), Phrase("star"))
    assert out_of_domain_sentence(Description(pair)) == "a photo of an orange circle and a star"
    assert (
        out_of_domain_sentence(Description(pair, Relation("below")))
        == "a photo of an orange circle below a star"
    )


def test_in_domain_sentences_are_many_for_one_description() -> None:
    description = Description((Phrase("circle", color="red"), Phrase("star")))
    texts = {in_domain_sentence(description, random.Random(seed)) for seed in range(300)}
    assert len(texts) > 50  # 7 openings x 5 joiners x 5 closings


def test_the_vocabulary_has_every_word_once_and_no_other_order_in_another_process() -> None:
    words = vocabulary()
    assert len(set(words)) == len(words)
    facts = len(NUMBERS) + 2 * len(SHAPES) + len(COLORS) + len(TEXTURES) + len(SIZES)
    assert list(words[facts:]) == sorted(words[facts:])  # a set's own order would change with the hash seed


# --- keys ---------------------------------------------------------------------------------------------------


def test_descriptions_share_a_key_exactly_if_they_mean_the_same() -> None:
    """Over thousands of draws, each also with its phrases the other way round."""
    key_of: dict[tuple[object, ...], str] = {}
    meaning_of: dict[str, tuple[object, ...]] = {}
    for _, _, description in _draws():
        turned = Description(description.phrases[::-1], description.relation)
        for one in (description, turned):
            meaning, key = _meaning(one), one.key()
            assert key_of.setdefault(meaning, key) == key
            assert meaning_of.setdefault(key, meaning) == meaning


@given(FIELDS, KINDS, FIELDS, KINDS)
def test_any_two_legal_descriptions_share_a_key_exactly_if_they_mean_the_same(
    fields: Fields, kind: str | None, other_fields: Fields, other_kind: str | None
) -> None:
    one, other = _description(fields, kind), _description(other_fields, other_kind)
    assert (one.key() == other.key()) == (_meaning(one) == _meaning(other))


@given(FIELDS, KINDS, st.randoms(use_true_random=False))
def test_the_order_of_phrases_does_not_change_the_key(
    fields: Fields, kind: str | None, shuffler: random.Random
) -> None:
    one = _description(fields, kind)
    if one.relation is None:
        shuffled = shuffler.sample(fields, len(fields))
        assert _description(shuffled, None).key() == one.key()
    else:
        assert _description(fields[::-1], MIRRORED[one.relation.kind]).key() == one.key()


@pytest.mark.parametrize("kind", RELATIONS)
def test_a_mirrored_relation_has_the_same_key_and_a_turned_one_another(kind: str) -> None:
    a, b = Phrase("circle", color="red"), Phrase("star")
    key = Description((a, b), Relation(kind)).key()
    assert Description((b, a), Relation(MIRRORED[kind])).key() == key
    assert Description((b, a), Relation(kind)).key() != key
    assert Description((a, b), Relation(MIRRORED[kind])).key() != key
    assert Description((a, b)).key() != key


def test_every_field_of_a_phrase_is_in_its_key() -> None:
    phrases = (
        Phrase("circle"),
        Phrase("star"),
        Phrase("circle", 2),
        Phrase("circle", color="red"),
        Phrase("circle", texture="solid"),
        Phrase("circle", size="small"),
    )
    assert len({Description((phrase,)).key() for phrase in phrases}) == len(phrases)


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a photo of a red circel", "unknown word 'circel'. Did you mean 'circle'?"),
        ("a photo of five circles", "unknown word 'five'"),
        ("a photo of a purpel star", "Did you mean 'purple'?"),
        ("", "the prompt is empty"),
        ("  ,. !", "the prompt is empty"),
        ("a photo of", "names no shape; use one of circle, square, triangle, star, heart, ring"),
        ("there is a page", "names no shape"),
        ("a circle and a red", "'red' describes nothing; put a shape after it"),
        ("a large striped blue", "describes nothing"),
        ("four circles and a star", "asks for 5 pieces; a picture holds at most 4"),
        ("a circle and a ring and a star and a heart and a square", "asks for 5 pieces"),
        ("two circles left of a star", "a position needs exactly two single pieces"),
        ("a circle left of a star and a ring", "a position needs exactly two single pieces"),
        ("a circle on the left", "a position needs exactly two single pieces"),
    ],
)
def test_nonsense_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(PromptError) as caught:
        parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a red circle and two", id="a number that counts nothing"),
        pytest.param("two three circles", id="two numbers"),
        pytest.param("a red blue circle", id="two colours"),
        pytest.param("a small large circle", id="two sizes"),
        pytest.param("a striped dotted circle", id="two textures"),
        pytest.param("a circle left of and right of a star", id="two positions"),
        pytest.param("on the left a circle and on the right a star", id="a position before any piece"),
    ],
)
def test_words_that_contradict_one_another_are_refused_not_dropped(text: str) -> None:
    """What the parser drops the verifier does not check: the picture would be graded for another prompt."""
    with pytest.raises(PromptError):
        parse(text)


def test_a_long_prompt_is_quoted_in_part() -> None:
    with pytest.raises(PromptError) as caught:
        check_words("a photo of a circle " * 50 + "circel")
    assert len(str(caught.value)) < 1000
    assert "..." in str(caught.value)


def test_a_relation_of_anything_but_two_single_pieces_cannot_be_built() -> None:
    for phrases in ((Phrase("circle"),), (Phrase("circle", 2), Phrase("star")), (Phrase("circle"),) * 3):
        with pytest.raises(ValueError, match="exactly two single pieces"):
            Description(phrases, Relation("left"))


# --- change_one_fact ----------------------------------------------------------------------------------------


def _flat(description: Description) -> dict[str, object]:
    """Returns every field of a description under its own name."""
    fields: dict[str, object] = {
        f"{field} {index}": getattr(phrase, field)
        for index, phrase in enumerate(description.phrases)
        for field in ("shape", "count", "color", "texture", "size")
    }
    fields["relation"] = description.relation.kind if description.relation else None
    return fields


def test_changing_one_fact_changes_exactly_the_one_it_names() -> None:
    rng = random.Random(4)
    kinds = Counter[str]()
    for _, _, description in _draws():
        kind, changed = change_one_fact(description, rng)
        before, after = _flat(description), _flat(changed)
        different = [name for name in before if before[name] != after[name]]
        assert [name.split()[0] for name in different] == [kind], (description, changed)
        assert after[different[0]] is not None
        assert 1 <= changed.total <= MAX_PIECES
        assert changed.key() != description.key()
        kinds[kind] += 1
    assert set(kinds) == {"shape", "color", "texture", "size", "count", "relation"}
