"""Recipes for real models: they read back, draw equally much, fit a GPU, and run whole at tiny size.

What runs is the real class at tiny size, a toy reward, and prompts that are shipped: one step of everything.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.config import digest, from_plain, to_plain
from tessera.policies.base import PolicyModule
from tessera.policies.janus.published import Size, random_janus
from tessera.policies.layout import last_checkpoint
from tessera.policies.load import load_policy
from tessera.policies.lora import LoRAConfig
from tessera.recipes import load_recipe
from tessera.recipes.field import FIELD, JANUS, REWARDS
from tessera.report.training import training_page
from tessera.storage import read_jsonl
from tessera.study.matching import images_of
from tessera.training.config import RunConfig
from tessera.training.memory import GB, Load, estimate
from tessera.training.overlay import overlaid
from tests.tiny import run_in

LIGHT = "tessera.rewards.toys:light_from_above"
GPU = 80 * GB
LARGEST_REWARD = 17 * GB  # a judge of 8 B parameters in half precision
# One recipe of each code path: family, algorithm, adapter or all weights.
WHOLE_RUNS = (
    "janus-pro-7b-dpo-hps",
    "janus-pro-7b-grpo-hps",
    "janus-pro-7b-grpo-t2i-r1",
    "llamagen-t2i-xl-256-dpo-hps",
    "llamagen-t2i-xl-256-grpo-hps",
    "emu3-grpo-hps",
)


def tiny_name(policy: str) -> str:
    return f"random:{policy.partition('-')[0]}-tiny"


def shrunk(recipe: RunConfig) -> RunConfig:
    """Returns the recipe with everything but its sizes, its model, its judge and its prompts."""
    own = recipe.algorithm
    if isinstance(own, GRPOConfig):
        small = replace(own, prompts_per_step=2, group=2)
    else:
        small = replace(own, prompts=2, group=2, pairs_per_step=1)
    words = ["prompts=toy", "reward.kind=custom", f"reward.function={LIGHT}", "steps=1"]
    named = {"policy": tiny_name(recipe.policy)}
    return overlaid(replace(recipe, algorithm=small), named, [*words, "micro_batch=1"])


@pytest.mark.parametrize("name", FIELD)
def test_it_reads_back_and_keeps_its_digest(name: str) -> None:
    recipe = load_recipe(name)
    read = from_plain(RunConfig, to_plain(recipe), where=name)
    assert read == recipe
    assert digest(read) == digest(load_recipe(name))


def test_no_two_recipes_are_one() -> None:
    assert len({digest(replace(make(), recipe="")) for make in FIELD.values()}) == len(FIELD)


@pytest.mark.parametrize("name", JANUS)
def test_those_of_the_study_draw_22400_pictures_of_5600_prompts(name: str) -> None:
    recipe = load_recipe(name)
    assert images_of(recipe) == 22_400
    match recipe.algorithm:
        case GRPOConfig(prompts_per_step=prompts, group=group):
            assert (prompts * recipe.steps, group) == (5600, 4)
        case DPOConfig(prompts=prompts, group=group, pairs_per_step=pairs):
            assert (prompts, group, pairs * recipe.steps) == (5600, 4, 5600)


@pytest.mark.parametrize("size", ["1b", "7b"])
@pytest.mark.parametrize("reward", REWARDS)
def test_the_algorithms_differ_in_nothing_but_themselves(size: str, reward: str) -> None:
    grpo, dpo = (load_recipe(f"janus-pro-{size}-{each}-{reward}") for each in ("grpo", "dpo"))
    same = replace(
        dpo,
        recipe=grpo.recipe,
        algorithm=grpo.algorithm,
        steps=grpo.steps,
        checkpoint_every=grpo.checkpoint_every,
    )
    assert same == grpo
    assert (grpo.algorithm.group, grpo.algorithm.logp_view) == (dpo.algorithm.group, dpo.algorithm.logp_view)


@pytest.mark.parametrize("size", ["1b", "7b"])
@pytest.mark.parametrize("algorithm", ["grpo", "dpo"])
def test_the_adapter_and_the_largest_judge_fit_one_gpu_of_80_gb(size: Size, algorithm: str) -> None:
    recipe = load_recipe(f"janus-pro-{size}-{algorithm}-unifiedreward")
    assert recipe.adapter is not None
    assert recipe.micro_batch is not None
    policy = random_janus(size, seed=0, device=torch.device("meta"))  # sizes without numbers
    spec, sizes = policy.spec, policy.footprint
    width, mlp = sizes.width, sizes.mlp_width
    of_a_layer = 4 * (width + width) + 3 * (width + mlp)  # inputs and outputs: q, k, v, o; gate, up, down
    load = Load(
        rows=recipe.micro_batch,
        rollouts=1 if algorithm == "grpo" else 2,
        trained=4 * recipe.adapter.rank * of_a_layer * sizes.layers,
        adapter=True,
        recompute=recipe.gradient_checkpointing,
        autocast=True,
        drawn=recipe.batch_size,
        drawn_guided=policy.spec.default_view.guided,
    )
    assert estimate(spec, sizes, load).total + LARGEST_REWARD < GPU


def test_t2i_r1_is_its_published_settings() -> None:
    """CaraJ7/T2I-R1 at 2d9d4d1, run_grpo.sh: 8 GPUs x 2, group 8, 1,600 steps, four rewards, all weights."""
    recipe = load_recipe("janus-pro-7b-grpo-t2i-r1")
    assert isinstance(recipe.algorithm, GRPOConfig)
    assert recipe.algorithm.prompts_per_step * recipe.algorithm.group == 128
    assert (recipe.steps, recipe.optimizer.lr, recipe.algorithm.kl_weight) == (1600, 1e-6, 0.01)
    assert (recipe.adapter, recipe.prompts, recipe.strategy) == (None, "t2i-r1", "fsdp")
    assert recipe.model is not None
    assert recipe.model.kind == "janus"
    assert recipe.model.dtype == "float32"  # a step of 1e-6 is nothing in half precision


def test_a_policy_by_name_takes_the_place_of_a_recipes_own_settings() -> None:
    """`--policy` was read and then passed over, where the recipe had settings of a family."""
    recipe = load_recipe("janus-pro-7b-grpo-t2i-r1")
    changed = overlaid(recipe, {"policy": "random:janus-tiny"}, ())
    assert (changed.policy, changed.model) == ("random:janus-tiny", None)
    both = overlaid(recipe, {}, ["policy=mine", "model.kind=janus", "model.train=all"])
    assert both.model is not None


@pytest.mark.parametrize(
    "name",
    [
        name if name.startswith("janus-pro-7b-dpo") else pytest.param(name, marks=pytest.mark.slow)
        for name in WHOLE_RUNS
    ],
)
def test_one_step_of_everything_on_the_real_class_at_tiny_size(name: str, tmp_path: Path) -> None:
    settings = shrunk(load_recipe(name))
    run_in(tmp_path / "run", settings)
    (row,) = read_jsonl(tmp_path / "run" / "metrics.jsonl")
    assert row["missing"] == 0
    checkpoint = last_checkpoint(tmp_path / "run")
    assert checkpoint is not None
    read, begun = load_policy(str(tmp_path / "run")), load_policy(settings.policy)
    assert (settings.adapter is not None) is (checkpoint / "adapter.safetensors").is_file()
    moved, stayed = changed_parts(begun, read)
    assert moved
    assert not moved & frozen_parts(begun)
    assert stayed
    assert name in training_page(tmp_path / "run", "")


def changed_parts(before: PolicyModule, after: PolicyModule) -> tuple[set[str], set[str]]:
    """Returns the weights that differ and those that do not."""
    tensors = after.state_dict()
    differ = {name for name, tensor in before.state_dict().items() if not torch.equal(tensor, tensors[name])}
    return differ, set(tensors) - differ


def frozen_parts(policy: PolicyModule) -> set[str]:
    trained = {id(parameter) for _, parameter in policy.trainable()}
    return {name for name, parameter in policy.named_parameters() if id(parameter) not in trained}


def test_an_adapter_is_what_shrinks_a_recipe_to_one_gpu() -> None:
    assert all(load_recipe(name).adapter == LoRAConfig() for name in JANUS)
