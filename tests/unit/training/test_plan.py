"""The plan's formulas by hand, the claims that it makes of Janus-Pro-7B, and what it advises."""

from dataclasses import replace
from functools import cache

import pytest

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.errors import UserError
from tessera.policies.base import PolicyModule
from tessera.policies.janus.config import JanusConfig
from tessera.policies.lora import LoRAConfig, LoRAPolicy
from tessera.rewards.custom import CustomReward
from tessera.rewards.load import EnsembleReward, PartConfig
from tessera.rewards.noise import NoiseReward
from tessera.rewards.remote.settings import RemoteReward
from tessera.scorers.clip.settings import HPS, ClipScore
from tessera.scorers.placed import Placement
from tessera.scorers.vlm.settings import HpsV3
from tessera.training.config import OptimizerConfig, RunConfig
from tessera.training.plan import make_plan
from tessera.training.plan_advice import advice, together
from tessera.training.plan_gpus import GB, gpu_of
from tessera.training.plan_memory import (
    CONTEXT,
    HOLES,
    Work,
    cache_bytes,
    layer_bytes,
    peak,
    phases,
)
from tessera.training.plan_rewards import RewardLoad, parameters_told, rewards_of
from tessera.training.plan_sizes import T5_PARAMETERS, LayerTraits, Linear, Sizes, measured, sizes_of
from tessera.types import Footprint, PolicySpec, View
from tests.contracts.policies import tiny_mosaic
from tests.unit.training.plan_policies import small_janus, small_llamagen

SPEC = PolicySpec(
    name="small", tokens=4, codebook=10, grid=(2, 2), image_size=(8, 8), prefix=3, default_view=View()
)
LAYER = (
    Linear(name="layers.0.qkv", inputs=8, outputs=24),
    Linear(name="layers.0.out", inputs=8, outputs=8),
    Linear(name="layers.0.up", inputs=8, outputs=16),
    Linear(name="layers.0.down", inputs=16, outputs=8),
)
SMALL = Sizes(
    spec=SPEC,
    footprint=Footprint(
        parameters=1000,
        weight_bytes=4,
        layers=5,
        width=8,
        heads=2,
        cache_width=4,
        mlp_width=16,
        mlp_tensors=2,
        keeps_scores=True,
    ),
    traits=LayerTraits(norm_weight=4, attention=3, mixed=1, passing=3),
    trained=600,
    layer=100,
    linear=(*LAYER, Linear(name="head", inputs=8, outputs=10)),
    in_layer=LAYER,
    encoder_bytes=0,
    decode_bytes=500,
    decode_flops=7,
    decode_at_once=None,
)
ONE = Work(rows=1, rows_in_all=2, on_gpu=False)
LARGE = gpu_of("80GB")


def janus_run(**changes: object) -> RunConfig:
    """Returns GRPO on Janus-Pro-7B: groups of 8, guidance 5 in what is drawn and in what is trained."""
    settings = RunConfig(
        recipe="janus",
        policy="janus-pro-7b",
        algorithm=GRPOConfig(prompts_per_step=8, group=8, logp_view="guided"),
        steps=1600,
        optimizer=OptimizerConfig(lr=1e-6),
        reward=HPS(),
    )
    return replace(settings, **changes)  # pyright: ignore[reportArgumentType] - any of its settings


@cache
def janus() -> Sizes:
    return sizes_of("janus-pro-7b")


def test_a_layer_is_what_a_hand_calculation_says() -> None:
    # 6 positions: 8 wide (2 * 8 of norms, 6 inputs of 4) = 320; the MLP 2 * 16 * 4 = 128; softmax 2 * 36 * 4.
    assert layer_bytes(SMALL, ONE) == 6 * (320 + 128) + 288
    # Norms 8; q, k, v, mixed and two inputs of 4; the MLP; four products of rank 2.
    adapted = replace(ONE, adapter=LoRAConfig(rank=2))
    assert layer_bytes(SMALL, adapted) == 6 * (8 * (8 + 24) + 128 + 2 * 4 * 4) + 288
    # Cast: q, k, v in 2 bytes; MLP 1 * 16 * 2; the inputs of all four layers, 8 + 8 + 8 + 16, and products.
    cast = replace(adapted, autocast=True)
    assert layer_bytes(SMALL, cast) == 6 * (8 * (8 + 6) + 32 + 40 * 2 + 2 * 4 * 2) + 144
    assert cache_bytes(SMALL, 3, 6) == 2 * 3 * 5 * 6 * 4 * 4


def test_weights_gradients_and_moments_are_there_in_every_phase() -> None:
    for parts in phases(SMALL, ONE, RewardLoad()).values():
        assert parts["weights"] == parts["reference"] == 4000
        assert (parts["gradients"], parts["moments"]) == (2400, 4800)


