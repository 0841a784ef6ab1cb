"""Training against choosing: scores are those of the results, compute is counted, claims follow."""

import json
import math
import shutil
from pathlib import Path

import pytest

from tessera.report.study.choosing import chosen
from tessera.report.study.inference import (
    Compute,
    compute_of,
    compute_table,
    inference_table,
    option_level,
    options,
)
from tessera.report.study.inference_figures import inference_drawings
from tessera.report.study.questions import reward_points, verdicts
from tessera.report.study.read import read_study
from tessera.report.study.tables import best_of_table
from tests.unit.report.study.conftest import BASE, Plan, make_study
from tests.unit.report.study.more import add_best_of, rows_of

ARMS = (
    BASE,
    Plan(arm="grpo", skill=(0.97, 0.97), reward="unified"),
    Plan(arm="dpo", skill=(0.2, 0.2), reward="unified"),
)
COUNT = 4
SEES = 0.2  # how often the chooser sees that a picture is right


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_study(tmp_path_factory.mktemp("inference") / "s", ARMS)
    add_best_of(made, COUNT, "unified", SEES)
    return made


def expected(folder: Path, arm: str, best_of: int, chooser: str | None, benchmark: str) -> float:
    """Returns the mean over the rows of the results, in percent."""
    rows = [
        row
        for row in rows_of(folder)
        if (row["arm"], row["best_of"], row.get("chooser")) == (arm, best_of, chooser)
        and (row["benchmark"], row["category"], row["score"]) == (benchmark, "overall", "strict")
    ]
    return float(f"{100 * math.fsum(row['mean'] for row in rows) / len(rows):.1f}")


def test_each_score_is_that_of_the_results(folder: Path) -> None:
    table = inference_table(read_study(folder), "versus")
    assert table is not None
    assert [row[:3] for row in table.rows] == [
        ("base", "–", "1"),
        ("GRPO", "–", "1"),
        ("DPO", "–", "1"),
        ("base", "oracle", "4"),
        ("GRPO", "oracle", "4"),
        ("DPO", "oracle", "4"),
        ("base", "unified", "4"),
        ("GRPO", "unified", "4"),
        ("DPO", "unified", "4"),
    ]
    for row in table.rows:
        chooser = None if row[1] == "–" else row[1]
        for cell, benchmark in zip(row[3:], ("mosaic-id", "mosaic-ood"), strict=True):
            assert float(cell.split(" ")[0]) == expected(
                folder, row[0].lower(), int(row[2]), chooser, benchmark
            )


@pytest.mark.parametrize("chooser", ["random", "oracle", "unified"])
def test_the_choice_made_again_is_that_of_the_results(folder: Path, chooser: str) -> None:
    assert_chosen_again(folder, chooser, cells=7)


def test_of_several_pictures_each_has_its_own_candidates(tmp_path: Path) -> None:
    plans = [Plan(arm="base", skill=(0.4, 0.6), reward="", seeds=(0,), samples=3)]
    plans.append(Plan(arm="dpo", skill=(0.2, 0.2), reward="unified", seeds=(0,), samples=3))
    made = make_study(tmp_path / "s", plans)
    add_best_of(made, 2, "unified", SEES)
    assert_chosen_again(made, "unified", cells=2)


def assert_chosen_again(folder: Path, chooser: str, cells: int) -> None:
    """Asserts that choosing from the stored candidates gives the means of the results."""
    study = read_study(folder)
    rows = [row for row in study.rows if row.best_of > 1 and row.chooser == chooser]
    rows = [row for row in rows if (row.category, row.score) == ("overall", "strict")]
    assert len(rows) == cells * 2
    for row in rows:
        values = chosen(study, row, row.benchmark, row.best_of)
        by_category = [
            [value for name, value in values.items() if name.startswith(each)] for each in ("color", "shape")
        ]
        mean = sum(sum(each) / len(each) for each in by_category) / 2
        assert mean == pytest.approx(row.estimate.mean)


def test_choosing_from_the_first_alone_is_the_evaluation(folder: Path) -> None:
    study = read_study(folder)
    by_chooser = next(option for option in options(study, "versus") if option.chooser == "unified")
    blind = option_level(study, by_chooser, "mosaic-ood", 1)
    assert 100 * blind.mean == pytest.approx(expected(folder, "base", 1, None, "mosaic-ood"), abs=0.05)


def test_without_the_candidates_the_means_stay_and_nothing_is_claimed(folder: Path, tmp_path: Path) -> None:
    made = shutil.copytree(folder, tmp_path / "s")
    for path in made.glob("stages/best-*/eval.jsonl"):
        path.unlink()
    study = read_study(made)
    table = inference_table(study, "versus")
    assert table is not None
    assert table.rows[-1][3] == f"{expected(made, 'dpo', COUNT, 'unified', 'mosaic-id'):.1f}"
    assert not [each for each in verdicts(study) if each.claim.group == "inference"]


