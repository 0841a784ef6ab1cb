"""The estimate of training/memory.py against what a step really takes, on a CPU.

    OMP_NUM_THREADS=1 python -m tests.performance.memory

Each line is a fresh process: two updates of GRPO on random weights, their peak (VmHWM) less what the process
held before the policy was made. One thread, no sampling.
"""

import argparse
import json
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from tessera.algorithms.grouped import TokenBatch
from tessera.algorithms.grpo import GRPO, GRPOConfig
from tessera.policies.lora import LoRAConfig, LoRAPolicy
from tessera.policies.mosaic.config import MosaicConfig, TokenizerConfig, TransformerConfig
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.policies.reference import frozen_copy
from tessera.training.distributed import Alone
from tessera.training.memory import Load, estimate
from tessera.training.update import update
from tessera.types import View
from tessera.world.grammar import vocabulary


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One line of the table."""

    rows: int
    guidance: float = 1.5
    recompute: bool = False
    rank: int = 0  # of an adapter; 0 trains all weights
    bfloat16: bool = False
    width: int = 128
    layers: int = 6
    grid: int = 8
    codebook: int = 1024


SETTINGS = {
    "mosaic, 8 rows": Setting(rows=8),
    "mosaic, 32 rows": Setting(rows=32),
    "mosaic, 64 rows": Setting(rows=64),
    "32 rows, conditional": Setting(rows=32, guidance=1.0),
    "32 rows, bfloat16": Setting(rows=32, bfloat16=True),
    "32 rows, recomputed": Setting(rows=32, recompute=True),
    "32 rows, bfloat16, recomputed": Setting(rows=32, bfloat16=True, recompute=True),
    "32 rows, LoRA 16": Setting(rows=32, rank=16),
    "32 rows, LoRA 16, recomputed": Setting(rows=32, rank=16, recompute=True),
    # 85 million parameters: weights, gradients and moments count.
    "large, 1 row": Setting(rows=1, width=768, layers=12),
    "large, 1 row, LoRA 16": Setting(rows=1, width=768, layers=12, rank=16),
    "large, 16 rows, recomputed": Setting(rows=16, width=768, layers=12, recompute=True),
    # 16,384 codes: log-probabilities in chunks from the ninth row of 256 tokens on.
    "large codebook, 4 rows": Setting(rows=4, grid=16, codebook=16_384),
    "large codebook, 16 rows": Setting(rows=16, grid=16, codebook=16_384),
}


def peak_mib() -> float:
    """Returns the largest resident size this process has had (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def measure(setting: Setting) -> dict[str, float]:
    """Returns MiB estimated and measured, and the seconds of the second update."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    _step(Setting(rows=1, recompute=setting.recompute, rank=setting.rank, width=32, layers=1))  # imports
    before = peak_mib()
    expected, seconds = _step(setting)
    return {"estimate": expected / 2**20, "measured": peak_mib() - before, "seconds": seconds}


def _step(setting: Setting) -> tuple[int, float]:
    """Returns the estimate in bytes and the seconds of the second of two updates."""
    config = MosaicConfig(
        tokenizer=TokenizerConfig(grid=setting.grid, codebook=setting.codebook),
        transformer=TransformerConfig(
            width=setting.width,
            layers=setting.layers,
            heads=setting.width // 32,
            mlp_width=4 * setting.width,
        ),
        words=vocabulary(),
    )
    base = MosaicPolicy(config)
    if setting.rank:
        policy = LoRAPolicy(base, LoRAConfig(rank=setting.rank), seed=0)
        reference = policy.reference()
    else:
        policy, reference = base, frozen_copy(base)
    policy.recompute(setting.recompute)
    view = View(guidance=setting.guidance)
    grpo = GRPO(GRPOConfig(prompts_per_step=1, group=max(2, setting.rows)), view)
    batch = _batch(policy, setting)
    named = list(policy.trainable())
    optimizer = torch.optim.AdamW([parameter for _, parameter in named], lr=1e-6)
    start = 0.0
    for _ in range(2):  # the second has moments from its start
        start = time.perf_counter()
        update(
            optimizer,
            [parameter for _, parameter in named],
            batch,
            lambda rows: grpo.loss(policy, reference, rows),
            grpo.count(batch),
            team=Alone(),
            micro_batch=setting.rows,
            max_grad_norm=1.0,
            autocast=lambda: torch.autocast("cpu", torch.bfloat16) if setting.bfloat16 else nullcontext(),
            check=lambda metrics: None,
        )
    load = Load(
        rows=setting.rows,
        guided=view.guided,
        trained=sum(parameter.numel() * parameter.element_size() for _, parameter in named),
        adapter=setting.rank > 0,
        recompute=setting.recompute,
        autocast=setting.bfloat16,
    )
    return estimate(policy.spec, policy.footprint, load).total, time.perf_counter() - start


def _batch(policy: MosaicPolicy | LoRAPolicy, setting: Setting) -> TokenBatch:
    tokens_BT = torch.randint(setting.codebook, (setting.rows, setting.grid**2))
    return TokenBatch(
        text=policy.tokenize(["a photo of two red circles"] * setting.rows),
        tokens_BT=tokens_BT,
        old_logp_BT=torch.full(tokens_BT.shape, -5.0),
        advantage_B=torch.randn(setting.rows),
        weight_BT=torch.ones(tokens_BT.shape),
        fresh=False,
        images=0,
        metrics={},
    )


def measured_apart(setting: Setting) -> dict[str, float]:
    """Returns what `measure` says in a process of its own."""
    command = [sys.executable, "-m", "tests.performance.memory", "--setting", json.dumps(asdict(setting))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def main() -> None:
    """Prints a line per setting."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--setting", help="measure this one here and print JSON")
    flags = parser.parse_args()
    if flags.setting:
        print(json.dumps(measure(Setting(**json.loads(flags.setting)))))
        return
    for name, setting in SETTINGS.items():
        row = measured_apart(setting)
        print(
            f"{name:30} estimate {row['estimate']:6.0f} MiB, measured {row['measured']:6.0f}, "
            f"ratio {row['estimate'] / row['measured']:.2f}; {row['seconds']:.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
