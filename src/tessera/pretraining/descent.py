"""One step of pre-training, with several optimizers on one schedule: up, level, down to 0."""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer


def trapezium(step: int, steps: int, warm_up: int, warm_down: float) -> float:
    """Returns the share of the rate at a step: it rises for `warm_up` steps, falls over the last share."""
    left = 1 - step / steps
    return min(1.0, (step + 1) / warm_up, left / warm_down)


def descend(
    loss: Float[Tensor, ""],
    optimizers: Sequence[tuple[Optimizer, float]],  # each with its peak rate
    parameters: Iterable[Parameter],
    *,
    scale: float,
    clip: float,
) -> None:
    """Takes one step at this share of the peak rates, on gradients of at most this norm."""
    for optimizer, rate in optimizers:
        optimizer.zero_grad()
        for group in optimizer.param_groups:
            group["lr"] = rate * scale
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, clip)
    for optimizer, _ in optimizers:
        optimizer.step()
