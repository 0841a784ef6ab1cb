"""Runs worth repeating, by name: functions that return a configuration, every value with its source."""

from collections.abc import Callable, Mapping

from tessera.errors import UserError, unknown
from tessera.recipes.field import FIELD
from tessera.recipes.mosaic import mosaic_dpo, mosaic_dpo_iterated, mosaic_grpo, mosaic_grpo_iterated
from tessera.recipes.tiny import janus_tiny_dpo, janus_tiny_grpo
from tessera.training.config import RunConfig

RECIPES: Mapping[str, Callable[[], RunConfig]] = {
    **FIELD,
    "janus-tiny-dpo": janus_tiny_dpo,
    "janus-tiny-grpo": janus_tiny_grpo,
    "mosaic-dpo": mosaic_dpo,
    "mosaic-dpo-iterated": mosaic_dpo_iterated,
    "mosaic-grpo": mosaic_grpo,
    "mosaic-grpo-iterated": mosaic_grpo_iterated,
}


def load_recipe(name: str) -> RunConfig:
    """Returns the recipe's configuration."""
    if name not in RECIPES:
        raise UserError(unknown("recipe", name, RECIPES))
    return RECIPES[name]()
