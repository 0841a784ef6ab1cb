"""Every number of a table is recomputed from results.json; the same table reads in Markdown and LaTeX."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from tessera.report.study.names import points
from tessera.report.study.questions import verdicts
from tessera.report.study.read import RESULTS, read_study
from tessera.report.study.tables import (
    Table,
    best_of_table,
    category_table,
    ledger_table,
    score_table,
    verdict_table,
)
from tests.unit.report.study.conftest import VERSUS, make_study


def results(folder: Path, **wanted: str) -> list[dict[str, Any]]:
    rows = json.loads((folder / RESULTS).read_text())
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def percent(folder: Path, **wanted: str) -> float:
    """Returns the mean over the rows (one per seed), in percent with one digit, as the tables write it."""
    means = [row["mean"] for row in results(folder, **wanted) if row["best_of"] == 1]
    return float(f"{100 * math.fsum(means) / len(means):.1f}")


def test_scores_are_those_of_the_results(versus: Path) -> None:
    table = score_table(read_study(versus), "versus")
    assert [row[0] for row in table.rows] == ["base", "GRPO", "DPO"]
    assert [row[1] for row in table.rows] == ["\N{EN DASH}", "3", "3"]
    for row, arm in zip(table.rows, ("base", "grpo", "dpo"), strict=True):
        cells = dict(zip(table.head, row, strict=True))
        for benchmark in ("mosaic-id", "mosaic-ood"):
            strict = percent(versus, arm=arm, benchmark=benchmark, category="overall", score="strict")
            soft = percent(versus, arm=arm, benchmark=benchmark, category="overall", score="soft")
            assert float(cells[benchmark].split(" ")[0]) == strict
            assert float(cells[f"{benchmark} soft"]) == soft


def test_an_interval_holds_its_mean_and_no_more_than_everything(versus: Path) -> None:
    for row in score_table(read_study(versus), "versus").rows:
        mean, low, high = (float(each) for each in re.findall(r"[\d.]+", row[2]))
        assert 0 <= low < mean < high <= 100


def test_categories_are_those_of_the_results(versus: Path) -> None:
    table = category_table(read_study(versus), "versus", "mosaic-ood")
    assert [row[0] for row in table.rows] == ["color", "shape", "overall"]
    for category, *cells in table.rows:
        for cell, arm in zip(cells, ("base", "grpo", "dpo"), strict=True):
            expected = percent(versus, arm=arm, benchmark="mosaic-ood", category=category, score="strict")
            assert float(cell) == expected


def test_the_ledger_is_that_of_the_results(versus: Path) -> None:
    table = ledger_table(read_study(versus), "versus")
    assert [row[0] for row in table.rows] == ["GRPO", "DPO"]
    cells = dict(zip(table.head, table.rows[1], strict=True))
    dpo = results(versus, arm="dpo")[0]
    assert cells["gradient steps"] == str(dpo["gradient_steps"])
    assert cells["tokens drawn"] == "205\N{NARROW NO-BREAK SPACE}k"
    assert cells["final KL"] == "0.05"


def test_what_choosing_gains_is_that_of_the_results(tmp_path: Path) -> None:
    study = read_study(make_study(tmp_path / "s", VERSUS, best_of={"random": 0.41, "unified": 0.7}))
    table = best_of_table(study, "versus")
    assert table is not None
    assert [row[:2] for row in table.rows] == [("one picture", "1"), ("random", "4"), ("unified", "4")]
    assert table.rows[2][3] == "70.0 (66.0\N{EN DASH}74.0)"


def test_without_best_of_n_there_is_no_such_table(versus: Path) -> None:
    assert best_of_table(read_study(versus), "versus") is None


def test_every_verdict_has_its_row(versus: Path) -> None:
    found = verdicts(read_study(versus))
    table = verdict_table(found)
    assert [row[1] for row in table.rows] == [verdict.word for verdict in found]
    assert "no number known" in {row[-1] for row in table.rows}


@pytest.mark.parametrize(
    ("value", "text"), [(0.051, "+5.1"), (-0.003, "−0.3"), (0.0001, "0.0"), (-0.0001, "0.0"), (math.nan, "–")]
)
def test_points_have_their_sign_and_zero_has_none(value: float, text: str) -> None:
    assert points(value) == text


def test_a_table_survives_the_signs_of_both_languages() -> None:
    table = Table(name="t", caption="50 % & more", head=("a_b", "c"), rows=(("x|y", "−1.5 · 2"),))
    assert table.markdown() == "50 % & more\n\n| a_b | c |\n| --- | ---: |\n| x/y | −1.5 · 2 |\n"
    latex = table.latex()
    assert r"\caption{50 \% \& more}" in latex
    assert r"a\_b & c \\" in latex
    assert r"x|y & $-$1.5 $\cdot$ 2 \\" in latex
