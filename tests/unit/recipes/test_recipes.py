"""Recipes are configurations: they read back, they compare at equal pictures, unknown ones are named."""

import pytest

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.config import from_plain, to_plain
from tessera.errors import UserError
from tessera.recipes import RECIPES, load_recipe
from tessera.training.config import RunConfig


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_carries_its_name_and_reads_back_from_plain_data(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.recipe == name
    assert from_plain(RunConfig, to_plain(recipe), where=name) == recipe


def test_the_recipes_of_the_embedded_world_cost_3200_pictures_each() -> None:
    grpo, dpo = load_recipe("mosaic-grpo"), load_recipe("mosaic-dpo")
    assert isinstance(grpo.algorithm, GRPOConfig)
    assert isinstance(dpo.algorithm, DPOConfig)
    assert grpo.steps * grpo.algorithm.prompts_per_step * grpo.algorithm.group == 3200
    assert dpo.algorithm.prompts * dpo.algorithm.group == 3200
    assert (grpo.reward, grpo.prompts, grpo.view) == (dpo.reward, dpo.prompts, dpo.view)


def test_the_iterated_ones_are_matched_to_within_a_twentieth() -> None:
    grpo, dpo = load_recipe("mosaic-grpo-iterated"), load_recipe("mosaic-dpo-iterated")
    assert isinstance(grpo.algorithm, GRPOConfig)
    assert isinstance(dpo.algorithm, DPOConfig)
    assert grpo.iterated is not None
    assert dpo.iterated is not None
    images = grpo.steps * grpo.algorithm.prompts_per_step * grpo.algorithm.group
    assert images == pytest.approx(3200, rel=0.05)
    assert dpo.iterated.rounds * dpo.algorithm.prompts * dpo.algorithm.group == pytest.approx(3200, rel=0.05)
    assert {grpo.iterated.rounds, dpo.iterated.rounds} == {3}


def test_an_unknown_recipe_gets_the_nearest_one() -> None:
    with pytest.raises(UserError, match=r"unknown recipe 'mosaic-grop'\. Did you mean 'mosaic-grpo'"):
        load_recipe("mosaic-grop")