def test_an_adapter_needs_no_reference_and_a_moving_one_a_second_adapter() -> None:
    parameters = SMALL.adapter(LoRAConfig(rank=2, layers=("layers.*",)))
    assert parameters == 2 * (32 + 16 + 24 + 24)
    work = replace(ONE, adapter=LoRAConfig(rank=2, layers=("layers.*",)))
    parts = phases(SMALL, work, RewardLoad())["reward"]
    assert (parts["weights"], parts["reference"]) == (4000 + 4 * parameters, 0)
    assert (parts["gradients"], parts["moments"]) == (4 * parameters, 8 * parameters)
    assert (
        phases(SMALL, replace(work, second_adapter=True), RewardLoad())["reward"]["reference"]
        == 4 * parameters
    )


def test_pieces_divide_what_trains_and_cost_a_copy_to_draw_with() -> None:
    parts = phases(SMALL, replace(ONE, strategy="fsdp", processes=4), RewardLoad())
    still = parts["reward"]
    assert still["weights"] == 1600 + 2400 / 4  # what is frozen is whole
    assert (still["drawing copy"], still["reference"]) == (4000, 4000)
    assert (still["gradients"], still["moments"]) == (600, 1200)
    assert parts["update"]["weights"] == still["weights"] + 2 * 400 + 400  # two layers, and what is in none
    assert sum(parts["start"].values()) == 12000
    assert phases(SMALL, replace(ONE, processes=4), RewardLoad())["reward"]["gradients"] == 4800


def test_the_margin_is_the_context_and_a_share_of_what_comes_and_goes() -> None:
    parts = phases(SMALL, replace(ONE, on_gpu=True), RewardLoad())["update"]
    held = 4000 + 4000 + 2400 + 4800
    passing = sum(parts.values()) - parts["margin"] - held
    assert parts["margin"] == pytest.approx(CONTEXT + HOLES * passing)


@pytest.mark.parametrize("build", [tiny_mosaic, small_janus, small_llamagen])
def test_an_adapter_has_the_parameters_that_lora_gives_it(build: object) -> None:
    policy = build()  # pyright: ignore[reportCallIssue] - one of the three above
    assert isinstance(policy, PolicyModule)
    for settings in (LoRAConfig(rank=3), LoRAConfig(rank=2, layers=("*up*", "*gate*"))):
        planned = measured(build()).adapter(settings)  # pyright: ignore[reportCallIssue] - likewise
        real = LoRAPolicy(build(), settings, seed=0)  # pyright: ignore[reportCallIssue] - likewise
        assert planned == sum(parameter.numel() for _, parameter in real.trainable())


def test_janus_7b_is_known_by_its_published_sizes_and_takes_no_memory() -> None:
    sizes = janus()
    layer = 4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096
    assert sizes.layer == layer
    assert sizes.trained == 30 * layer + 102400 * 4096 + 4096
    assert sizes.footprint.weight_bytes == 2
    # 2 x 30 layers x 4096 numbers of 2 bytes: 0.49 MB a position; 0.33 GB for 672 of them.
    assert cache_bytes(sizes, 1, 672) == pytest.approx(0.33e9, rel=0.01)


def test_a_cache_in_8_bits_lets_twice_as_many_pictures_be_drawn_where_the_cache_is_what_fills() -> None:
    """A head of 128 has 130 bytes instead of 256; of what is left beside 14.8 GB of weights, it is most."""
    asked = JanusConfig(weights="deepseek-community/Janus-Pro-7B", cache="int8")
    small = sizes_of(asked)
    assert cache_bytes(small, 1, 672) * 256 == cache_bytes(janus(), 1, 672) * 130
    gpu = replace(gpu_of("80GB"), memory=round(40 * GB))
    run = janus_run(batch_size=64, adapter=LoRAConfig(rank=16), reward=NoiseReward())
    full, int8 = (make_plan(run, gpu, 1, sizes).work.drawn for sizes in (janus(), small))
    assert 1.6 * full < int8 <= 64


@pytest.mark.parametrize(("name", "million"), [("llamagen-c2i-b-256", 111), ("llamagen-t2i-xl-512", 775)])
def test_llamagen_is_known_by_its_name(name: str, million: int) -> None:
    sizes = sizes_of(name)
    assert sizes.trained / 1e6 == pytest.approx(million, rel=0.01)
    assert sizes.encoder_bytes == (2 * T5_PARAMETERS if "t2i" in name else 0)


def test_janus_7b_with_an_adapter_fits_one_gpu_of_80_gb() -> None:
    """Groups of 8, guidance, all 64 pictures of a step on this GPU, HPS beside it."""
    for recompute in (False, True):
        settings = janus_run(adapter=LoRAConfig(rank=16), gradient_checkpointing=recompute)
        plan = make_plan(settings, LARGE, 1, janus())
        print(f"7B, LoRA, recomputed={recompute}: {plan.peak / GB:.1f} GB, micro_batch={plan.work.rows}")  # noqa: T201 - with pytest -s
        assert plan.fits
        assert plan.peak < 80 * GB
        assert plan.work.drawn >= 8
    # Its weights alone are 14.8 GB and the cache of 128 sequences 42: less would be a fault.
    assert plan.peak > 57 * GB


