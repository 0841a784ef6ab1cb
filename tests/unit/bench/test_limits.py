"""What a machine can do, and what a step asks of it."""

import pytest
import torch

from tessera.bench.limits import (
    Limits,
    StepCost,
    machine,
    measure_limits,
    measure_products,
    published,
    step_cost,
)
from tessera.tensors import TextBatch
from tests.contracts.janus import tiny_janus
from tests.contracts.policies import tiny_mosaic


def test_a_step_of_mosaic_reads_its_matrices_once_and_its_cache() -> None:
    policy = tiny_mosaic()
    text = policy.tokenize(["a photo of a red circle"] * 3)
    sizes, spec = policy.config.transformer, policy.spec
    layers = sizes.layers * (4 * sizes.width**2 + 2 * sizes.width * sizes.mlp_width)
    head = sizes.width * spec.codebook
    context = spec.prefix + spec.tokens / 2  # all slots of its window are attended
    cached = 6 * 2 * sizes.layers * sizes.width * 4 * (context + 1)  # two branches of three rows
    attention = 4 * sizes.layers * sizes.width * context
    cost = step_cost(policy, text, guided=True)
    assert cost.bytes == pytest.approx((layers + head) * 4 + cached)
    assert cost.flops == pytest.approx(6 * (2 * layers + attention) + 3 * 2 * head)
    alone = step_cost(policy, text, guided=False)
    assert alone.bytes == pytest.approx((layers + head) * 4 + cached / 2)


def test_blank_slots_of_a_window_are_not_counted() -> None:
    policy = tiny_janus()
    short, long = (
        step_cost(policy, policy.tokenize([prompt]), guided=False) for prompt in ("a", "a star" * 3)
    )
    letters = len("a star" * 3) - 1
    one = 2 * policy.footprint.layers * policy.footprint.cache_width * 4
    assert long.bytes - short.bytes == pytest.approx(letters * one)


def test_a_cache_in_8_bits_is_read_in_8_bits_and_its_scales() -> None:
    """Two heads of 16: 32 bytes and two scales of 4, for keys and values each; full 128 and 128."""
    read: dict[str, float] = {}
    for form in ("full", "int8"):
        policy = tiny_janus(cache=form)
        read[form] = step_cost(policy, policy.tokenize(["a star"]), guided=False).bytes
    layers, context = policy.footprint.layers, len("a star") + 1 + policy.spec.tokens / 2
    template = (read["full"] - read["int8"]) / (layers * (256 - 80)) - context - 1
    assert template == pytest.approx(round(template))  # the slots that surround a prompt
    assert template > 0


def test_no_hook_is_left_behind() -> None:
    policy = tiny_mosaic()
    text: TextBatch = policy.tokenize(["a photo of a red circle"])
    step_cost(policy, text, guided=True)
    assert not any(module._forward_hooks for module in policy.modules())


def test_a_share_is_the_least_time_by_the_time_taken() -> None:
    """By hand: 200 bytes at 100 a second take 2 s, of 8; 30 operations at 10 a second take 3."""
    limits = Limits(bytes_per_second=100.0, flops=10.0)
    assert StepCost(bytes=200.0, flops=30.0).share(8.0, limits) == {
        "share_of_bandwidth": 0.25,
        "share_of_products": 0.375,
    }


def test_this_machine_copies_and_multiplies() -> None:
    limits = measure_limits(torch.device("cpu"), torch.float32)
    assert 1e8 < limits.bytes_per_second < 1e13
    assert 1e8 < limits.flops < 1e14
    assert limits.published is None


@pytest.mark.parametrize(
    ("name", "terabytes"),
    [("NVIDIA H100 80GB HBM3", 3.35), ("NVIDIA H100 PCIe", 2.0), ("NVIDIA H200", 4.8)],
)
def test_a_gpu_is_known_by_its_name(name: str, terabytes: float) -> None:
    peak = published(name)
    assert peak is not None
    assert peak.bytes_per_second == terabytes * 1e12


def test_an_unknown_gpu_has_no_published_peak() -> None:
    assert published("NVIDIA GeForce GTX 970") is None


def test_products_are_measured_in_the_dtype_that_is_asked_for() -> None:
    assert 1e8 < measure_products(torch.device("cpu"), torch.bfloat16) < 1e14


def test_a_machine_is_told_by_its_processor_and_what_runs_on_it() -> None:
    told = machine(torch.device("cpu"))
    assert told["processor"]
    assert told["cores"] >= 1
    assert told["gpu"] is None
    assert told["versions"]["torch"] == torch.__version__
    assert set(told["versions"]) == {"python", "torch", "transformers", "numpy"}
