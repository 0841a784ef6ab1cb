"""The own reader of prompts: by hand, and how often it agrees with others on the benchmark's own files."""

import json
import re

import pytest

from tessera.scorers.compbench.words import noun_phrases, tagged
from tests.outside import outside
from tests.unit.scorers.detection.golden import lines


def phrases(text: str) -> list[str]:
    return list(noun_phrases(tagged(text)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a green bench and a blue bowl", ["a green bench", "a blue bowl"]),
        ("a spoon and an orange", ["a spoon", "an orange"]),
        ("a red rose and a black stop sign", ["a red rose", "a black stop sign"]),
        ("rubber sole shoes and fluffy clouds", ["rubber sole shoes", "fluffy clouds"]),
        ("a triangular slice of cheese", ["a triangular slice", "cheese"]),
        ("a black and white cat sits in a sink.", ["a black and white cat", "a sink"]),
        (
            "The fluffy cat is on the left of the soft pillow.",
            ["The fluffy cat", "the left", "the soft pillow"],
        ),
        ("The rich, earthy tones rustled in the breeze.", ["The rich, earthy tones", "the breeze"]),
        ("The white sun rose above its blue bed.", ["The white sun", "its blue bed"]),
        ("The wall is white.", ["The wall"]),
        ("red", ["red"]),
        ("", []),
        ("on and of", []),
    ],
)
def test_noun_phrases_are_those_of_a_careful_reader(text: str, found: list[str]) -> None:
    assert phrases(text) == found


def test_words_keep_their_case_and_come_with_their_kind() -> None:
    words = [("The", "DET"), ("red", "ADJ"), ("hat", "NOUN"), ("was", "AUX"), ("on", "ADP")]
    words += [("the", "DET"), ("old", "ADJ"), ("chair", "NOUN"), (".", "PUNCT")]
    assert tagged("The red hat was on the old chair.") == tuple(words)


def test_no_noun_is_read_from_the_name_of_a_place_before_a_noun() -> None:
    assert dict(tagged("the left shoe"))["left"] == "ADJ"
    assert dict(tagged("on the left of a shoe"))["left"] == "NOUN"


@pytest.mark.parametrize(
    ("category", "all_of_them", "read"), [("color", 237, 237), ("shape", 220, 199), ("texture", 197, 197)]
)
def test_pairs_of_the_val_prompts_are_read_as_pairs(category: str, all_of_them: int, read: int) -> None:
    """The figures of the head of words.py; the pairs are counted without it."""
    one_and_one = re.compile(r"an? .+ and an? .+", re.IGNORECASE)
    plain = [text for text in lines(f"{category}_val") if not text.endswith(".") and text.count(" and ") == 1]
    pairs = [text for text in plain if one_and_one.fullmatch(text)]
    assert len(pairs) == all_of_them
    assert sum(phrases(text) == text.split(" and ") for text in pairs) == read
    wrong = [text for text in pairs if phrases(text) != text.split(" and ")]
    assert all(" of " in text for text in wrong)  # spaCy splits there, too


def test_first_and_last_noun_agree_with_t2i_r1_where_the_prompt_does_not_end_with_a_key() -> None:
    text = outside("t2i_r1/geneval_and_t2i_data_final.json").read_text(encoding="utf-8")
    rows = [row for row in map(json.loads, text.splitlines()) if row["task_type"] == "spatial"]
    rows = [row for row in rows if not row["prompt"].startswith("a photo of")]
    differ = []
    for row in rows:
        nouns = [word for word, kind in tagged(row["prompt"]) if kind == "NOUN"]
        told = row["spatial_info"]
        if (nouns[0], nouns[-1]) != (told["obj1"], told["obj2"]):
            differ.append((row["prompt"], told["obj2"]))
    assert (len(rows), len(differ)) == (695, 7)
    assert all(prompt.endswith(" a key") and noun != "key" for prompt, noun in differ)


@pytest.mark.parametrize(
    ("task", "count", "same"), [("color", 879, 571), ("shape", 682, 513), ("texture", 695, 551)]
)
def test_phrases_agree_with_t2i_r1_as_often_as_the_head_says(task: str, count: int, same: int) -> None:
    text = outside("t2i_r1/geneval_and_t2i_data_final.json").read_text(encoding="utf-8")
    rows = [row for row in map(json.loads, text.splitlines()) if row["task_type"] == task]
    places = {"top", "bottom", "side", "left", "right", "front", "back"}
    agree = 0
    for row in rows:
        mine = [bare(each) for each in phrases(row["prompt"])]
        agree += [each for each in mine if each not in places] == [bare(each) for each in row["attr_nouns"]]
    assert (len(rows), agree) == (count, same)


ARTICLES = re.compile(r"^(a|an|the|some|its|his|her|their|one|two|three|each|both|another)\s+", re.IGNORECASE)


def bare(phrase: str) -> str:
    """Returns a phrase without article and comma, its last word in the singular."""
    *words, last = ARTICLES.sub("", phrase.lower()).replace(",", "").split()
    if last.endswith("elves") or last in ("leaves", "knives", "loaves"):
        last = f"{last[:-3]}f"
    elif last.endswith("ies"):
        last = f"{last[:-3]}y"
    elif last.endswith(("ses", "xes", "ches", "shes", "oes")):
        last = last[:-2]
    elif last.endswith("s") and not last.endswith("ss"):
        last = last[:-1]
    return " ".join([*words, last])
