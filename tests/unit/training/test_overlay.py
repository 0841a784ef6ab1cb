"""Changes on top of a recipe reach their place, the later ones win, and a mistake is named with its place."""

from pathlib import Path
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


def from_files(tmp_path: Path, *texts: str, words: tuple[str, ...] = (), **named: Any) -> Any:
    paths = [tmp_path / f"{number}.toml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return overlaid(RECIPE, named, words, paths)


def test_tables_of_a_file_are_merged_into_the_recipe(tmp_path: Path) -> None:
    settings = from_files(
        tmp_path, "steps = 7\n[algorithm]\nkl_weight = 0.5\nclip = [0.1, 0.3]\n[view]\ntop_k = 4"
    )
    assert (settings.steps, settings.algorithm.kl_weight) == (7, 0.5)
    assert settings.algorithm.clip == (0.1, 0.3)
    assert settings.algorithm.group == RECIPE.algorithm.group
    assert settings.view == View(top_k=4)
    assert settings.optimizer == RECIPE.optimizer


def test_later_files_flags_and_words_win_in_this_order(tmp_path: Path) -> None:
    files = (
        "steps = 1\nseed = 1\nbatch_size = 1\nmicro_batch = 1",
        "seed = 2\nbatch_size = 2\nmicro_batch = 2",
    )
    settings = from_files(tmp_path, *files, words=("micro_batch=4",), batch_size=3, micro_batch=3)
    assert (settings.steps, settings.seed, settings.batch_size, settings.micro_batch) == (1, 2, 3, 4)


def test_another_kind_in_a_file_clears_what_stood_there_before(tmp_path: Path) -> None:
    noise = "[reward]\nseed = 4\nkind = 'noise'"
    assert from_files(tmp_path, "reward.strict_weight = 1", noise).reward == NoiseReward(seed=4)
    assert from_files(tmp_path, noise, "reward.seed = 5").reward == NoiseReward(seed=5)
    assert from_files(tmp_path, noise, words=("reward.kind=metric",)).reward == RECIPE.reward


def test_only_what_comes_out_in_the_end_must_hold(tmp_path: Path) -> None:
    """Two updates a round cannot divide 51 steps; the checkpoints' distance must be even as well."""
    odd = "steps = 51\nalgorithm.updates = 2"
    assert from_files(tmp_path, odd, "steps = 52").steps == 52
    with pytest.raises(UserError, match=r"0\.toml: steps=51 must be a multiple"):
        from_files(tmp_path, odd, "seed = 3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz = 3", r"1\.toml: unknown key 'stepz'. Did you mean 'steps'"),
        ("[algorithm]\nkl_wight = 3", r"1\.toml: unknown key .*Did you mean 'kl_weight'"),
        ("[algorthm]\nkl_weight = 3", r"1\.toml: 'algorthm' is no part of .*Did you mean 'algorithm'"),
        ("steps = 'many'", r"1\.toml: steps: .*got 'many'"),
        ("optimizer.lr = 0", r"1\.toml: lr must be above 0"),
        ("steps = many", r"1\.toml is no TOML: .*line 1"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_the_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        from_files(tmp_path, "steps = 3", text, "seed = 1", words=("precision=float32",))


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.toml: No such file or directory\. It takes TOML"):
        overlaid(RECIPE, {}, (), [tmp_path / "none.toml"])
    (tmp_path / "picture.toml").write_bytes(b"\x89PNG\xff")
    with pytest.raises(UserError, match=r"picture\.toml is no TOML"):
        overlaid(RECIPE, {}, (), [tmp_path / "picture.toml"])


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
        ("reward.kind=nose", "'metric', .*'noise', 'custom'"),
    ],
)
def test_a_mistake_is_named_with_its_place(word: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        changed(word)
