"""The roofline by hand: which of three limits a decoding step meets, and what a training step multiplies."""

from dataclasses import replace

import pytest

from tessera.errors import UserError
from tessera.policies.lora import LoRAConfig
from tessera.training.plan_gpus import GB, GPUS, Gpu, gpu_of
from tessera.training.plan_memory import Work
from tessera.training.plan_rewards import RewardLoad
from tessera.training.plan_time import DECODE, KERNELS, LAUNCH, TRAINING, Round, of_run, seconds
from tests.unit.training.test_plan import SMALL

# Slow enough that starting a kernel takes no time beside it; memory is the limit, then arithmetic.
NARROW = Gpu(name="narrow", memory=GB, bandwidth=1e3, bfloat16=1e12, float32=1e12, link=1e3)
BUSY = replace(NARROW, bandwidth=1e15, bfloat16=1e4, float32=1e4)
WORK = Work(rows=2, rows_in_all=8, drawn=8, prompts=1, autocast=False)
ROUND = Round(pictures=8.0, pictures_at_once=8, group=8, rows=8, referred=8.0)
ACTIVE = 5 * 100 + 8 * 10  # five layers, and a head of 8 x 10


def test_decoding_reads_the_weights_once_and_the_cache_of_every_sequence() -> None:
    found = seconds(SMALL, WORK, RewardLoad(), NARROW, ROUND)
    position = 2 * 5 * 4 * 4  # keys and values of five layers, four wide, four bytes
    one_step = (ACTIVE * 4 + 8 * position * (3 + 2)) / (1e3 * DECODE)
    prefix = 3 * 2 * ACTIVE / (1e12 * TRAINING)
    assert found["sample"] == pytest.approx(4 * one_step + prefix)
    guided = seconds(SMALL, replace(WORK, drawn_guided=True), RewardLoad(), NARROW, ROUND)
    more = 4 * 8 * position * 5 / (1e3 * DECODE)
    assert guided["sample"] - found["sample"] == pytest.approx(more, rel=1e-6)


def test_decoding_is_no_faster_than_its_kernels_start() -> None:
    quick = replace(NARROW, bandwidth=1e18, float32=1e20, bfloat16=1e20)
    assert seconds(SMALL, WORK, RewardLoad(), quick, ROUND)["sample"] == pytest.approx(
        4 * 5 * KERNELS * LAUNCH
    )


def test_training_multiplies_six_times_a_parameter_and_an_adapter_four() -> None:
    positions = 8 * 6
    attention = 2 * 6 * 8 * 5
    rate = 1e4 * TRAINING
    full = seconds(SMALL, WORK, RewardLoad(), BUSY, ROUND)
    assert full["update"] == pytest.approx(positions * (6 * ACTIVE + 3 * attention) / rate)
    assert full["reference"] == pytest.approx(positions * (2 * ACTIVE + attention) / rate)
    adapted = seconds(SMALL, replace(WORK, adapter=LoRAConfig()), RewardLoad(), BUSY, ROUND)
    assert adapted["update"] == pytest.approx(positions * (4 * ACTIVE + 3 * attention) / rate)
    again = seconds(SMALL, replace(WORK, recompute=True), RewardLoad(), BUSY, ROUND)
    assert again["update"] - full["update"] == pytest.approx(full["reference"])
    guided = seconds(SMALL, replace(WORK, guided=True), RewardLoad(), BUSY, ROUND)
    assert guided["update"] == pytest.approx(2 * full["update"])


def test_processes_share_the_work_and_send_what_they_learnt() -> None:
    alone = seconds(SMALL, WORK, RewardLoad(), NARROW, ROUND)
    two = replace(WORK, processes=2, rows_in_all=4)
    copies = seconds(SMALL, two, RewardLoad(), NARROW, ROUND)
    assert copies["update"] == pytest.approx(alone["update"] / 2)
    assert copies["sharing"] == pytest.approx(2 * 2400 / 2 / 1e3)
    pieces = seconds(SMALL, replace(two, strategy="fsdp"), RewardLoad(), NARROW, ROUND)
    assert pieces["sharing"] == pytest.approx((3 * 2 + 1) * 2400 / 2 / 1e3)
    assert pieces["step"] == pytest.approx(copies["step"] / 2)
    assert "sharing" not in alone


def test_hours_are_those_of_all_steps() -> None:
    assert of_run({"sample": 2.0, "update": 1.0}, 1200) == 1.0


def test_a_gpu_is_a_name_or_its_memory() -> None:
    assert gpu_of("H100-80GB") == gpu_of("h100-80") == GPUS["h100-80"]
    forty = gpu_of("40 GB")
    assert (forty.memory, forty.bandwidth) == (40 * GB, GPUS["h100-80"].bandwidth)
    assert gpu_of("4090").memory == 24 * GB
    for wrong in ("b9000", "GB", "0GB"):
        with pytest.raises(UserError, match="Or say how much memory it has, such as 80GB"):
            gpu_of(wrong)
