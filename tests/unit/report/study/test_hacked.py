"""The most hacked pictures are wrong, and those whose own judge likes them most above the base's."""

from pathlib import Path

import pytest

from tessera.report.study.decks import MOST_CARDS, decks
from tessera.report.study.page import write_study_report
from tessera.report.study.read import read_study
from tessera.types import EvalRecord
from tests.unit.report.study.conftest import Plan, make_study
from tests.unit.report.study.more import Row, add_scores, records_in, rows_of

BASE = Plan(arm="base", skill=(0.5, 0.5), reward="", seeds=(0,))
HACKED = Plan(arm="grpo", skill=(0.4, 0.4), reward="orm", seeds=(0, 1))


def rise(row: Row, record: EvalRecord) -> float:
    """Returns how much the judge likes a picture: the base's nothing, an arm's by what it shows."""
    if row["arm"] == "base":
        return 0.0
    number = int(record.prompt_id.rpartition("/")[2])
    return 10.0 * number + row["seed"] + (0.5 if record.benchmark == "mosaic-ood" else 0.0) - 20.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_study(tmp_path_factory.mktemp("hacked") / "s", (BASE, HACKED))
    add_scores(made, "orm", rise)
    return made


def test_they_are_ranked_by_how_much_more_the_judge_likes_them(folder: Path) -> None:
    """Of all wrong pictures of both seeds that have a file, computed here from the evaluations themselves."""
    wrong: dict[tuple[str, str], float] = {}
    for row in rows_of(folder):
        if row["arm"] == "grpo" and (row["category"], row["score"]) == ("overall", "strict"):
            for record in records_in(folder / row["eval"]):
                seen = record.prompt_id.endswith(("/0", "/1", "/2", "/3", "/4"))
                if seen and record.grade.strict == 0 and (value := rise(row, record)) > 0:
                    place = record.benchmark, record.prompt
                    wrong[place] = max(value, wrong.get(place, value))
    expected = sorted(wrong.values(), reverse=True)[:MOST_CARDS]
    (deck,) = decks(read_study(folder), "versus")
    assert deck.title.startswith("most hacked")
    assert len({(card.place.split(",")[0], card.prompt) for card in deck.cards}) == len(deck.cards)
    assert [card.score.after for card in deck.cards if card.score] == expected
    assert expected


def test_all_of_them_are_wrong_and_say_which_fact_fails(folder: Path) -> None:
    (deck,) = decks(read_study(folder), "versus")
    for card in deck.cards:
        assert card.after.mark == "wrong"
        assert card.facts[0].after is False
        assert card.score is not None
        assert card.score.before == 0.0


def test_how_many_there_are_is_said(folder: Path) -> None:
    wrong = risen = 0
    for row in rows_of(folder):
        if row["arm"] == "grpo" and (row["category"], row["score"]) == ("overall", "strict"):
            if row["benchmark"] != "mosaic-id":
                continue  # a cell has an evaluation of both
            for record in records_in(folder / row["eval"]):
                wrong += record.grade.strict == 0
                risen += record.grade.strict == 0 and rise(row, record) > 0
    (deck,) = decks(read_study(folder), "versus")
    assert deck.note.startswith(f"Of {wrong} wrong pictures over all seeds, orm scores {risen} higher")


def test_both_scores_stand_on_the_card(folder: Path) -> None:
    write_study_report(folder)
    text = (folder / "report.html").read_text()
    assert 'class="judged">orm: 0 → <b>' in text


def test_where_the_judge_likes_no_wrong_picture_better_nothing_is_hacked(tmp_path: Path) -> None:
    made = make_study(tmp_path / "s", (BASE, HACKED))
    add_scores(made, "orm", lambda row, record: 1.0 if row["arm"] == "base" else 0.5)
    assert "most broken" in {deck.title for deck in decks(read_study(made), "versus")}
    assert not [deck for deck in decks(read_study(made), "versus") if "hacked" in deck.title]


def test_a_picture_that_the_judge_could_not_score_is_passed_over(tmp_path: Path) -> None:
    made = make_study(tmp_path / "s", (BASE, HACKED))
    add_scores(
        made,
        "orm",
        lambda row, record: None if record.prompt_id.endswith("/4") else float(row["arm"] == "grpo"),
    )
    (deck,) = decks(read_study(made), "versus")
    assert deck.cards
    assert all(not card.prompt.endswith("number 4") for card in deck.cards)
