"""The plan against what lives: real policies, real steps, every tensor counted; within 15 percent.

The accountant sees what a machine would have to hold, without its allocator. Two updates are counted, of two
micro-batches each, so that gradients, moments and what autograd keeps are all there at once.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from tessera.algorithms.base import Batch
from tessera.algorithms.dpo import DPO, DPOConfig, PairBatch
from tessera.algorithms.grouped import TokenBatch
from tessera.algorithms.grpo import GRPO, GRPOConfig
from tessera.policies.base import PolicyModule
from tessera.policies.lora import LoRAConfig, LoRAPolicy
from tessera.policies.mosaic.config import MosaicConfig, TokenizerConfig, TransformerConfig
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.policies.reference import frozen_copy
from tessera.protocols import Policy
from tessera.sampling.decode import decode_rows
from tessera.training.accountant import peak_of
from tessera.training.distributed import Alone
from tessera.training.plan_memory import Work, peak, phases
from tessera.training.plan_rewards import RewardLoad
from tessera.training.plan_sizes import measured
from tessera.training.update import update
from tessera.types import View
from tessera.world.grammar import vocabulary
from tests.unit.training.plan_policies import small_janus, small_llamagen

BOUND = 0.15
ROWS = 4  # of a micro-batch; a step has twice as many
VIEW = View(guidance=2.0)
RANK = LoRAConfig(rank=8)


def shipped_size() -> MosaicPolicy:
    """Returns a policy of the shipped sizes with random weights."""
    torch.manual_seed(0)
    return MosaicPolicy(
        MosaicConfig(tokenizer=TokenizerConfig(), transformer=TransformerConfig(), words=vocabulary())
    )


def tiny() -> MosaicPolicy:
    """Returns one of two layers."""
    torch.manual_seed(0)
    sizes = TransformerConfig(width=64, layers=2, heads=2, mlp_width=128)
    return MosaicPolicy(
        MosaicConfig(tokenizer=TokenizerConfig(codebook=64), transformer=sizes, words=vocabulary())
    )


POLICIES: dict[str, tuple[Callable[[], PolicyModule], str]] = {
    "mosaic": (shipped_size, "a photo of two red circles"),
    "tiny": (tiny, "a photo of two red circles"),
    "janus": (small_janus, "x" * 80),
    "janus-bfloat16": (lambda: small_janus("bfloat16"), "x" * 80),
    "janus-int8": (lambda: small_janus("bfloat16", "int8"), "x" * 80),
    "llamagen": (small_llamagen, "7"),
}


def tokens_of(policy: Policy, rows: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(policy.spec.codebook, (rows, policy.spec.tokens), generator=generator)


def step_of(kind: str, policy: Policy, reference: Policy, prompt: str) -> tuple[Any, Batch, Any]:
    """Returns the loss, the batch and its count of an algorithm."""
    text = policy.tokenize([prompt] * 2 * ROWS)
    tokens_BT, other_BT = tokens_of(policy, 2 * ROWS), tokens_of(policy, 2 * ROWS)
    logp_BT = torch.full(tokens_BT.shape, -5.0)
    if kind == "dpo":
        dpo = DPO(DPOConfig(pairs_per_step=2 * ROWS), VIEW, 1)
        pairs = PairBatch(
            text=text,
            chosen_NT=tokens_BT,
            rejected_NT=other_BT,
            chosen_logp_NT=logp_BT,
            rejected_logp_NT=logp_BT,
            drawn_by="neither",
        )
        return lambda rows: dpo.loss(policy, reference, rows), pairs, dpo.count(pairs)
    grpo = GRPO(GRPOConfig(prompts_per_step=1, group=2 * ROWS), VIEW)
    batch = TokenBatch(
        text=text,
        tokens_BT=tokens_BT,
        old_logp_BT=logp_BT,
        advantage_B=torch.ones(2 * ROWS),
        weight_BT=torch.ones(tokens_BT.shape),
        fresh=False,
        images=0,
        metrics={},
    )
    return lambda rows: grpo.loss(policy, reference, rows), batch, grpo.count(batch)


def updates(name: str, kind: str, *, adapter: bool, recompute: bool, autocast: bool) -> tuple[float, float]:
    """Returns the bytes planned and counted of two updates."""
    build, prompt = POLICIES[name]
    base = build()
    sizes = measured(base)
    policy: PolicyModule = LoRAPolicy(base, RANK, seed=0) if adapter else base
    reference: Any = policy.reference() if isinstance(policy, LoRAPolicy) else frozen_copy(base)
    copy = [] if adapter else [*reference.parameters(), *reference.buffers()]
    policy.recompute(recompute)
    loss, batch, count = step_of(kind, policy, reference, prompt)
    trained = [parameter for _, parameter in policy.trainable()]
    optimizer = torch.optim.AdamW(trained, lr=1e-6)

    def twice() -> None:
        for _ in range(2):
            update(
                optimizer,
                trained,
                batch,
                loss,
                count,
                team=Alone(),
                micro_batch=ROWS,
                max_grad_norm=1.0,
                autocast=lambda: torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext(),
                check=lambda metrics: None,
            )

    counted, _ = peak_of(twice, [*policy.parameters(), *policy.buffers(), *copy])
    work = Work(
        rows=ROWS,
        rows_in_all=2 * ROWS,
        texts=2,  # of one prompt, and the null prompt
        rollouts=2 if kind == "dpo" else 1,
        guided=True,
        autocast=autocast,
        recompute=recompute,
        adapter=RANK if adapter else None,
        on_gpu=False,
    )
    found = phases(sizes, work, RewardLoad())
    _, planned = peak({name: found[name] for name in ("reference", "update", "step")})
    return planned, counted


@pytest.mark.parametrize(
    ("name", "kind", "how"),
    [
        ("tiny", "grpo", ()),
        ("tiny", "grpo", ("recompute",)),
        ("tiny", "dpo", ("adapter", "recompute")),
        ("mosaic", "grpo", ("autocast",)),
        ("mosaic", "dpo", ("adapter", "autocast")),
        ("janus-bfloat16", "grpo", ("adapter", "autocast")),
        ("llamagen", "grpo", ()),
    ],
)
def test_a_training_step_takes_what_the_plan_says(name: str, kind: str, how: tuple[str, ...]) -> None:
    planned, counted = updates(
        name, kind, adapter="adapter" in how, recompute="recompute" in how, autocast="autocast" in how
    )
    assert abs(planned / counted - 1) < BOUND, (planned, counted)


@pytest.mark.slow
@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "autocast"])
@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("adapter", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("kind", ["grpo", "dpo"])
@pytest.mark.parametrize("name", [name for name in POLICIES if name != "janus-int8"])  # trains as the others
def test_every_way_of_training_takes_what_the_plan_says(
    name: str, kind: str, adapter: bool, recompute: bool, autocast: bool
) -> None:
    planned, counted = updates(name, kind, adapter=adapter, recompute=recompute, autocast=autocast)
    assert abs(planned / counted - 1) < BOUND, (planned, counted)


@pytest.mark.parametrize(
    ("name", "guidance"), [("tiny", 1.0), ("mosaic", 2.0), ("janus-bfloat16", 2.0), ("janus-int8", 2.0)]
)
def test_drawing_takes_what_the_plan_says(name: str, guidance: float) -> None:
    build, prompt = POLICIES[name]
    policy, rows = build(), 16
    text = policy.tokenize([prompt])
    rows_B = torch.zeros(rows, dtype=torch.long)
    uniform_BT = torch.rand(rows, policy.spec.tokens, dtype=torch.float64)
    view = View(guidance=guidance)
    counted, _ = peak_of(
        lambda: decode_rows(policy, text, rows_B, uniform_BT, view),
        [*policy.parameters(), *policy.buffers(), uniform_BT],
    )
    work = Work(rows=1, rows_in_all=1, drawn=rows, drawn_guided=view.guided, on_gpu=False)
    parts = phases(measured(policy), work, RewardLoad())["sample"]
    planned = sum(parts.values()) - sum(parts[part] for part in ("reference", "gradients", "moments"))
    assert abs(planned / counted - 1) < BOUND, (planned, counted)


@pytest.mark.parametrize("name", ["mosaic", "janus-bfloat16"])
def test_decoding_takes_what_the_plan_says(name: str) -> None:
    policy, pictures = POLICIES[name][0](), 8
    codes = tokens_of(policy, pictures)
    counted, _ = peak_of(lambda: policy.decode(codes), [*policy.parameters(), *policy.buffers(), codes])
    parts = phases(
        measured(policy), Work(rows=1, rows_in_all=1, pictures=pictures, on_gpu=False), RewardLoad()
    )
    planned = parts["decode"]["weights"] + parts["decode"]["pictures"]
    assert abs(planned / counted - 1) < BOUND, (planned, counted)
