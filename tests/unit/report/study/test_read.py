"""A study folder is read as it is: arms by experiment, seeds in order, means over seeds."""

import json
import shutil
from pathlib import Path

import pytest

from tessera.errors import UserError
from tessera.report.study.read import RESULTS, read_study
from tessera.report.study.rows import Arm


def test_the_base_comes_first_and_has_no_training_seeds(versus: Path) -> None:
    study = read_study(versus)
    assert [arm.arm for arm in study.arms("versus")] == ["base", "grpo", "dpo"]
    assert [len(study.cells_of(arm)) for arm in study.arms("versus")] == [1, 3, 3]


def test_a_mean_over_seeds_is_that_of_the_rows(versus: Path) -> None:
    study = read_study(versus)
    rows = json.loads((versus / RESULTS).read_text())
    means = [
        row["mean"]
        for row in rows
        if (row["arm"], row["benchmark"], row["category"], row["score"])
        == ("dpo", "mosaic-id", "overall", "strict")
    ]
    dpo = study.arms("versus")[2]
    assert len(means) == 3
    assert study.mean(dpo, "mosaic-id") == pytest.approx(sum(means) / 3)


def test_what_did_not_finish_is_kept_apart(versus: Path) -> None:
    study = read_study(versus)
    assert [failure.id for failure in study.failures] == ["grpo-orm-s0"]
    assert study.experiments == ("versus",)
    assert study.cells == 8


@pytest.mark.parametrize(
    ("setting", "axis"),
    [("samples=8", ("samples", 8.0)), ("default", None), ("logp_view=guided", None), ("best-of-4", None)],
)
def test_only_a_setting_with_a_number_lies_on_a_scaling_axis(setting: str, axis: object) -> None:
    assert Arm(experiment="samples", arm="grpo", setting=setting).axis == axis


def test_policies_are_crossed_arm_by_arm_on_the_prompts_they_share(versus: Path) -> None:
    study = read_study(versus)
    _, grpo, dpo = study.arms("versus")
    crossed = study.crossed([dpo, grpo], "mosaic-ood")
    assert crossed is not None
    assert crossed.score_SPG.shape == (6, 60, 1)


def test_without_its_evaluations_a_study_still_has_its_means(versus: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(versus, tmp_path / "study", ignore=shutil.ignore_patterns("stages"))
    study = read_study(copied)
    dpo = study.arms("versus")[2]
    assert study.crossed([dpo], "mosaic-id") is None
    assert study.mean(dpo, "mosaic-id") > 0.5


def test_a_folder_without_results_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`tessera study` makes one"):
        read_study(tmp_path)


def test_a_torn_file_is_refused_by_name(versus: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(versus, tmp_path / "study", ignore=shutil.ignore_patterns("stages"))
    (copied / RESULTS).write_text('[{"experiment": ')
    with pytest.raises(UserError, match=r"results\.json is not whole"):
        read_study(copied)
