"""The study of Janus-Pro: what it asks, what it is expected to take, and that looking at it needs nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from tessera.data.sources import benchmark_prompts
from tessera.errors import UserError
from tessera.policies.janus.config import JanusConfig
from tessera.recipes import load_recipe
from tessera.recipes.field import REWARDS
from tessera.rewards.named import scorer_settings
from tessera.study.cells import cells_of, is_learned
from tessera.study.config import (
    BASE,
    ArmConfig,
    EvaluationConfig,
    ExperimentConfig,
    PinnedRates,
    StudyConfig,
)
from tessera.study.expected import GPU_PICTURES, SIZES, expected_seconds, gpu_seconds, on_gpu, pictures
from tessera.study.presets import load_study
from tessera.study.stages import first_round, plan_of
from tessera.study.sweep import known_rates
from tessera.study.work import TrainWork
from tests.outside import outside
from tests.unit.study.tiny import run_tiny


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Puts the data directory where nothing is."""
    monkeypatch.setenv("TESSERA_DATA", str(tmp_path / "nothing"))


@pytest.mark.usefixtures("nowhere")
def test_its_outline_needs_no_data_and_a_plan_to_run_does() -> None:
    study = load_study("janus")
    cells = cells_of(study, known_rates(study))
    # The base; five rewards and two algorithms; two arms in rounds: three seeds each.
    assert len(cells) == 1 + 5 * 2 * 3 + 2 * 3
    assert plan_of(cells, "code", outline=True).stages
    with pytest.raises(UserError, match="tessera data get"):
        plan_of(cells, "code")


@pytest.mark.usefixtures("nowhere")
def test_gpu_hours_are_the_declared_pace_times_the_pictures() -> None:
    study = load_study("janus")
    study = replace(study, seeds=(0,), experiments=(replace(study.experiments[0], rewards=("hps",)),))
    plan = plan_of(cells_of(study, known_rates(study)), "code", outline=True)
    (grpo,) = (
        stage
        for stage in plan.stages.values()
        if isinstance(stage.work, TrainWork) and stage.work.run.algorithm.kind == "grpo"
    )
    assert expected_seconds(grpo) == pytest.approx(22_400 / GPU_PICTURES, rel=0.01)
    assert all(on_gpu(stage) for stage in plan.stages.values())
    # Two trainings, three measurements of 26,212 pictures; starting models and judging are a few per cent.
    drawn = 2 * 22_400 + 3 * (2400 * 10 + 553 * 4)
    assert gpu_seconds(plan) == pytest.approx(drawn / GPU_PICTURES, rel=0.06)


@pytest.mark.usefixtures("nowhere")
def test_a_benchmark_of_the_field_is_counted_without_its_prompts() -> None:
    whole = EvaluationConfig(benchmarks=("compbench",), prompts_per_category=None, samples_per_prompt=None)
    assert pictures(whole) == 24_000
    assert pictures(replace(whole, prompts_per_category=10)) == 8 * 10 * 10
    assert pictures(replace(whole, benchmarks=("geneval",), samples_per_prompt=1)) == 553


@pytest.mark.parametrize(("name", "data"), [("geneval", "geneval"), ("compbench", "t2i_compbench")])
def test_the_counts_are_those_of_the_published_files(name: str, data: str) -> None:
    prompts = benchmark_prompts(name, outside(data).parent)
    assert (len(prompts), len({prompt.category for prompt in prompts})) == SIZES[name][:2]


def test_its_rewards_are_those_of_the_recipes() -> None:
    rewards = load_study("janus").experiments[0].rewards
    kinds = [scorer_settings(name).kind for name in rewards]
    of_recipes = [each.kind for each in REWARDS.values()]
    assert kinds[:-1] == of_recipes[:-1]
    assert (kinds[-1], of_recipes[-1]) == ("compbench", "metric")  # the metric of such prompts, by its name
    assert [is_learned(name) for name in rewards] == [True, True, True, True, False]


def test_the_shipped_policys_stages_stay_on_a_core() -> None:
    study = load_study("quick")
    plan = plan_of(cells_of(study, known_rates(study)), "code", outline=True)
    assert not any(on_gpu(stage) for stage in plan.stages.values())
    assert gpu_seconds(plan) == 0


def test_rollouts_that_cells_share_are_drawn_by_the_model_that_the_run_names() -> None:
    """The settings of a family were left out, so that mosaic would have drawn for them."""
    model = JanusConfig(weights="there", dtype="float32")
    run = replace(load_recipe(load_study("janus").arm("dpo").recipe), model=model)
    assert first_round(run).model == model


def test_the_base_is_measured_once_for_all_questions() -> None:
    study = load_study("janus")
    (base,) = (cell for cell in cells_of(study, known_rates(study)) if cell.run is None)
    assert [(place.experiment, place.arm) for place in base.places] == [("rewards", BASE), ("rounds", BASE)]


@pytest.mark.slow
def test_a_study_of_a_real_class_at_tiny_size_runs_whole_on_prompts_of_ones_own(tmp_path: Path) -> None:
    """Whose pictures lie in a layout of their own, where the judges of a cell did not look for them."""
    judge = "tessera.rewards.toys:light_from_above"
    prompts = tmp_path / "mine.txt"
    prompts.write_text("a red bowl\na wooden chair\n")
    small = ("algorithm.group=4", "steps=2", "watch.film_every=0")
    of_grpo = (*small, "algorithm.prompts_per_step=2")
    of_dpo = (*small, "algorithm.prompts=4", "algorithm.pairs_per_step=2", "algorithm.pairs_per_prompt=1")
    study = StudyConfig(
        name="mine",
        arms=(
            ArmConfig(name="grpo", recipe="janus-tiny-grpo", changes=of_grpo),
            ArmConfig(name="dpo", recipe="janus-tiny-dpo", changes=of_dpo),
        ),
        experiments=(
            ExperimentConfig(name="versus", question="?", arms=(BASE, "grpo", "dpo"), rewards=(judge,)),
        ),
        policy="random:janus-tiny",
        images=16,
        evaluation=EvaluationConfig(
            benchmarks=(str(prompts),),
            prompts_per_category=None,
            samples_per_prompt=None,
            settings=("mine.scorer.kind=custom", f"mine.scorer.function={judge}"),
        ),
        rates=PinnedRates(source="a test"),
    )
    told: list[str] = []
    finished = run_tiny(study, tmp_path / "out", told=told)
    assert finished.count("done") == 3
    assert not [line for line in told if "FAILED" in line]
