"""The page is whole, says what did not work, and every figure and table lies beside it."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tessera.report.study.page import write_study_report
from tessera.report.study.plotting import COLOURS
from tests.unit.report.study.conftest import BASE, VERSUS, Plan, make_study
from tests.unit.report.study.more import add_best_of, add_looks, add_scores, rows_of


@pytest.fixture(scope="module")
def written(versus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shutil.copytree(versus, tmp_path_factory.mktemp("page") / "study")
    write_study_report(folder)
    return folder


class Ids(HTMLParser):
    """Collects ids, and every address that a browser would load or follow."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name in ("src", "href", "xlink:href") and value:
                self.links.append(value)


def parsed(folder: Path) -> Ids:
    parser = Ids()
    parser.feed((folder / "report.html").read_text())
    return parser


def test_the_page_loads_nothing_and_its_links_have_an_end(written: Path) -> None:
    page = parsed(written)
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_no_two_things_on_the_page_have_one_id(written: Path) -> None:
    ids = parsed(written).ids
    assert len(set(ids)) == len(ids)


def test_drawings_on_the_page_follow_the_theme_and_bring_no_style(written: Path) -> None:
    text = (written / "report.html").read_text()
    drawings = re.findall(r'<svg class="drawing".*?</svg>', text, flags=re.DOTALL)
    assert len(drawings) == 3  # claims, the plane, the categories
    for drawing in drawings:
        assert "var(--ink)" in drawing
        assert "<style" not in drawing
        assert not [colour for colour in COLOURS.values() if colour in drawing]


def test_the_colours_of_drawings_are_those_of_the_page(written: Path) -> None:
    text = (written / "report.html").read_text()
    light = text[: text.index("@media (prefers-color-scheme: dark)")] + text[text.index("/* study */") :]
    for name, colour in COLOURS.items():
        assert f"--{name}: {colour}" in light, f"--{name} of the page is not {colour}"


