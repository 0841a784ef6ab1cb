"""What a machine could do at best, measured, and what one step of decoding asks of it at least.

A step reads every weight of its linear layers once, and the keys and values of all tokens before it; it
writes one more of each. Bytes by the bandwidth of a large copy are the time that no decoder of these weights
goes below, unless they lie in the processor's caches, as those of a small model do: then the share of the
ceiling is above 1, or says little, and products are the limit. For these stands the speed of one large
product. `machine` says which machine it was, and which versions ran.
"""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from os import cpu_count
from typing import Any

import torch
from torch import Tensor, nn

from tessera.bench.ratio import Clock, spread
from tessera.config import config
from tessera.policies.base import PolicyModule
from tessera.products import CPUS, linear, makers
from tessera.tensors import TextBatch

TRIES = 5
COPIED = {"cpu": 2**27, "cuda": 2**30}  # bytes: more than the caches of a processor hold
SIDE = {"cpu": 1024, "cuda": 8192}  # of the matrices of a product
VERSIONS = ("transformers", "numpy")


@config
class Peak:
    """What the maker of a GPU says it does."""

    bytes_per_second: float
    flops: float  # in bfloat16, dense


# From NVIDIA's data sheets; by a part of the name that torch gives, the longest that fits counts.
GPUS = {
    "A100-SXM4-40GB": Peak(bytes_per_second=1.555e12, flops=312e12),
    "A100-SXM4-80GB": Peak(bytes_per_second=2.039e12, flops=312e12),
    "A100 80GB PCIe": Peak(bytes_per_second=1.935e12, flops=312e12),
    "H100 PCIe": Peak(bytes_per_second=2.0e12, flops=756e12),
    "H100 80GB HBM3": Peak(bytes_per_second=3.35e12, flops=989e12),
    "H200": Peak(bytes_per_second=4.8e12, flops=989e12),
    "L40S": Peak(bytes_per_second=0.864e12, flops=362e12),
    "RTX 4090": Peak(bytes_per_second=1.008e12, flops=165e12),
}


@config
class Limits:
    """What this machine did."""

    bytes_per_second: float  # of a large copy, read and written
    flops: float  # of a large product in the dtype of the weights
    gpu: str = ""
    published: Peak | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StepCost:
    """What one step of decoding takes at least, on average over a picture."""

    bytes: float
    flops: float

    def share(self, seconds: float, limits: Limits) -> dict[str, float]:
        """Returns the shares of both ceilings that a step of so many seconds reaches."""
        return {
            "share_of_bandwidth": self.bytes / limits.bytes_per_second / seconds,
            "share_of_products": self.flops / limits.flops / seconds,
        }


def measure_limits(device: torch.device, dtype: torch.dtype) -> Limits:
    """Returns the speed of a large copy and of a large product: medians."""
    source = torch.ones(COPIED[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return Limits(
        bytes_per_second=2 * source.numel() / _seconds(device, lambda: target.copy_(source)),
        flops=measure_products(device, dtype),
        gpu=gpu,
        published=published(gpu),
    )


def measure_products(device: torch.device, dtype: torch.dtype) -> float:
    """Returns the floating-point operations per second of a large product."""
    side = SIDE[device.type]
    left, right = torch.randn(2, side, side, device=device).to(dtype).unbind()
    return 2 * side**3 / _seconds(device, lambda: linear(left, right))


def _seconds(device: torch.device, work: Callable[[], object]) -> float:
    """Returns how long the work takes, once it has run before: a median."""
    clock = Clock(device)
    work()
    return spread([clock.seconds(work) for _ in range(TRIES)]).median


def machine(device: torch.device) -> dict[str, Any]:
    """Returns what a figure must name to be compared with another: hardware and versions, as plain data."""
    return {
        "processor": processor(),
        "cores": cpu_count(),
        "products": makers(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "system": platform.platform(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,  # which names its build, as the package's own does not everywhere
            **{name: version(name) for name in VERSIONS},
        },
    }


def processor() -> str:
    """Returns the model name of the CPU, its kind where the system does not tell."""
    lines = CPUS.read_text(encoding="utf-8").splitlines() if CPUS.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def published(gpu: str) -> Peak | None:
    """Returns what is known of a GPU by its name."""
    fitting = [name for name in GPUS if name in gpu]
    return GPUS[max(fitting, key=len)] if fitting else None


def step_cost(policy: PolicyModule, text_B: TextBatch, *, guided: bool) -> StepCost:
    """Returns what a step takes for these rows, on average over a picture.

    Guidance is mixed before the head, so the head sees B rows and the layers twice as many.
    """
    layers, head = weights_of_a_step(policy, text_B)
    it, rows = policy.footprint, len(text_B)
    sequences = rows * (2 if guided else 1)
    beside = policy.spec.prefix - text_B.mask.shape[1]  # slots of the prefix that are no text
    prompt = text_B.mask.sum().item() / rows + beside
    context = prompt + policy.spec.tokens / 2  # tokens attended, itself among them
    # An int8 cache is counted as it is kept: what a step makes of it, only to read that again, is not what a
    # step takes at least.
    cached = it.layers * it.slot_bytes
    # A query and what it finds are as wide as all heads of queries, whose width is that of the stream.
    attention = 4 * it.layers * it.width * context
    return StepCost(
        bytes=(layers + head) * it.weight_bytes + sequences * cached * (context + 1),
        flops=sequences * (2 * layers + attention) + rows * 2 * head,
    )


@torch.no_grad()
def weights_of_a_step(policy: PolicyModule, text_B: TextBatch) -> tuple[int, int]:
    """Returns how many weights the linear layers of a step have, and those of the head."""
    seen = 0

    def note(module: nn.Module, *_: object) -> None:
        nonlocal seen
        assert isinstance(module, nn.Linear)  # no other was asked
        seen += module.weight.numel()

    one = text_B.rows(torch.zeros(1, dtype=torch.long, device=policy.device))
    cache = policy.new_cache(1, policy.spec.prefix + 1)
    policy.prefill(one, cache)
    hooks = [
        module.register_forward_hook(note) for module in policy.modules() if isinstance(module, nn.Linear)
    ]
    try:
        first: Tensor = torch.zeros(1, dtype=torch.long, device=policy.device)
        features = policy.step(first, 0, cache)
        layers = seen
        policy.head(features)
    finally:
        for hook in hooks:
            hook.remove()
    return layers, seen - layers