def test_janus_7b_in_full_fits_eight_gpus_in_pieces_and_not_otherwise() -> None:
    pieces = make_plan(janus_run(strategy="fsdp"), LARGE, 8, janus())
    copies = make_plan(janus_run(strategy="ddp"), LARGE, 8, janus())
    alone = make_plan(janus_run(), LARGE, 1, janus())
    for name, plan in (("fsdp", pieces), ("ddp", copies), ("one GPU", alone)):
        print(f"7B in full, {name}: {plan.peak / GB:.1f} GB, micro_batch={plan.work.rows}")  # noqa: T201 - with pytest -s
    assert (pieces.fits, copies.fits, alone.fits) == (True, False, False)
    # Two whole copies (29.6), frozen parts (1.8), an eighth of weights, gradients, moments (6.5), HPS (3.9).
    assert min(sum(parts.values()) for parts in list(pieces.phases.values())[1:]) > 41 * GB


def test_the_largest_batches_that_fit_are_chosen() -> None:
    plan = make_plan(janus_run(adapter=LoRAConfig()), LARGE, 1, janus())
    assert 1 < plan.work.rows < 64
    more = phases(janus(), replace(plan.work, rows=plan.work.rows + 1), plan.rewards)
    assert peak(more)[1] > LARGE.memory
    small = make_plan(janus_run(adapter=LoRAConfig()), gpu_of("40GB"), 1, janus())
    assert small.work.drawn < plan.work.drawn
    assert make_plan(janus_run(adapter=LoRAConfig(), micro_batch=2), LARGE, 1, janus()).work.rows == 2


def test_pairs_are_two_rollouts_and_a_round_is_spread_over_its_steps() -> None:
    dpo = janus_run(algorithm=DPOConfig(prompts=100, group=8, pairs_per_step=8), steps=20, micro_batch=1)
    one = make_plan(dpo, LARGE, 1, janus())
    grpo = make_plan(janus_run(micro_batch=1), LARGE, 1, janus())
    activations = [plan.phases["update"]["activations"] for plan in (one, grpo)]
    assert activations[0] == pytest.approx(2 * activations[1])
    assert one.round.pictures == 40
    # 16 sequences of rollouts instead of 64, and 40 pictures instead of 64.
    assert one.seconds["update"] == pytest.approx(grpo.seconds["update"] / 4)


def test_gpus_that_do_not_divide_the_prompts_are_refused() -> None:
    with pytest.raises(UserError, match="prompts_per_step=8 cannot be divided among 3 GPUs"):
        make_plan(janus_run(), LARGE, 3, janus())


def test_what_does_not_fit_gets_changes_from_cheap_to_dear_with_their_effect() -> None:
    plan = make_plan(janus_run(micro_batch=32, reward=HpsV3()), LARGE, 1, janus())
    changes = advice(plan)
    words = [change.words.split()[0].split("=")[0] for change in changes]
    assert words == ["micro_batch", "gradient_checkpointing", "place.rest", "adapter.rank", "strategy"]
    assert all(change.peak < plan.peak for change in changes)
    found = together(plan)
    assert found is not None
    assert found[1].fits
    assert any(word.startswith("adapter") for word in found[0])


def test_what_fits_gets_no_advice_and_what_never_fits_gets_no_promise() -> None:
    assert advice(make_plan(janus_run(adapter=LoRAConfig()), LARGE, 1, janus())) == []
    hopeless = make_plan(janus_run(), gpu_of("12GB"), 1, janus())
    assert together(hopeless) is None
    assert not any(change.fits for change in advice(hopeless))


def test_rewards_are_counted_by_what_the_catalogue_tells() -> None:
    assert parameters_told("hps") == 986_000_000
    assert parameters_told("geneval") == 497_000_000
    assert parameters_told("clipscore", "L/14") == 428_000_000
    assert parameters_told("metric") is None
    bfloat16 = Placement(dtype="bfloat16")
    both = EnsembleReward(parts=tuple(PartConfig(scorer=each) for each in (HPS(), ClipScore(place=bfloat16))))
    load = rewards_of(both)
    assert load.resting == 986e6 * 4 + 151e6 * 2
    assert load.at_work > load.resting
    host = rewards_of(HPS(place=Placement(rest="host")))
    assert (host.resting, host.at_work > 986e6 * 4) == (0, True)
    assert rewards_of(HPS(place=Placement(device="cpu"))).at_work == 0
    assert rewards_of(RemoteReward(urls=("http://localhost:8000",))).models == ()
    assert rewards_of(NoiseReward()).models == ()
    assert rewards_of(CustomReward(function="some:where")).unmeasured == ("some:where",)
    assert [each.trains for each in rewards_of(HPS(), [ClipScore()]).models] == [True, False]
