"""From a study to its cells: what is one cell, what is matched, and the line that makes it again."""

import shlex
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.errors import UserError
from tessera.recipes import load_recipe
from tessera.study.axes import AXES
from tessera.study.cells import Cell, cells_of, words_of
from tessera.study.config import (
    BASE,
    ArmConfig,
    AxisName,
    ExperimentConfig,
    PinnedRates,
    StudyConfig,
    SweepRates,
)
from tessera.study.matching import images_of
from tessera.study.presets import PRESETS, load_study
from tessera.study.results import command_of
from tessera.study.sweep import known_rates
from tessera.training.config import RunConfig
from tessera.training.overlay import overlaid
from tests.unit.study.tiny import VERSUS, tiny_study


@cache
def preset(name: str) -> tuple[Cell, ...]:
    return cells(load_study(name))


def cells(study: StudyConfig) -> tuple[Cell, ...]:
    return cells_of(study, known_rates(study))


def experiment(name: str, **changes: Any) -> ExperimentConfig:
    return replace(VERSUS, name=name, **changes)


def test_equal_cells_of_two_experiments_are_one_cell_in_two_places() -> None:
    plain = {"best_of": 1, "choosers": ()}
    study = tiny_study(
        "mosaic",
        experiments=(
            experiment("first", **plain),
            experiment("second", axis="samples", values=(2, 4), **plain),  # 4 is the arms' own
        ),
    )
    found = cells(study)
    assert len(found) == 1 + 2 + 2
    shared = [cell for cell in found if len(cell.places) == 2]
    assert {cell.places[0].arm for cell in shared} == {BASE, "grpo", "dpo"}
    grpo = next(cell for cell in shared if cell.places[0].arm == "grpo")
    assert [(place.experiment, place.setting) for place in grpo.places] == [
        ("first", "default"),
        ("second", "samples=4"),
    ]


def test_an_arm_under_another_name_is_the_same_cell() -> None:
    again = ArmConfig(name="again", recipe="mosaic-grpo-iterated", changes=("iterated=null", "steps=50"))
    study = replace(
        load_study("quick"),
        arms=(*load_study("quick").arms, again),
        experiments=(experiment("both", arms=("grpo", "again"), rewards=("metric",)),),
    )
    (cell,) = cells(replace(study, experiments=(replace(study.experiments[0], best_of=1, choosers=()),)))
    assert [place.arm for place in cell.places] == ["grpo", "again"]


@pytest.mark.parametrize("name", PRESETS)
def test_every_cell_of_a_preset_samples_its_budget_within_two_percent(name: str) -> None:
    trained = [cell for cell in preset(name) if cell.run]
    assert trained
    for cell in trained:
        assert cell.run is not None
        assert abs(images_of(cell.run) - cell.budget) <= 0.02 * cell.budget
        place = cell.places[0]
        if "growing" not in place.experiment:
            assert cell.budget == (6400 if place.experiment == "longer" else load_study(name).images)


@pytest.mark.parametrize(
    ("steps", "refused"), [(49, False), (51, False), (48, True), (52, True)], ids=["-2%", "+2%", "-4%", "+4%"]
)
def test_arms_that_miss_the_budget_by_more_than_two_percent_are_refused(steps: int, refused: bool) -> None:
    study = replace(load_study("quick"), changes=(f"steps={steps}",))
    study = replace(study, experiments=(replace(study.experiments[0], arms=("grpo",)),))
    if not refused:
        cells(study)
        return
    with pytest.raises(UserError, match=r"versus: grpo, metric, default samples \d+ pictures, .4.0% of the"):
        cells(study)


@pytest.mark.parametrize("name", PRESETS)
def test_the_command_of_a_cell_makes_the_same_run(name: str) -> None:
    for cell in preset(name):
        if cell.run is None:
            continue
        words = shlex.split(command_of(cell).partition(" && ")[0])
        assert words[:2] == ["tessera", "train"]
        changes = words[words.index("--set") + 1 : words.index("--out")] if "--set" in words else []
        assert changes == words_of(cell.run)
        assert overlaid(load_recipe(words[2]), {}, changes) == cell.run


