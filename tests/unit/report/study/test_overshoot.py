"""Where training on a judge ended, in units of the base, and the ways there over measured KL."""

import re
from pathlib import Path

import numpy as np
import pytest

from tessera.report.run_files import read_run
from tessera.report.study.names import points
from tessera.report.study.overshoot import ends, ends_drawings, ends_table
from tessera.report.study.read import read_study
from tessera.report.study.watched import mean_way, over_optimisation, way_of
from tessera.types import EvalRecord
from tests.unit.report.study.conftest import BASE, Plan, make_study
from tests.unit.report.study.more import Row, add_looks, add_scores, rows_of

ARMS = (
    BASE,
    Plan(arm="grpo", skill=(0.3, 0.4), reward="orm", kl=0.2),
    Plan(arm="dpo", skill=(0.5, 0.6), reward="orm", kl=0.1),
    Plan(arm="grpo", skill=(0.7, 0.8), reward="metric"),
)
SHIFT = {"base": 0.0, "grpo": 6.0, "dpo": -3.0}


def score(row: Row, record: EvalRecord) -> float:
    """Returns 10 or 14 by the prompt, and a shift for the arm."""
    return (14.0 if int(record.prompt_id.rpartition("/")[2]) % 2 else 10.0) + SHIFT[row["arm"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_study(tmp_path_factory.mktemp("overshoot") / "s", ARMS)
    add_scores(made, "orm", score)
    return made


def test_a_judge_is_told_in_standard_deviations_of_the_base(folder: Path) -> None:
    """Half the base's pictures have 10, half 14: with 60 of them the deviation is 2 sqrt(60/59)."""
    deviation = 2 * np.sqrt(60 / 59)
    found = {end.arm.arm: end for end in ends(read_study(folder), "versus", "mosaic-ood") if end.judge}
    assert found["grpo"].judge is not None
    assert found["grpo"].judge.value == pytest.approx(6 / deviation)
    assert found["dpo"].judge is not None
    assert found["dpo"].judge.value == pytest.approx(-3 / deviation)
    assert [kl for kl, _ in found["grpo"].seeds] == [0.2] * 3


def test_kl_and_the_verifiers_change_are_those_of_the_results(folder: Path) -> None:
    rows = rows_of(folder)

    def mean(arm: str, reward: str, benchmark: str) -> float:
        wanted = (arm, reward, benchmark, "overall", "strict")
        names = ("arm", "reward", "benchmark", "category", "score")
        means = [row["mean"] for row in rows if tuple(row[name] for name in names) == wanted]
        return sum(means) / len(means)

    table = ends_table(read_study(folder), "versus")
    assert table is not None
    assert [row[:3] for row in table.rows] == [
        ("GRPO", "mosaic-id", "0.2"),
        ("DPO", "mosaic-id", "0.1"),
        ("GRPO", "mosaic-ood", "0.2"),
        ("DPO", "mosaic-ood", "0.1"),
    ]
    for row in table.rows:
        arm = row[0].lower()
        assert row[5] == points(mean(arm, "orm", row[1]) - mean("base", "", row[1]))


def test_arms_are_drawn_once_for_each_benchmark_and_told_in_words(folder: Path) -> None:
    drawings = ends_drawings(read_study(folder), "versus")
    assert [each.name for each in drawings] == [
        "versus-overshoot-mosaic-id",
        "versus-overshoot-mosaic-ood",
    ]
    assert re.search(r"GRPO · orm at KL 0.2: judge \+2.97 standard deviations", drawings[0].words)


def test_without_scores_there_is_neither_table_nor_figure(tmp_path: Path) -> None:
    study = read_study(make_study(tmp_path / "s", ARMS))
    assert ends_table(study, "versus") is None
    assert ends_drawings(study, "versus") == []


def test_a_judge_that_says_the_same_of_all_base_pictures_has_no_unit(tmp_path: Path) -> None:
    made = make_study(tmp_path / "s", ARMS[:2])
    add_scores(made, "orm", lambda row, record: SHIFT[row["arm"]])
    assert ends_table(read_study(made), "versus") is None


def watched(folder: Path) -> Path:
    """Returns a study of one arm whose two runs were looked at, the second at one step less."""
    made = make_study(folder, (BASE, Plan(arm="grpo", skill=(0.3, 0.4), reward="orm", seeds=(0, 1))))
    cells = {row["seed"]: row for row in rows_of(made) if row["arm"] == "grpo"}
    ways = [[(0, 0.0, 1.0, 0.5), (10, 0.1, 2.0, 0.4), (20, 0.4, 4.0, 0.2)]]
    ways.append([(0, 0.0, 1.0, 0.5), (10, 0.3, 4.0, 0.3), (15, 0.3, 4.0, 0.3)])
    for seed, looks in enumerate(ways):
        add_looks(made, cells[seed], "orm", looks)
    return made


def test_ways_are_averaged_where_all_seeds_were_looked_at(tmp_path: Path) -> None:
    made = watched(tmp_path / "s")
    runs = [
        read_run(made / cell.run) for cell in read_study(made).cells_of(read_study(made).arms("versus")[1])
    ]
    ways = [way for run in runs if (way := way_of(run, "mosaic-id", "orm")) is not None]
    mean = mean_way(ways)
    assert mean.step_M.tolist() == [0, 10]
    assert mean.kl_M.tolist() == [0.0, 0.2]
    assert mean.judge_M.tolist() == [1.0, 3.0]
    assert mean.verifier_M.tolist() == [0.5, pytest.approx(0.35)]


def test_watched_runs_are_drawn_over_the_kl_of_the_graded_pictures(tmp_path: Path) -> None:
    (drawing,) = over_optimisation(read_study(watched(tmp_path / "s")), "versus")
    assert drawing.name == "versus-grpo-orm-over"
    assert "at KL 0.2 the judge went from 1 to 3, right pictures from 50.0 to 35.0 %" in drawing.words
    assert drawing.caption.startswith("Thin: 2 seeds; thick: their mean.")


def test_runs_without_kl_and_judge_are_drawn_as_training_logged_them(tmp_path: Path) -> None:
    made = watched(tmp_path / "s")
    for path in made.glob("stages/train-*/held_out.jsonl"):
        path.write_text(path.read_text().replace('"kl"', '"other"'))
    (drawing,) = over_optimisation(read_study(made), "versus")
    assert "the trained reward above" in drawing.words
    assert drawing.caption.startswith("First training seed")
