"""Axes along which compute grows, the axis of kinds of prompts, and runs made longer or shorter."""

from dataclasses import replace

import pytest

from tessera.errors import UserError
from tessera.recipes import load_recipe
from tessera.study.axes import diversity, prompts
from tessera.study.cells import cells_of
from tessera.study.config import BASE, ExperimentConfig
from tessera.study.growth import more_prompts, more_rounds, more_samples, stretched
from tessera.study.matching import images_of
from tessera.study.presets import load_study
from tessera.training.config import RunConfig
from tessera.world.prompts import PromptSource, prompt_at

ARMS = ("mosaic-grpo", "mosaic-dpo")
KINDS = ("color", "shape", "texture", "spatial", "numeracy", "complex")


@pytest.fixture(params=ARMS)
def run(request: pytest.FixtureRequest) -> RunConfig:
    return load_recipe(request.param)


def test_more_samples_cost_more_pictures_in_as_many_steps(run: RunConfig) -> None:
    found = [more_samples(run, group) for group in (4, 8, 16)]
    assert [images_of(each) for each in found] == [1600, 3200, 6400]
    assert {each.steps for each in found} == {run.steps}


def test_more_prompts_cost_more_pictures_and_steps(run: RunConfig) -> None:
    found = [more_prompts(run, count) for count in (200, 400, 800)]
    assert [images_of(each) for each in found] == [1600, 3200, 6400]
    assert [each.steps / run.steps for each in found] == [pytest.approx(0.5, abs=0.021), 1, 2]


def test_more_rounds_are_the_whole_training_again(run: RunConfig) -> None:
    assert more_rounds(run, 1) == replace(run, iterated=None)
    twice = more_rounds(run, 2)
    assert (images_of(twice), twice.steps) == (2 * images_of(run), 2 * run.steps)
    assert twice.iterated is not None
    assert (twice.iterated.rounds, twice.iterated.reference) == (2, "refreshed")


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(UserError, match="201 prompts are no whole number of steps"):
        more_prompts(load_recipe("mosaic-grpo"), 201)
    with pytest.raises(UserError, match="needs an arm without rounds"):
        more_prompts(load_recipe("mosaic-grpo-iterated"), 200)


@pytest.mark.parametrize("factor", [0.2, 0.61, 1.0, 1.37, 3.0])
def test_a_stretched_run_is_as_long_as_asked_as_nearly_as_its_steps_allow(
    run: RunConfig, factor: float
) -> None:
    after = stretched(run, factor)
    assert abs(after.steps - factor * run.steps) <= 0.5
    assert images_of(after) / images_of(run) == pytest.approx(after.steps / run.steps, rel=0.005)


def test_arms_at_growing_compute_are_matched_at_each_value() -> None:
    growing = ExperimentConfig(
        name="more",
        question="?",
        arms=(BASE, "grpo", "dpo"),
        axis="samples",
        values=(4, 16),
        compute="growing",
    )
    cells = cells_of(replace(load_study("quick"), experiments=(growing,)), {})
    found = {(cell.places[0].arm, cell.places[0].setting): cell for cell in cells if cell.run}
    assert {key: cell.budget for key, cell in found.items()} == {
        ("grpo", "samples=4"): 1600,
        ("grpo", "samples=16"): 6400,
        ("dpo", "samples=4"): 1600,
        ("dpo", "samples=16"): 6400,
    }


def test_an_axis_without_a_growing_form_is_refused() -> None:
    with pytest.raises(UserError, match="logp_view has no growing form; samples, prompts, rounds have"):
        ExperimentConfig(name="x", question="?", axis="logp_view", values=("guided",), compute="growing")


def test_kinds_of_prompts_change_alone(run: RunConfig) -> None:
    """As many prompts, pictures and steps whatever their kinds; all six are the run on fewer prompts."""
    narrow, wide = diversity(run, 1), diversity(run, 6)
    assert wide == prompts(run, 80)
    assert replace(narrow, prompts=wide.prompts) == wide
    assert PromptSource.parse(narrow.prompts).categories == ("color",)


def test_each_seed_trains_on_other_kinds_and_all_get_their_turn(run: RunConfig) -> None:
    chosen = [
        PromptSource.parse(diversity(replace(run, seed=seed), 2).prompts).categories for seed in range(3)
    ]
    assert [name for each in chosen for name in each] == list(KINDS)


@pytest.mark.parametrize("count", [0, 7])
def test_there_are_no_more_kinds_than_the_prompts_have(run: RunConfig, count: int) -> None:
    with pytest.raises(UserError, match=f"mosaic-id has 1 to 6 categories, not {count}"):
        diversity(run, count)


def test_a_narrowed_source_draws_from_its_kinds_alone() -> None:
    source = PromptSource.parse("mosaic-id:texture,color")
    assert source.name == "mosaic-id:color,texture"
    assert PromptSource.parse(source.name) == source
    drawn = [prompt_at(source, "train", 0, position).category for position in range(6)]
    assert drawn == ["color", "texture"] * 3
    with pytest.raises(UserError, match="unknown category 'colour'"):
        PromptSource.parse("mosaic-id:colour")