def test_five_rewards_and_two_algorithms_make_ten_cells_a_seed_and_one_of_each_chooser() -> None:
    found = [cell for cell in preset("standard") if any(p.experiment == "rewards" for p in cell.places)]
    assert sum(cell.run is not None for cell in found) == 5 * 2 * 3
    assert sum(cell.chooser is not None for cell in found) == 5
    assert len({cell.id for cell in preset("full")}) == len(preset("full"))


def run(name: str, **changes: Any) -> RunConfig:
    return replace(load_recipe(f"mosaic-{name}"), **changes)


@pytest.mark.parametrize("group", [4, 8, 16])
@pytest.mark.parametrize("name", ["grpo", "dpo"])
def test_samples_per_prompt_leave_images_and_gradient_steps_alone(name: str, group: int) -> None:
    before = run(name)
    after = AXES["samples"](before, group)
    assert after.algorithm.group == group
    assert (images_of(after), after.steps) == (images_of(before), before.steps)


@pytest.mark.parametrize("count", [40, 80, 200, 400])
def test_fewer_prompts_leave_images_and_gradient_steps_alone(count: int) -> None:
    grpo, dpo = AXES["prompts"](run("grpo"), count), AXES["prompts"](run("dpo"), count)
    assert isinstance(grpo.algorithm, GRPOConfig)
    assert isinstance(dpo.algorithm, DPOConfig)
    assert grpo.round_steps * grpo.algorithm.prompts_per_step == count  # then they come again
    assert dpo.algorithm.prompts == count
    assert dpo.algorithm.pairs_per_prompt * count == 400
    assert (images_of(grpo), images_of(dpo), grpo.steps, dpo.steps) == (3200, 3200, 50, 25)
    assert grpo.iterated is None or (grpo.iterated.reference, grpo.iterated.prompts) == ("kept", "same")


@pytest.mark.parametrize(("count", "grpo", "dpo"), [(1, 50, 25), (2, 50, 26), (3, 51, 24)])
def test_rounds_take_the_nearest_steps_that_they_divide(count: int, grpo: int, dpo: int) -> None:
    assert AXES["rounds"](run("grpo"), count).steps == grpo
    after = AXES["rounds"](run("dpo"), count)
    assert after.steps == dpo
    assert isinstance(after.algorithm, DPOConfig)
    assert after.algorithm.prompts == {1: 400, 2: 200, 3: 133}[count]


@pytest.mark.parametrize(
    ("axis", "name", "value", "message"),
    [
        ("samples", "grpo", 5, "axis samples: 64 cannot be divided by 5"),
        ("prompts", "dpo", 60, "axis prompts: 400 cannot be divided"),
        ("prompts", "grpo-iterated", 40, "needs an arm without rounds"),
        ("reference", "grpo", "kept", "needs an arm in rounds"),
        ("reference", "dpo-iterated", "keep", "kept, refreshed or ema"),
        ("logp_view", "dpo", "both", "guided or conditional"),
    ],
)
def test_a_value_that_an_axis_cannot_take_is_refused(
    axis: AxisName, name: str, value: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        AXES[axis](run(name), value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"experiments": (experiment("e", arms=("grop",)),)},
            "names the arm 'grop'; the study has base, dpo",
        ),
        ({"seeds": (1, 1)}, "each seed once"),
        ({"rates": SweepRates(seed=0)}, "the sweep's seed 0 is one of the study's"),
        ({"experiments": (VERSUS, VERSUS)}, "each experiment once"),
    ],
)
def test_a_study_that_contradicts_itself_is_refused(changes: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        tiny_study("mosaic", **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axis": "samples"}, "an axis has values, and none has none"),
        ({"values": (4,)}, "an axis has values, and none has none"),
        ({"axis": "samples", "values": ("4",)}, "samples takes whole numbers"),
        ({"axis": "reference", "values": (1,)}, "reference takes words"),
        ({"best_of": 4, "choosers": ()}, "go together"),
    ],
)
def test_an_experiment_that_contradicts_itself_is_refused(changes: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        experiment("e", **changes)


def test_pinned_rates_reach_the_runs_and_others_keep_their_recipes() -> None:
    study = replace(load_study("quick"), rates=PinnedRates(source="a test", rates={"dpo": 5e-5}))
    rates = {cell.places[0].arm: cell.run.optimizer.lr for cell in cells(study) if cell.run}
    assert rates == {"grpo": 2e-4, "dpo": 5e-5}