def test_every_figure_and_table_is_a_file_of_its_own(written: Path) -> None:
    figures = {path.name for path in (written / "figures").iterdir()}
    stems = ("verdicts", "versus-plane", "versus-categories")
    assert figures == {f"{stem}{ending}" for stem in stems for ending in (".svg", ".png")}
    tables = {path.name for path in (written / "tables").iterdir()}
    assert {"verdicts.md", "versus-scores.tex", "versus-ledger.md"} <= tables
    assert (written / "figures" / "verdicts.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_returned_is_what_is_there(versus: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(versus, tmp_path / "study")
    before = set(folder.rglob("*"))
    files = write_study_report(folder)
    assert files[0] == folder / "report.html"
    assert set(files) == {path for path in set(folder.rglob("*")) - before if path.is_file()}


def test_writing_again_gives_the_same_files_and_drops_old_figures(versus: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(versus, tmp_path / "study")
    first = {path: path.read_bytes() for path in write_study_report(folder)}
    gone = folder / "figures" / "experiment-that-has-gone.svg"
    gone.write_text("<svg/>")
    again = {path: path.read_bytes() for path in write_study_report(folder)}
    assert first == again
    assert not gone.exists()


def test_a_failed_cell_is_listed_with_its_error_and_nothing_else_of_it(written: Path) -> None:
    text = (written / "report.html").read_text()
    assert "TrainingError: the replay gap rose to 0.034" in text
    assert 'id="rewards"' not in text
    assert "Reward generalisation" not in text


def test_verdicts_are_written_as_data(written: Path) -> None:
    rows = json.loads((written / "verdicts.json").read_text())
    assert rows[0]["key"] == "dpo-ahead-in-domain"
    assert rows[0]["verdict"] == "supported"
    assert rows[0]["ledger"]["gradient steps"] == ["25", "50"]


def test_where_mosaic_disagrees_with_the_paper_the_page_says_so(versus: Path, tmp_path: Path) -> None:
    other = (BASE, Plan(arm="grpo", skill=(0.8, 0.6)), Plan(arm="dpo", skill=(0.5, 0.9)))
    folder = make_study(tmp_path / "other", other)
    write_study_report(folder)
    assert "mosaic disagrees with the paper" in (folder / "report.html").read_text()


def test_with_one_seed_the_page_says_that_one_is_one(written: Path, tmp_path: Path) -> None:
    plans = (BASE, *(Plan(arm=p.arm, skill=p.skill, seeds=(0,)) for p in VERSUS[1:]))
    folder = make_study(tmp_path / "one", plans)
    write_study_report(folder)
    sentence = "One training seed is one seed."
    assert sentence in (folder / "report.html").read_text()
    assert sentence not in (written / "report.html").read_text()


def test_a_study_with_nothing_but_the_base_has_a_page(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "base", (BASE,))
    write_study_report(folder)
    text = (folder / "report.html").read_text()
    assert "No claim of the paper could be tested" in text
    assert "36" in text or "40" in text


def test_a_study_in_which_nothing_finished_has_a_page(tmp_path: Path) -> None:
    failed = {"id": "x", "experiments": ["versus"], "status": "failed", "error": "no memory", "command": "c"}
    folder = tmp_path / "none"
    folder.mkdir()
    make_study(folder, (), failed=[failed])
    write_study_report(folder)
    assert "no memory" in (folder / "report.html").read_text()


def test_rewards_axes_and_rounds_have_their_figures(tmp_path: Path) -> None:
    plans: list[Plan] = [BASE]
    for reward in ("metric", "unified", "orm", "regressor"):
        plans += [Plan(arm=arm, skill=(0.5, 0.6), reward=reward, seeds=(0, 1)) for arm in ("grpo", "dpo")]
    plans += [
        Plan(arm="grpo", skill=(0.5, 0.6), experiment="samples", setting=f"samples={n}", seeds=(0, 1))
        for n in (4, 8)
    ]
    best_of = {"metric": 0.9, "unified": 0.8, "orm": 0.6, "regressor": 0.7}
    folder = make_study(tmp_path / "s", plans, best_of=best_of)
    write_study_report(folder)
    stems = {path.stem for path in (folder / "figures").iterdir()}
    assert {"versus-rewards", "samples-samples-mosaic-id", "samples-samples-mosaic-ood"} <= stems
    assert (folder / "tables" / "versus-best-of.md").exists()


def test_a_judge_that_could_not_be_asked_is_listed_beside_the_failures(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s", VERSUS)
    cells = json.loads((folder / "cells.json").read_text())
    cells[1]["unscored"] = {"orm": "ScorerError: the weights of orm are missing"}
    (folder / "cells.json").write_text(json.dumps(cells))
    write_study_report(folder)
    text = (folder / "report.html").read_text()
    assert f"<b>{cells[1]['id']}</b>, judge orm: ScorerError: the weights of orm are missing" in text
    assert '<a href="#failed">' in text
    assert "of 7 cells" not in text, "none of them failed"


def test_judges_choices_and_looks_have_their_tables_and_figures(tmp_path: Path) -> None:
    plans = [BASE, *(Plan(arm=arm, skill=(0.5, 0.6), reward="orm", seeds=(0, 1)) for arm in ("grpo", "dpo"))]
    folder = make_study(tmp_path / "s", plans)
    add_scores(folder, "orm", lambda row, record: record.grade.strict + (row["arm"] != "base"))
    for row in {row["run"]: row for row in rows_of(folder) if row["run"]}.values():
        add_looks(folder, row, "orm", [(0, 0.0, 0.1, 0.5), (10, 0.1, 0.3, 0.4), (20, 0.2, 0.5, 0.3)])
    add_best_of(folder, 2, "orm", 0.5)
    write_study_report(folder)
    page = parsed(folder)
    assert len(set(page.ids)) == len(page.ids)
    assert all(link.startswith(("data:", "#")) for link in page.links)
    figures = {path.stem for path in (folder / "figures").glob("*.svg")}
    over = {f"versus-overshoot-{name}" for name in ("mosaic-id", "mosaic-ood")}
    ways = {"versus-grpo-orm-over", "versus-dpo-orm-over"}
    assert {"versus-inference-orm", "versus-total-orm"} | over | ways <= figures
    assert figures == {path.stem for path in (folder / "figures").glob("*.png")}
    tables = {path.stem for path in (folder / "tables").glob("*.tex")}
    assert {f"versus-{name}" for name in ("inference", "compute", "overshoot", "variety")} <= tables
    assert tables == {path.stem for path in (folder / "tables").glob("*.md")}


def test_names_of_a_users_study_are_text_and_never_markup(tmp_path: Path) -> None:
    plans = [
        Plan(arm=p.arm, skill=p.skill, experiment="<b>x</b>", seeds=(0,), reward=p.reward) for p in VERSUS
    ]
    folder = tmp_path / "s"
    rows = make_study(folder, [Plan(arm=p.arm, skill=p.skill, seeds=(0,), reward=p.reward) for p in plans])
    for name in ("results.json", "cells.json"):
        text = (rows / name).read_text().replace('"versus"', '"<b>x</b>"')
        (rows / name).write_text(text)
    write_study_report(folder)
    assert "<b>x</b>" not in (folder / "report.html").read_text()
    assert all(path.parent == folder / "figures" for path in folder.glob("figures/**/*"))