def test_token_passes_say_from_when_on_training_is_cheaper(folder: Path) -> None:
    """GRPO: 2 x 204,800 drawn, 409,600 scored, 3 x 409,600 trained; a picture is 128 passes. By hand."""
    table = compute_table(read_study(folder), "versus")
    assert table is not None
    assert table.head == ("arm", "training", "one picture", "best of 2: from", "best of 4: from")
    narrow = "\N{NARROW NO-BREAK SPACE}"
    grpo, dpo = table.rows
    assert grpo == ("GRPO", f"2.05{narrow}M", "128", f"16{narrow}000", f"5{narrow}334")
    assert dpo == ("DPO", f"1.43{narrow}M", "128", f"11{narrow}200", f"3{narrow}734")


def test_at_that_number_the_same_total_buys_that_choice() -> None:
    cost = Compute(training=1200.0, picture=4.0)
    assert cost.cheaper_from(4) == 100
    assert cost.affordable(cost.cheaper_from(4)) == 4


def test_what_the_ledger_does_not_say_is_not_counted(folder: Path, tmp_path: Path) -> None:
    made = shutil.copytree(folder, tmp_path / "s", ignore=shutil.ignore_patterns("stages"))
    text = (made / "results.json").read_text().replace('"token_passes"', '"another"')
    (made / "results.json").write_text(text)
    study = read_study(made)
    assert compute_of(study, study.arms("versus")[1]) is None
    assert compute_table(study, "versus") is None


def test_claims_follow_from_who_is_ahead(folder: Path) -> None:
    found = {each.claim.key: each for each in verdicts(read_study(folder)) if each.claim.group == "inference"}
    assert len(found) == 2 * 2 * 3
    assert found["grpo-unified-once-ahead-of-best-of-4-unified-out-of-domain"].word == "supported"
    assert found["dpo-unified-once-ahead-of-best-of-4-unified-out-of-domain"].word == "contradicted"
    assert found["best-of-4-unified-gains-on-dpo-unified-in-domain"].word == "supported"
    equal = found["grpo-unified-ahead-at-best-of-4-unified-in-domain"]
    assert "at equal inference (4 drawn, unified takes one)" in equal.claim.statement
    assert equal.rests_on == "3 seeds, 60 prompts"


def test_choosing_on_top_pairs_each_policy_with_itself(folder: Path) -> None:
    """Its value is the mean over seeds of what each gained; twice the arm it says so as well."""
    found = {each.claim.key: each for each in verdicts(read_study(folder))}
    gain = found["best-of-4-unified-gains-on-dpo-unified-in-domain"]
    several, once = (expected(folder, "dpo", n, c, "mosaic-id") for n, c in ((COUNT, "unified"), (1, None)))
    assert 100 * gain.value == pytest.approx(several - once, abs=0.11)
    assert gain.pair is None


def test_a_seed_that_was_not_chosen_from_is_not_paired_with_another(folder: Path, tmp_path: Path) -> None:
    made = shutil.copytree(folder, tmp_path / "s")
    rows = [
        row for row in rows_of(made) if not (row["arm"] == "dpo" and row["best_of"] > 1 and not row["seed"])
    ]
    (made / "results.json").write_text(json.dumps(rows))
    found = {each.claim.key: each for each in verdicts(read_study(made))}
    assert found["best-of-4-unified-gains-on-dpo-unified-in-domain"].rests_on == "2 seeds, 60 prompts"


def test_pictures_chosen_from_trained_arms_are_no_choices_of_the_base(folder: Path, tmp_path: Path) -> None:
    alone = make_study(tmp_path / "s", ARMS)
    add_best_of(alone, COUNT, "unified", SEES, trained=False)
    both = [read_study(each) for each in (folder, alone)]
    tables = [best_of_table(study, "versus") for study in both]
    assert tables[0] is not None
    assert tables[0] == tables[1]
    assert inference_table(both[1], "versus") is None
    points = [reward_points(study, "versus", "grpo", "mosaic-ood") for study in both]
    assert points[0] == points[1]


def test_figures_tell_in_words_what_they_show(folder: Path) -> None:
    found = {each.name: each for each in inference_drawings(read_study(folder), "versus")}
    assert list(found) == [
        "versus-inference-oracle",
        "versus-inference-unified",
        "versus-total-unified",
    ]
    base = expected(folder, "base", 1, None, "mosaic-id")
    assert f"mosaic-id, base: {base} at 1" in found["versus-inference-unified"].words
    assert (
        "GRPO has cost less than best of 4 from 5333 served pictures" in found["versus-total-unified"].words
    )
