"""Pictures of the field on a page: reasons and scores under them, few of many, chosen within categories."""

import re
from pathlib import Path

import pytest

from tessera.report.evaluation import evaluation_page
from tessera.report.evaluation.cards import Album, cards_of
from tessera.report.evaluation.gallery import MAX_CHOSEN, MAX_SHOWN
from tests.unit.report.evaluation.field import NAN, record, results_of, text_of, write_field

OFFICIAL = {"title": "T"}


def sections(page: str) -> dict[str, str]:
    parts = re.split(r'<section id="([\w-]+)"', page)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_reasons_are_lines_of_their_own_under_a_picture(tmp_path: Path) -> None:
    reason = "expected cow left of target, found  target\nexpected cow>=1, found 0"
    rows = [record(0.0, 0, soft=0.5, facts=[("1 cow", True), ("1 cow left of dog", False)], reason=reason)]
    write_field(tmp_path, rows, {"geneval": OFFICIAL})
    found = re.findall(r'class="reasons">([^<]*)<', sections(evaluation_page(tmp_path))["pictures"])
    assert found == ["expected cow left of target, found – target", "expected cow&gt;=1, found 0"]


def test_scores_stand_under_pictures_and_are_neither_right_nor_wrong(tmp_path: Path) -> None:
    rows = [record(0.25, 0, benchmark="compbench"), record(1.0, 1, benchmark="compbench")]
    rows += [record(NAN, 2, benchmark="compbench", reason="no relation was read")]
    write_field(tmp_path, rows, {"compbench": OFFICIAL})
    page = evaluation_page(tmp_path)
    cards = re.findall(r'<li class="card (\w+)[ "].*?</li>', sections(page)["pictures"], flags=re.DOTALL)
    assert cards == ["scored", "scored", "open"]
    text = text_of(sections(page)["pictures"].join(("<section", "")))
    assert "0.2500 prompt counting-0" in text
    assert "not graded prompt counting-2 no relation was read" in text
    assert '<button type="button" data-show' not in page  # nothing is right or wrong


def test_a_card_knows_its_place_in_its_category_and_missing_ones_are_last(tmp_path: Path) -> None:
    rows = [record(value, n, benchmark="compbench") for n, value in enumerate((0.5, NAN, 0.9, 0.1))]
    (result,) = results_of(write_field(tmp_path, rows), rows)
    assert [card.rank for card in cards_of(rows, result, Album(tmp_path))] == [1, 3, 0, 2]


@pytest.mark.parametrize(("categories", "prompts", "shown"), [(6, 92, 8), (8, 60, 8), (300, 8, 2)])
def test_a_page_of_thousands_of_pictures_shows_a_hundred_and_says_so(
    tmp_path: Path, categories: int, prompts: int, shown: int
) -> None:
    rows = [
        record(0.5 if n % 2 else 0.25, n, benchmark="compbench", category=f"c{category}", sample=sample)
        for category in range(categories)
        for n in range(prompts)
        for sample in range(2)
    ]
    write_field(tmp_path, rows, {"compbench": OFFICIAL})
    parts = sections(evaluation_page(tmp_path))
    here = min(shown * categories, MAX_SHOWN)
    assert parts["pictures"].count('class="card ') == here
    text = re.sub(r"\s", "", parts["pictures"])
    assert f"{here}of{len(rows)}picturesshown" in text
    assert (f"{here // shown}of{categories}categories" in text) == (categories > here // shown)
    for name in ("highest", "lowest"):
        assert 0 < parts[name].count('class="card ') <= MAX_CHOSEN


def test_a_small_benchmark_beside_a_large_one_costs_no_category(tmp_path: Path) -> None:
    rows = [record(0.5, n, benchmark="compbench", category=f"c{c}") for c in range(8) for n in range(9)]
    rows += [record(0.5, n, benchmark="mine") for n in range(3)]
    write_field(tmp_path, rows)
    pictures = sections(evaluation_page(tmp_path))["pictures"]
    assert pictures.count('class="category"') == 9
    assert pictures.count('class="card ') == 8 * 8 + 3
    assert "categories" not in pictures


def test_every_category_has_its_highest_and_lowest_scores(tmp_path: Path) -> None:
    values = {"color": (0.9, 0.8, 0.7, 0.6), "spatial": (0.3, 0.1, 0.0, 0.2)}
    rows = [
        record(value, n, benchmark="compbench", category=category)
        for category, each in values.items()
        for n, value in enumerate(each)
    ]
    rows.append(record(0.05, 0, benchmark="compbench", category="spatial", sample=1))
    write_field(tmp_path, rows, {"compbench": OFFICIAL})
    parts = sections(evaluation_page(tmp_path))
    found = {
        name: re.findall(r'class="prompt">prompt ([\w-]+)<', parts[name]) for name in ("highest", "lowest")
    }
    assert found["highest"] == ["color-0", "color-1", "spatial-0", "spatial-3"]
    assert found["lowest"] == [
        "color-3",
        "color-2",
        "spatial-2",
        "spatial-0",
    ]  # 0.0, and 0.05 of a second try


def test_misses_are_chosen_within_categories(tmp_path: Path) -> None:
    rows = [
        record(0.0, n, category=category, soft=soft, facts=[("1 cow", False)])
        for category, softs in {"counting": (0.5, 0.5, 0.5, 0.5), "position": (0.0, 0.0, 0.0, 0.0)}.items()
        for n, soft in enumerate(softs)
    ]
    write_field(tmp_path, rows, {"geneval": OFFICIAL})
    parts = sections(evaluation_page(tmp_path))
    for name in ("closest", "worst"):
        assert re.findall(r'class="place">(\w+),', parts[name]) == ["counting"] * 2 + ["position"] * 2


def test_pictures_lie_where_their_records_say_and_nowhere_outside(tmp_path: Path) -> None:
    folder = tmp_path / "eval"
    folder.mkdir()
    rows = [record(1.0, 0), record(1.0, 1)]
    outside = record(1.0, 2, benchmark="../outside")
    (result,) = results_of(write_field(folder, rows, pictures=True), rows)
    write_field(tmp_path, [outside], pictures=True)
    cards = cards_of([*rows, outside], result, Album(folder))
    assert [card.picture is not None for card in cards] == [True, True, False]
