"""WISE's prompt files, and what the judge is asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from tessera.benchmarks.wise.files import read_wise
from tessera.benchmarks.wise.questions import OWN, asked, read_question
from tessera.benchmarks.wise.rules import CATEGORIES, MARKS
from tessera.benchmarks.wise.settings import Edition
from tessera.errors import UserError
from tests.unit.benchmarks.wise.made import NUMBERS, written

EDITIONS: tuple[Edition, ...] = ("verified", "legacy")


@pytest.mark.parametrize("edition", EDITIONS)
def test_prompts_come_by_number_with_the_category_of_their_range(tmp_path: Path, edition: Edition) -> None:
    prompts = read_wise(written(tmp_path, edition), edition)
    assert [each.metadata["number"] for each in prompts] == list(NUMBERS[edition])
    assert [each.category for each in prompts] == [name for name in CATEGORIES for _ in range(2)]
    assert (prompts[2].id, prompts[2].text) == (f"wise-{edition}/401", "The thing of riddle 401")
    assert prompts[2].metadata == {
        "benchmark": "wise",
        "number": 401,
        "explanation": "It is answer 401",
        "subcategory": "kind 2",
        "part": "spatio-temporal_reasoning",
    }


@pytest.mark.parametrize(
    ("edition", "inside"), [("verified", "data_verified"), ("legacy", "WISE_legacy/data")]
)
def test_a_checkout_of_its_repository_will_do(tmp_path: Path, edition: Edition, inside: str) -> None:
    written(tmp_path / inside, edition)
    assert len(read_wise(tmp_path, edition)) == 12


def test_missing_files_are_told_with_the_reason_and_the_remedy(tmp_path: Path) -> None:
    written(tmp_path, "legacy")
    with pytest.raises(
        UserError,
        match=r"lacks cultural_common_sense_verified\.json.*no licence.*data_verified/ of https://github\.com/"
        r"PKU-YuanGroup/WISE.*--set wise\.data=FOLDER",
    ):
        read_wise(tmp_path, "verified")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt_id": 7, "Prompt": "a"}, r"object 0: expected \{\"prompt_id\", \"Prompt\", \"Explanation\""),
        ({"prompt_id": "7", "Prompt": "a", "Explanation": "b"}, "prompt_id is '7'; it is a whole number"),
        ({"prompt_id": 1001, "Prompt": "a", "Explanation": "b"}, "prompt_id is 1001"),
        ({"prompt_id": True, "Prompt": "a", "Explanation": "b"}, "prompt_id is True"),
        ({"prompt_id": 7, "Prompt": " ", "Explanation": "b"}, "Prompt and Explanation are texts"),
        ({"prompt_id": 401, "Prompt": "a", "Explanation": "b"}, "prompt_id 401 is there twice"),
        ("a prompt", "object 0: expected"),
    ],
)
def test_what_is_no_prompt_is_refused(tmp_path: Path, row: Any, words: str) -> None:
    path = written(tmp_path) / "cultural_common_sense_verified.json"
    path.write_text(json.dumps([row]), encoding="utf-8")
    with pytest.raises(UserError, match=words):
        read_wise(tmp_path, "verified")


@pytest.mark.parametrize(
    ("text", "words"), [("{}", "is no list"), ("[", "is no JSON"), ("[]", "has no prompt of culture")]
)
def test_what_is_no_list_of_prompts_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (written(tmp_path) / "cultural_common_sense_verified.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        read_wise(tmp_path, "verified")


@pytest.mark.parametrize("edition", EDITIONS)
def test_our_words_name_every_mark_and_give_the_judge_both_texts(edition: Edition) -> None:
    told = asked(OWN[edition], "The king of beasts", "A lion")
    assert "The king of beasts" in told
    assert "A lion" in told
    assert "{" not in told
    assert all(f"{name}: " in told for name in MARKS[edition])


def test_places_are_filled_once_and_other_braces_stay() -> None:
    told = asked('{prompt} {explanation} {"score": 1}', "a {explanation}", "b {prompt}")
    assert told == 'a {explanation} b {prompt} {"score": 1}'


def test_a_question_of_ones_own_has_both_places(tmp_path: Path) -> None:
    path = tmp_path / "judge.txt"
    path.write_text("{prompt}: {explanation}", encoding="utf-8")
    assert read_question(path) == "{prompt}: {explanation}"
    path.write_text("{prompt}", encoding="utf-8")
    with pytest.raises(UserError, match=r"has no \{explanation\}; write it where"):
        read_question(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_question(tmp_path / "gone.txt")
