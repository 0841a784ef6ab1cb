"""Squared ReLU with the derivative written out: 2 relu(x), where torch's form multiplies four times."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def squared_relu(x: Float[Tensor, "*N M"]) -> Float[Tensor, "*N M"]:
    """Returns max(x, 0) squared."""
    if not torch.is_grad_enabled():
        above = x.relu()
        return above.mul_(above)
    return _SquaredReLU.apply(x)  # pyright: ignore[reportReturnType] - torch gives no type


class _SquaredReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        above = x.relu()
        ctx.save_for_backward(above)
        return above * above

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride] - as torch calls it
        (above,), (grad,) = ctx.saved_tensors, grads
        return (grad * above).mul_(2)
