"""What the plan says a phase takes is what torch's allocator hands out on a GPU, but for the margin.

Counted is the most that was ever handed out, less what was there for other reasons, such as the workspaces of
cuBLAS: the work runs once before, so that these are there already.
"""

import gc
from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from tessera.algorithms.grouped import TokenBatch
from tessera.algorithms.grpo import GRPO, GRPOConfig
from tessera.policies.base import PolicyModule
from tessera.policies.reference import frozen_copy
from tessera.sampling.captured import can_capture, release, sample_rows
from tessera.sampling.decode import decode_rows
from tessera.training.distributed import Alone
from tessera.training.plan_memory import Work, peak, phases
from tessera.training.plan_rewards import RewardLoad
from tessera.training.plan_sizes import measured
from tessera.training.update import update
from tessera.types import View
from tests.unit.training.plan_policies import small_janus, small_llamagen

pytestmark = pytest.mark.gpu
BOUND = 0.15
VIEW = View(guidance=2.0)
POLICIES: dict[str, tuple[Callable[[], PolicyModule], str]] = {
    "janus": (small_janus, "x" * 80),
    "janus-bfloat16": (lambda: small_janus("bfloat16"), "x" * 80),
    "llamagen": (small_llamagen, "7"),
}
BESIDE = ("reference", "gradients", "moments", "margin")  # of the phase of drawing


def nbytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def counted(work: Callable[[], object], held: Callable[[], Iterable[Tensor]], device: torch.device) -> int:
    """Returns the most bytes that were handed out during the work, of those held before and of its own."""
    work()
    gc.collect()
    torch.cuda.synchronize(device)
    beside = torch.cuda.memory_allocated(device) - nbytes(held())
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return torch.cuda.max_memory_allocated(device) - beside


def drawing(name: str, rows: int, device: torch.device) -> tuple[PolicyModule, Callable[..., object], int]:
    """Returns a policy, what draws by a given function, and the bytes that the plan says it takes."""
    build, prompt = POLICIES[name]
    policy = build().to(device)
    text_P, rows_B = policy.tokenize([prompt]), torch.zeros(rows, dtype=torch.long, device=device)
    numbers_BT = torch.rand(rows, policy.spec.tokens, dtype=torch.float64).to(device)
    work = Work(rows=1, rows_in_all=1, drawn=rows, drawn_guided=True, on_gpu=device.type == "cuda")
    parts = phases(measured(policy), work, RewardLoad())["sample"]
    planned = sum(size for part, size in parts.items() if part not in BESIDE)
    return policy, lambda draw: draw(policy, text_P, rows_B, numbers_BT, VIEW), planned


def updating(
    name: str, rows: int, device: torch.device
) -> tuple[Callable[[], object], Callable[[], list[Tensor]], int]:
    """Returns an update of two micro-batches, what it holds, and the bytes that the plan says it takes."""
    build, prompt = POLICIES[name]
    policy = build().to(device)
    sizes, reference = measured(policy), frozen_copy(policy)
    grpo = GRPO(GRPOConfig(prompts_per_step=1, group=2 * rows), VIEW)
    tokens_BT = torch.randint(policy.spec.codebook, (2 * rows, policy.spec.tokens), device=device)
    batch = TokenBatch(
        text=policy.tokenize([prompt] * 2 * rows),
        tokens_BT=tokens_BT,
        old_logp_BT=torch.full(tokens_BT.shape, -5.0, device=device),
        advantage_B=torch.ones(2 * rows, device=device),
        weight_BT=torch.ones(tokens_BT.shape, device=device),
        fresh=False,
        images=0,
        metrics={},
    )
    trained = [parameter for _, parameter in policy.trainable()]
    optimizer = torch.optim.AdamW(trained, lr=1e-6)

    def once() -> None:
        update(
            optimizer,
            trained,
            batch,
            lambda part: grpo.loss(policy, reference, part),
            grpo.count(batch),
            team=Alone(device),
            micro_batch=rows,
            max_grad_norm=1.0,
            autocast=lambda: torch.autocast(device.type, enabled=False),
            check=lambda metrics: None,
        )

    def held() -> list[Tensor]:
        moments = [each for state in optimizer.state.values() for each in state.values()]
        gradients = [each.grad for each in trained if each.grad is not None]
        weights = [*policy.parameters(), *policy.buffers(), *reference.parameters(), *reference.buffers()]
        return [*weights, *gradients, *(each for each in moments if each.device.type == device.type)]

    work = Work(rows=rows, rows_in_all=2 * rows, guided=True, on_gpu=device.type == "cuda")
    found = phases(sizes, work, RewardLoad())
    _, planned = peak({each: {**found[each], "margin": 0} for each in ("reference", "update", "step")})
    return once, held, planned


@pytest.mark.parametrize("name", POLICIES)
def test_drawing_takes_what_the_plan_says(name: str, device: torch.device) -> None:
    policy, draw, planned = drawing(name, 128, device)

    def held() -> list[Tensor]:
        return [*policy.parameters(), *policy.buffers()]

    assert abs(planned / counted(lambda: draw(decode_rows), held, device) - 1) < BOUND


@pytest.mark.parametrize("name", POLICIES)
def test_drawing_by_replay_takes_no_more_than_the_plan_says(name: str, device: torch.device) -> None:
    """Its cache goes when the sampler is done: what stays of it is within the share it may keep."""
    policy, draw, planned = drawing(name, 128, device)
    assert can_capture(policy, device)

    def held() -> list[Tensor]:
        return [*policy.parameters(), *policy.buffers()]

    def draw_and_release() -> None:
        draw(sample_rows)
        release(policy, device)

    draw(decode_rows)  # so that workspaces are there
    gc.collect()
    beside = torch.cuda.memory_allocated(device) - nbytes(held())
    torch.cuda.reset_peak_memory_stats(device)
    draw_and_release()
    assert torch.cuda.max_memory_allocated(device) - beside < (1 + BOUND) * planned + WORKSPACE


# cuBLAS has one for each stream, and recording has a stream of its own: 32 MiB on Hopper
# (pytorch/pytorch: aten/src/ATen/cuda/CublasHandlePool.cpp), and cuBLASLt another.
WORKSPACE = 64 * 2**20


@pytest.mark.parametrize("name", POLICIES)
def test_an_update_takes_what_the_plan_says(name: str, device: torch.device) -> None:
    once, held, planned = updating(name, 32, device)
    assert abs(planned / counted(once, held, device) - 1) < BOUND
