"""Linear maps of float32 on a CPU, by oneDNN where MKL holds the processor back.

Torch (2.13) asks MKL for these products, and MKL keeps its AVX-512 kernels for processors of Intel's: a core
of an AMD EPYC (Zen 5) makes 110 GFLOP/s by MKL and 240 by oneDNN, which torch brings along for bfloat16 and
convolutions. Both are products of float32; sums may be made in another order.

Torch can be told to ask oneDNN for all of them (`set_float32_matmul_precision("medium")`). Then the attention
of one query, which every step of drawing asks, takes eight times as long (0.37 and 3.1 ms for 128 heads over
400 slots), small products take twice as long, and strided ones are copied. So nothing is told: `Linear` asks
for what pays, and all else stays with torch.

    Linear          a linear layer without a bias
    linear          what it does
    TESSERA_PRODUCTS=torch    in the environment: everything stays with torch

Axes: M rows, K features in, N out.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from tessera.errors import UserError

VARIABLE = "TESSERA_PRODUCTS"
CPUS = Path("/proc/cpuinfo")  # of Linux
HELD_BACK = "AuthenticAMD"
# Rows from which oneDNN is faster: it takes some 20 us to begin.
FEWEST = 32
# Features over which both make the same sums, in one chain. Longer ones go to one of them whatever the number
# of rows: a picture must not depend on how many are drawn beside it. (Below 4 rows MKL's own digits differ.)
ONE_CHAIN = 128

_left: list[None] = []  # an entry for each block of `torchs_own`: everything stays with torch


class Linear(nn.Linear):
    """A linear layer without a bias."""

    def __init__(self, features_in: int, features_out: int) -> None:
        super().__init__(features_in, features_out, bias=False)

    def forward(self, input: Float[Tensor, "*M K"]) -> Float[Tensor, "*M N"]:
        return linear(input, self.weight)


def linear(x: Float[Tensor, "*M K"], weight: Float[Tensor, "N K"]) -> Float[Tensor, "*M N"]:
    """Returns the product with the transposed weight; differentiable once where oneDNN makes it."""
    if not _pays_for(x, weight):
        return F.linear(x, weight)
    rows = x.reshape(-1, x.shape[-1])
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad):
        made: Tensor = _Linear.apply(rows, weight)  # pyright: ignore[reportAssignmentType] - torch gives no type
    else:
        made = _product(rows, weight)
    return made.view(*x.shape[:-1], len(weight))


@cache
def onednn_pays() -> bool:
    """Returns whether this processor's products of float32 are for oneDNN.

    Raises a `UserError` if the variable says what nobody understands.
    """
    match os.environ.get(VARIABLE):
        case None:
            held_back = CPUS.is_file() and HELD_BACK in CPUS.read_text(encoding="utf-8")
            wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
            return held_back and wide and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        case "torch":
            return False
        case other:
            raise UserError(f"{VARIABLE} is {other!r}; it can be torch, or unset")


def makers() -> str:
    """Returns who makes these products here, in words."""
    return "torch’s choice" if _left or not onednn_pays() else "oneDNN for linear layers"


@contextmanager
def torchs_own() -> Iterator[None]:
    """Leaves everything to torch inside, in all threads: for code that stands for somebody else's."""
    _left.append(None)
    try:
        yield
    finally:
        _left.pop()


def _pays_for(x: Tensor, weight: Tensor) -> bool:
    if x.dtype != torch.float32 or x.device.type != "cpu" or _left or not onednn_pays():
        return False
    if weight.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return False
    rows = x.numel() // x.shape[-1] if x.shape[-1] else 0
    return rows >= (FEWEST if x.shape[-1] <= ONE_CHAIN else 4)


def _product(x: Tensor, weight: Tensor) -> Tensor:
    """Returns x times the transposed weight, M x N."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:  # pyright: ignore[reportIncompatibleMethodOverride] - as torch calls it
        (grad,), (x, weight) = grads, ctx.saved_tensors
        of_x = _product(grad, weight.T) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return of_x, None
        # The narrower factor second is 1.2 to 1.5 times as fast as the other way round.
        wide = grad.shape[1] > x.shape[1]
        return of_x, _product(x.T, grad.T).T if wide else _product(grad.T, x.T)
