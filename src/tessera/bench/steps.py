"""One step of GRPO as a run takes it, and the plain loop on the same ingredients; `train` times them.

Both draw with the weights as they are. Under bfloat16 both replay and learn in autocast, as runs do.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch.nn import Parameter
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, register_flop_formula

from tessera.algorithms.base import Context
from tessera.algorithms.grouped import TokenBatch
from tessera.algorithms.grpo import GRPO
from tessera.bench.plain_pictures import check_pictures
from tessera.bench.plain_step import MAX_GRAD_NORM, bare, plain_step, plain_update
from tessera.bench.ratio import Clock, Phases
from tessera.policies.base import PolicyModule
from tessera.protocols import Policy, Reward
from tessera.tensors import LossTerm
from tessera.training.distributed import Alone
from tessera.training.update import update
from tessera.types import Prompt, silent


def _of_linear(left: Sequence[int], right: Sequence[int], *_: object, **__: object) -> int:
    """Returns the operations of what `products.linear` asks for: rows and weights have their shapes here."""
    return 2 * math.prod(left) * right[0]


if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
    register_flop_formula(torch.ops.mkldnn._linear_pointwise)(_of_linear)

Precision = Literal["float32", "bfloat16"]  # of training, as in a run's configuration
# Relative difference of the two gradients' norms: sums in another order; 16 bits have 3 digits.
SAME = {torch.float32: 1e-3, torch.bfloat16: 5e-2, torch.float16: 2e-2}


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A step's ingredients, the same for both loops."""

    policy: PolicyModule
    reference: Policy
    reward: Reward
    prompts: Sequence[Prompt]
    grpo: GRPO
    optimizer: torch.optim.Optimizer
    micro_batch: int
    precision: Precision

    @property
    def dtype(self) -> torch.dtype:
        """What matrix products of training are made in."""
        return torch.bfloat16 if self.precision == "bfloat16" else next(self.policy.parameters()).dtype

    def autocast(self, *, on: bool = True) -> AbstractContextManager[Any]:
        """Returns the context of a forward pass."""
        enabled = on and self.precision == "bfloat16"
        return torch.autocast(self.policy.device.type, dtype=torch.bfloat16, enabled=enabled)

    @property
    def parameters(self) -> list[Parameter]:
        """Those that train."""
        return [parameter for _, parameter in self.policy.trainable()]


def plain_loop(work: Work, *, autocast: bool = True) -> None:
    """Takes the step of the plain loop."""
    plain_step(
        work.policy,
        work.reference,
        work.reward,
        work.prompts,
        work.grpo,
        work.optimizer,
        work.micro_batch,
        partial(work.autocast, on=autocast),
    )


def our_step(work: Work, phases: Phases) -> TokenBatch:
    """Takes one step as a run does; returns what it learnt from."""
    batch = collect(work, phases)
    with phases.phase("update"):
        our_update(work, batch, phases)
    return batch


def collect(work: Work, phases: Phases) -> TokenBatch:
    """Draws, decodes and judges as a run does; returns what there is to learn from."""
    context = Context(
        policy=work.policy,
        reference=work.reference,
        reward=work.reward,
        prompts=lambda first, count: list(work.prompts),  # noqa: ARG005 - the same every time
        peers=Alone(),
        spend=lambda what, amount: None,  # noqa: ARG005 - there is no ledger
        seed=0,
        max_missing=1.0,
        batch_size=len(work.prompts) * work.grpo.settings.group,
        folder=Path(),
        phase=phases.phase,
        on_progress=silent,
        autocast=work.autocast,
    )
    return work.grpo.batch(context, work.grpo.collect(context, 0), 0)


def our_update(work: Work, batch: TokenBatch, phases: Phases) -> dict[str, float]:
    """Takes the optimizer step of a run; returns its metrics."""

    def loss(rows: TokenBatch) -> LossTerm:
        with phases.phase("loss"):
            return work.grpo.loss(work.policy, work.reference, rows)

    return update(
        work.optimizer,
        work.parameters,
        batch,
        loss,
        work.grpo.count(batch),
        team=Alone(),
        micro_batch=work.micro_batch,
        max_grad_norm=MAX_GRAD_NORM,
        autocast=work.autocast,
        check=work.grpo.check,
    )


class Operations(TorchDispatchMode):
    """Counts floating-point operations by torch's own formulas: of products, convolutions and attention.

    Torch's own counter also hangs hooks on every module, under which no gradient can be asked for in a
    forward pass. The fused attention of a CPU has no formula.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Does the operation and counts it."""
        kwargs = kwargs or {}
        formula = flop_registry.get(func.overloadpacket)
        if formula is None:
            with self:  # in inference mode an operation may come here before it is taken apart
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = func(*args, **kwargs)
        if formula is not None:
            self.total += formula(*args, **kwargs, out_val=result)
        return result


def checked(work: Work) -> dict[str, float]:
    """Takes a step of both; refuses unequal results, returns the floating-point operations of ours."""
    phases = Phases(Clock(work.policy.device))
    with Operations() as collecting:
        batch = collect(work, phases)
    with Operations() as learning:
        mine = our_update(work, batch, phases)["grad_norm"]
    check_pictures(bare(work.policy), batch.tokens_BT)
    plain = plain_update(
        work.policy, work.reference, batch, work.grpo, work.optimizer, work.micro_batch, work.autocast
    )
    bound = SAME[work.dtype]
    if abs(mine - plain) > bound * max(mine, plain):
        raise ValueError(
            f"the gradient's norm is {mine:.6g} here and {plain:.6g} in the plain loop: they do not compute "
            "the same, and their times do not compare"
        )
    return {"collect": float(collecting.total), "update": float(learning.total)}
