"""The page of an evaluation: whole, alone, safe, and true to the files it was made from."""

import dataclasses
import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tessera.benchmarks.layout import RECORDS, SUMMARY, picture_path
from tessera.errors import UserError
from tessera.report.evaluation import evaluation_page
from tessera.storage import CONFIG, read_jsonl
from tessera.types import EvalRecord, Fact, Grade
from tests.unit.report.conftest import BENCHMARKS, write_records

VOID = {"meta", "link", "br", "img", "input", "hr"}
NEXT = "train it: `tessera train --recipe grpo`"


class Page(HTMLParser):
    """Reads a page: text, elements with their attributes, and whether every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.misnested: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.misnested += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.misnested.append(tag)

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in ("style", "script"):
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def record(number: int, strict: float, soft: float, benchmark: str = "b", sample: int = 0) -> EvalRecord:
    """Returns a record of category x without picture."""
    facts = () if math.isnan(strict) else (Fact(kind="color", text=f"fact {number}", holds=strict == 1),)
    return EvalRecord(
        benchmark=benchmark,
        category="x",
        prompt_id=f"x/{number}",
        prompt=f"prompt {number}",
        sample=sample,
        seed=0,
        grade=Grade(strict=strict, soft=soft, facts=facts, reason="no answer" if math.isnan(strict) else ""),
        tokens=(),
    )


@pytest.fixture(scope="module")
def text(noisy_folder: Path) -> str:
    return evaluation_page(noisy_folder, NEXT)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_the_page_is_well_formed_and_its_links_arrive(page: Page) -> None:
    assert page.misnested == []
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    targets = [a["href"] for tag, a in page.elements if tag in ("a", "use")]
    assert targets
    assert all(target is not None and target[1:] in ids for target in targets)


def test_the_page_loads_nothing_and_a_phone_can_open_it(text: str, page: Page) -> None:
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "@import" not in text
    loaded = [a.get("src") or a.get("href") or "" for tag, a in page.elements if tag not in ("a", "use")]
    assert all(target.startswith("data:") for target in loaded if target)
    assert len(text.encode()) < 4_000_000  # twelve categories of pictures with much noise


def test_every_category_shows_the_first_sample_of_its_first_eight_prompts(
    noisy_folder: Path, page: Page
) -> None:
    records = [EvalRecord.from_json(row) for row in read_jsonl(noisy_folder / RECORDS)]
    labels = [a.get("aria-label") or "" for a in page.all("svg") if a.get("class") == "shown"]
    for name in BENCHMARKS:
        for category in {r.category for r in records if r.benchmark == name}:
            firsts = [r for r in records if (r.benchmark, r.category, r.sample) == (name, category, 0)]
            expected = [f"Picture for: {r.prompt}" for r in firsts[:8]]
            start = labels.index(expected[0])
            assert labels[start : start + 8] == expected


def test_no_picture_is_embedded_twice(page: Page) -> None:
    uris = [a["href"] for a in page.all("image")]
    assert len(uris) == len(set(uris))
    assert len(uris) + len(page.all("use")) == len([a for a in page.all("svg") if a.get("class") == "shown"])


def test_the_numbers_are_those_of_the_summary(noisy_folder: Path, page: Page) -> None:
    text = "".join(page.text)
    for result in json.loads((noisy_folder / SUMMARY).read_text()).values():
        for estimate in (result["overall"], *result["categories"].values(), *result["facts"].values()):
            assert f"{100 * estimate['mean']:.1f}\N{NARROW NO-BREAK SPACE}%" in text
    assert "In domain, " in text
    assert "guidance 3, temperature 1, top-p 0.9" in text
    assert "tessera eval --policy mosaic" in text
    assert "tessera train --recipe grpo" in text


def test_the_page_is_a_function_of_the_folder(noisy_folder: Path, text: str) -> None:
    assert evaluation_page(noisy_folder, NEXT) == text


def test_what_prompts_say_is_never_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"
    rows = [
        dataclasses.replace(
            record(number, 0.0, 0.5),
            prompt=evil,
            category=f"{evil}{number}",
            benchmark=f"x{evil}",
            grade=Grade(strict=0.0, soft=0.5, facts=(Fact(kind=evil, text=evil, holds=False),), reason=evil),
        )
        for number in range(3)
    ]
    write_records(tmp_path, rows)
    config = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps({**config, "policy": evil, "command": evil}))
    text = evaluation_page(tmp_path, evil)
    page = Page(text)
    assert page.misnested == []
    assert "<script>alert" not in text
    assert not page.all("img")
    assert len(page.all("script")) == 2
    assert not [a for _, a in page.elements if "onerror" in a]
    assert evil in "".join(page.text)


def test_closest_and_worst_are_one_per_prompt_and_disjoint(tmp_path: Path) -> None:
    softs = [0.1, 0.9, 0.5, 0.7, 0.3, 0.2]
    rows = [record(number, 0.0, soft) for number, soft in enumerate(softs)]
    rows += [record(1, 0.0, 0.95, sample=1), record(7, 1.0, 1.0), record(8, math.nan, math.nan)]
    write_records(tmp_path, rows)
    text = evaluation_page(tmp_path)
    sections = re.split(r'<section id="(\w+)"', text)
    found = {
        name: re.findall(r'class="prompt">prompt (\d)<', body)
        for name, body in zip(sections[1::2], sections[2::2], strict=True)
    }
    assert found["closest"] == ["1", "3", "2"]  # 0.95, 0.7, 0.5
    assert found["worst"] == ["0", "5", "4"]  # 0.1, 0.2, 0.3
    assert found["pictures"] == [str(n) for n in (0, 1, 2, 3, 4, 5, 7, 8)]


def test_marks_are_words_and_signs_and_missing_is_no_cross(tmp_path: Path) -> None:
    write_records(tmp_path, [record(0, 1.0, 1.0), record(1, 0.0, 0.5), record(2, math.nan, math.nan)])
    text = evaluation_page(tmp_path)
    cards = re.findall(r'<li class="card (\w+)[ "].*?</p>', text, flags=re.DOTALL)
    assert cards[:3] == ["right", "wrong", "open"]
    assert "not graded" in text
    assert "no answer" in text
    assert 'class="fact">fact 1<' in text
    assert 'class="fact">fact 0<' not in text
    assert "No pictures were kept" in text


def test_a_folder_without_any_grade_has_a_page_that_says_so(tmp_path: Path) -> None:
    write_records(tmp_path, [record(0, math.nan, math.nan)])
    text = evaluation_page(tmp_path)
    assert "Nothing could be graded" in text
    assert "nan" not in re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL).lower()


def test_the_reading_ranks_benchmarks_and_kinds_only_where_they_differ(tmp_path: Path) -> None:
    write_records(tmp_path, [record(n, 0.0, 0.0, benchmark=name) for name in "abc" for n in range(3)])
    page = evaluation_page(tmp_path)
    assert "On each of 3 benchmarks, 0 of 100 pictures" in page
    assert "breaks most often" not in page


def test_the_reading_names_the_best_and_the_hardest_benchmark(tmp_path: Path) -> None:
    right = {"a": 3, "b": 1, "c": 2}
    rows = [record(n, float(n < right[name]), 1.0, benchmark=name) for name in "abc" for n in range(4)]
    write_records(tmp_path, rows)
    page = evaluation_page(tmp_path)
    assert "On a, 75 of 100 pictures" in page
    assert "on b, the hardest of 3 benchmarks, 25 of 100" in page


def test_many_categories_show_fewer_prompts_each(tmp_path: Path) -> None:
    rows = [
        dataclasses.replace(
            record(number, 1.0, 1.0), category=f"c{category}", prompt_id=f"{category}/{number}"
        )
        for category in range(32)
        for number in range(8)
    ]
    write_records(tmp_path, rows)
    text = evaluation_page(tmp_path)
    assert text.count('class="card ') == 96
    assert "first 3 prompts" in text


def test_a_lost_picture_does_not_cost_the_page(noisy_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(noisy_folder, folder)
    first = EvalRecord.from_json(next(read_jsonl(folder / RECORDS)))
    (folder / picture_path(first)).unlink()
    page = Page(evaluation_page(folder))
    assert f"Picture for: {first.prompt}" not in [a.get("aria-label") for a in page.all("svg")]
    assert page.misnested == []


@pytest.mark.parametrize("name", [CONFIG, SUMMARY, RECORDS])
def test_an_incomplete_folder_is_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    write_records(tmp_path, [record(0, 1.0, 1.0)])
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=rf"{name} is missing. `tessera eval --out"):
        evaluation_page(tmp_path)


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    write_records(tmp_path, [record(0, 1.0, 1.0)])
    with (tmp_path / RECORDS).open("a") as file:
        file.write('{"benchmark": "b", ')
    with pytest.raises(UserError, match=r"eval.jsonl is not whole"):
        evaluation_page(tmp_path)
