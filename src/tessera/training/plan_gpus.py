"""GPUs by name: memory, bandwidth and speed, as their makers publish them; no sparsity, no boost beyond."""

import re
from dataclasses import dataclass, replace

from tessera.errors import UserError, unknown

GB = 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """One kind of GPU. What it reports as free is a little more than its name: that is no part of a plan."""

    name: str
    memory: int  # bytes
    bandwidth: float  # bytes a second, of its memory
    bfloat16: float  # dense floating point operations a second
    float32: float
    link: float  # bytes a second to another one, in one direction


GPUS = {
    # NVIDIA A100 Tensor Core GPU datasheet, SXM; NVLink 600 GB/s both ways.
    "a100-40": Gpu(
        name="A100-40GB", memory=40 * GB, bandwidth=1.555e12, bfloat16=312e12, float32=19.5e12, link=300e9
    ),
    "a100-80": Gpu(
        name="A100-80GB", memory=80 * GB, bandwidth=2.039e12, bfloat16=312e12, float32=19.5e12, link=300e9
    ),
    # NVIDIA H100 datasheet, SXM: half of the figure with sparsity; NVLink 900 GB/s both ways.
    "h100-80": Gpu(
        name="H100-80GB", memory=80 * GB, bandwidth=3.35e12, bfloat16=989e12, float32=67e12, link=450e9
    ),
    # NVIDIA H200 datasheet, SXM.
    "h200-141": Gpu(
        name="H200-141GB", memory=141 * GB, bandwidth=4.8e12, bfloat16=989e12, float32=67e12, link=450e9
    ),
    # NVIDIA L40S datasheet; PCIe 4.0 x16, 64 GB/s both ways.
    "l40s": Gpu(name="L40S", memory=48 * GB, bandwidth=0.864e12, bfloat16=362e12, float32=91.6e12, link=32e9),
    # NVIDIA Ada GPU architecture whitepaper, appendix A: bfloat16 with float32 sums; PCIe 4.0 x16.
    "4090": Gpu(
        name="RTX 4090", memory=24 * GB, bandwidth=1.008e12, bfloat16=165e12, float32=82.6e12, link=32e9
    ),
}
SPEEDS = "h100-80"  # where memory alone is named
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*gb?", re.IGNORECASE)


def gpu_of(name: str) -> Gpu:
    """Returns the GPU of a name, or one of so much memory ("80GB") with the speeds of an H100."""
    key = name.lower().removesuffix("gb")
    if key in GPUS:
        return GPUS[key]
    match = _MEMORY.fullmatch(name)
    if match is None or not float(match[1]) > 0:
        raise UserError(f"{unknown('GPU', name, GPUS)} Or say how much memory it has, such as 80GB")
    return replace(GPUS[SPEEDS], name=f"{match[1]} GB", memory=round(float(match[1]) * GB))
