"""One optimizer step: global count, backward by micro-batches, clip, finite check, step. In this order.

The loss is a sum divided, once, by a count that is known before the first backward pass. So one batch of
eight rows is eight batches of one, to rounding. Whatever is wrong is found before a weight has moved.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from tessera.algorithms.base import Batch
from tessera.errors import TrainingError
from tessera.objective.reduce import add_terms
from tessera.tensors import LossTerm


def update(
    optimizer: Optimizer,
    parameters: Sequence[Parameter],
    batch: Batch,
    loss: Callable[[Any], LossTerm],
    count: Float[Tensor, ""],
    *,
    micro_batch: int,
    max_grad_norm: float,
    autocast: Callable[[], AbstractContextManager[Any]],
    check: Callable[[Mapping[str, float]], None],
) -> dict[str, float]:
    """Takes one step; returns the loss, the gradient's norm before clipping and the loss's metrics.

    `count` is the batch's, over all micro-batches. `check` sees the metrics while the weights are still as
    they were, and raises what must stop the run.
    """
    if not count > 0:
        raise TrainingError("nothing to learn from: no rollout of this batch has a reward and company")
    optimizer.zero_grad(set_to_none=True)
    terms = []
    for start in range(0, len(batch), micro_batch):
        with autocast():
            term = loss(batch.rows(start, start + micro_batch))
        (term.sum / count).backward()
        terms.append(replace(term, sum=term.sum.detach()))
    total = add_terms(terms)
    if not torch.isclose(total.count, count):
        raise ValueError(f"the loss counted {total.count.item():g}, announced were {count.item():g}")
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_grad_norm)
    metrics = {
        "loss": (total.sum / count).item(),
        "grad_norm": norm.item(),
        **{name: tally.mean().item() for name, tally in total.metrics.items()},
    }
    for name in ("loss", "grad_norm"):
        if not math.isfinite(metrics[name]):
            optimizer.zero_grad(set_to_none=True)
            raise TrainingError(
                f"the {name} is {metrics[name]}; no weight was moved. Go on from the last checkpoint with a "
                "lower learning rate or with precision=float32, in a new --out"
            )
    check(metrics)
    optimizer.step()
    return metrics


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Sets the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate
