"""Changes on top of a recipe reach their place, and a mistake in them is named with its place."""

from typing import Any

import pytest

from tessera.errors import UserError
from tessera.recipes import load_recipe
from tessera.rewards.noise import NoiseReward
from tessera.training.overlay import overlaid
from tessera.types import View

RECIPE = load_recipe("mosaic-grpo")


def changed(*words: str, **named: Any) -> Any:
    return overlaid(RECIPE, {path.replace("__", "."): value for path, value in named.items()}, words)


def test_flags_and_words_reach_their_place_and_nothing_else_changes() -> None:
    settings = changed(
        "algorithm.kl_weight=0.02", "precision=float32", steps=7, optimizer__lr=1e-4, seed=None
    )
    assert (settings.algorithm.kl_weight, settings.precision, settings.steps) == (0.02, "float32", 7)
    assert settings.optimizer.lr == 1e-4
    assert changed() == RECIPE
    assert changed("algorithm.clip=[0.1,0.3]").algorithm.clip == (0.1, 0.3)
    assert changed("view.guidance=2.0").view == View(guidance=2.0)


def test_another_kind_brings_its_own_defaults_in_whatever_order_it_is_said() -> None:
    assert changed("reward.kind=noise").reward == NoiseReward()
    assert changed("reward.seed=4", "reward.kind=noise").reward == NoiseReward(seed=4)
    assert changed("reward.kind=metric", "reward.strict_weight=1").reward.strict_weight == 1


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("steps", "--set takes KEY=VALUE"),
        ("=3", "--set takes KEY=VALUE"),
        ("stepz=3", "unknown key 'stepz'. Did you mean 'steps'"),
        ("algorithm.kl_wight=3", "Did you mean 'kl_weight'"),
        ("algorthm.kl_weight=3", "'algorthm' is no part"),
        ("steps.more=3", "'steps' is no part"),
        ("steps=many", "steps: .*got 'many'"),
        ("reward.kind=nose", "'metric', 'noise', 'custom'"),
    ],
)
def test_a_mistake_is_named_with_its_place(word: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        changed(word)
