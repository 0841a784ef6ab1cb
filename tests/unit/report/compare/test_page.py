"""The whole comparison: a page that stands alone, and JSON with the full numbers."""

import json
import re
from pathlib import Path

from tessera.report.compare.page import (
    compare,
    compare_json,
    compare_latex,
    compare_lines,
    compare_page,
    reading,
)
from tests.unit.report.compare.conftest import record, shares, two, write_evaluation


def test_the_page_holds_its_pictures_and_loads_nothing(tmp_path: Path) -> None:
    folders = two(tmp_path, shares([0.0, 1.0, 0.0]), shares([1.0, 0.0, 1.0]))
    page = compare_page(compare(folders), "tessera compare old new")
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert page.count('<img src="data:image/') == 2 * 3  # two gained, one lost, two columns
    assert "What new gained on old" in page
    assert "What new lost" in page
    assert "tessera compare old new" in page


def test_names_and_prompts_are_escaped(tmp_path: Path) -> None:
    rows = [[record("<b>x</b>", right), record("y", 0.0)] for right in (0.0, 1.0)]
    page = compare_page(compare(two(tmp_path, *rows), ("<i>", "new")))
    assert "<b>x</b>" not in page
    assert "<i>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page


def test_published_rows_are_marked_and_only_shown_when_asked_for(tmp_path: Path) -> None:
    more = {"benchmark": "geneval", "category": "counting"}
    folders = two(tmp_path, shares([0.0, 1.0], **more), shares([1.0, 1.0], **more))
    assert "IF-XL" not in compare_page(compare(folders))
    comparison = compare(folders, published=True)
    page = compare_page(comparison)
    assert "IF-XL" in page
    assert "published, source 1" in page
    assert "djghosh13/geneval:README.md" in page
    (first, _) = compare_json(comparison)["benchmarks"]["geneval"]["published"]
    assert first["row"][-1]["scores"]["counting"] == "0.66"


def test_the_numbers_survive_json(tmp_path: Path) -> None:
    comparison = compare(two(tmp_path, shares([0.0, 0.0, 1.0]), shares([1.0, 1.0, 1.0])))
    plain = json.loads(json.dumps(compare_json(comparison), allow_nan=False))
    result = plain["benchmarks"]["mosaic-id"]
    assert result["scores"]["new"]["overall"]["mean"] == 1
    assert round(result["differences"]["new"]["overall"]["value"], 6) == round(2 / 3, 6)
    assert result["reference"] == "old"
    assert result["best"]["overall"] == ["new"]
    assert [each["prompt"] for each in plain["improved"]] == ["a photo of thing 0", "a photo of thing 1"]
    assert plain["improved"][0]["scores"] == {"old": "wrong", "new": "right"}


def test_a_single_prompt_has_scores_and_no_difference(tmp_path: Path) -> None:
    comparison = compare(two(tmp_path, shares([0.0]), shares([1.0])))
    json.dumps(compare_json(comparison), allow_nan=False)
    assert "not distinguishable from it: old" in reading(comparison)
    assert compare_page(comparison)


def test_the_reading_says_how_large_and_whether_it_may_be_chance(tmp_path: Path) -> None:
    sure = compare(two(tmp_path / "a", shares([0.0] * 20), shares([1.0] * 19 + [0.0])))
    assert reading(sure).startswith("On mosaic-id, old scores 0.0\u202f% and new 95.0\u202f%: +95.0 points (")
    assert reading(sure).endswith("more than chance.")
    weak = compare(two(tmp_path / "b", shares([0.0, 1.0, 0.0]), shares([1.0, 1.0, 0.0])))
    assert reading(weak).endswith("which may be chance.")
    same = compare(two(tmp_path / "c", shares([0.0, 1.0]), shares([0.0, 1.0])))
    assert reading(same).endswith(": no difference.")


def test_other_graders_are_said_everywhere(tmp_path: Path) -> None:
    folders = [
        write_evaluation(tmp_path / name, shares([0.0, right]), {"graders": {"mosaic-id": name}})
        for name, right in (("a", 0.0), ("b", 1.0))
    ]
    comparison = compare(folders)
    assert reading(comparison) == "On mosaic-id the graders differ, so nobody leads."
    for text in (compare_page(comparison), compare_latex(comparison), "\n".join(compare_lines(comparison))):
        assert "different graders (a: a, b: b)" in text
    result = compare_json(comparison)["benchmarks"]["mosaic-id"]
    assert (result["paired"], result["differences"]) == (False, {})
