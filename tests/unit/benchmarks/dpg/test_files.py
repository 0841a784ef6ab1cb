"""DPG-Bench's files: what is read of them, and what is refused."""

from pathlib import Path

import pytest

from tessera.benchmarks.dpg.files import name_of, read_dpg
from tessera.errors import UserError
from tests.unit.benchmarks.dpg.table import ROWS, TEXTS, Row, written


def numbers(folder: Path) -> dict[str, list[tuple[int, bool]]]:
    """Returns the number of each question and whether the published script loses it, by item."""
    return {
        name_of(each): [(one["id"], one["lost"]) for one in each.metadata["propositions"]]
        for each in read_dpg(folder)
    }


def test_prompts_come_in_the_order_of_the_table_and_those_without_a_row_last(tmp_path: Path) -> None:
    prompts = read_dpg(written(tmp_path))
    assert [each.id for each in prompts] == ["dpg/kettle12", "dpg/harbour3", "dpg/bare1"]
    assert [each.text for each in prompts] == list(TEXTS.values())  # without the line end
    assert prompts[2].metadata == {"benchmark": "dpg", "propositions": []}


def test_a_question_has_its_number_its_parents_and_its_kind(tmp_path: Path) -> None:
    kettle, harbour, _ = read_dpg(written(tmp_path))
    assert kettle.metadata["propositions"][3] == {
        "id": 4,
        "parents": [1, 3],
        "kind": "relation - spatial",
        "question": "Is the kettle left of the apples?",
        "lost": False,
    }
    assert [each["parents"] for each in kettle.metadata["propositions"]] == [[], [1], [], [1, 3]]  # 0 is none
    assert [each["id"] for each in harbour.metadata["propositions"]] == [1, 3, 2]  # as the rows stand


def test_the_published_script_loses_the_first_row(tmp_path: Path) -> None:
    assert numbers(written(tmp_path))["kettle12"] == [(1, True), (2, False), (3, False), (4, False)]


def test_the_published_script_loses_what_stands_before_an_interruption(tmp_path: Path) -> None:
    rows = (ROWS[0], ROWS[1], *ROWS[4:], ROWS[2], ROWS[3])
    assert numbers(written(tmp_path, rows)) == {
        "kettle12": [(1, True), (2, True), (3, False), (4, False)],
        "harbour3": [(1, False), (3, False), (2, False)],
        "bare1": [],
    }


def test_a_question_replaces_an_earlier_one_of_its_number(tmp_path: Path) -> None:
    again: Row = ("harbour3", 1, "0", "global - (oil)", "Is it in oil?")
    harbour = read_dpg(written(tmp_path, (*ROWS, again)))[1]
    assert [each["question"] for each in harbour.metadata["propositions"]] == [
        "Is it in oil?",
        "Is the ship white?",
        "Is there a ship?",
    ]


def test_missing_files_are_told_with_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ELLA/tree/main/dpg_bench .Apache-2\.0.*--set dpg\.data=FOLDER"):
        read_dpg(tmp_path)


def test_an_item_whose_prompt_was_not_copied_is_named(tmp_path: Path) -> None:
    (written(tmp_path) / "prompts" / "harbour3.txt").unlink()
    with pytest.raises(UserError, match=r"lacks harbour3\.txt, which dpg_bench\.csv asks about"):
        read_dpg(tmp_path)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("../kettle12", 1, "0", "entity - whole (x)", "Is it?"), "names no file"),
        (("kettle12", 1, "one", "entity - whole (x)", "Is it?"), r"row 1: expected numbers"),
        (("kettle12", 1, "", "entity - whole (x)", "Is it?"), r"row 1: expected numbers"),
    ],
)
def test_a_row_that_says_nothing_is_refused(tmp_path: Path, row: Row, words: str) -> None:
    folder = written(tmp_path)
    lines = (folder / "dpg_bench.csv").read_text(encoding="utf-8").splitlines()
    item, number, parents, kind, question = row
    lines[1] = f'{item},,,{number},"{parents}",,,{kind},{question}'
    (folder / "dpg_bench.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError, match=words):
        read_dpg(folder)


def test_a_torn_row_and_a_table_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path) / "dpg_bench.csv"
    whole = path.read_text(encoding="utf-8")
    path.write_text(f"{whole}harbour3,text,,4,0\n", encoding="utf-8")
    with pytest.raises(UserError, match="row 8: expected numbers"):
        read_dpg(tmp_path)
    path.write_text(whole.replace("proposition_id", "number"), encoding="utf-8")
    with pytest.raises(UserError, match="has no column 'proposition_id'"):
        read_dpg(tmp_path)
    path.write_text(whole.splitlines()[0] + "\n", encoding="utf-8")
    with pytest.raises(UserError, match="holds no question"):
        read_dpg(tmp_path)


def test_an_empty_prompt_is_refused(tmp_path: Path) -> None:
    (written(tmp_path) / "prompts" / "bare1.txt").write_text(" \n", encoding="utf-8")
    with pytest.raises(UserError, match=r"bare1\.txt is empty"):
        read_dpg(tmp_path)
