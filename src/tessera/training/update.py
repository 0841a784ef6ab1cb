"""One optimizer step: global count, backward by micro-batches, clip, finite check, step. In this order.

The loss is a sum divided, once, by a count that is known before the first backward pass. So one batch of
eight rows is eight batches of one, and one process is two, to rounding. Whatever is wrong is found before a
weight has moved.
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
from tessera.tensors import LossTerm, Tally
from tessera.training.distributed import Team


def update(
    optimizer: Optimizer,
    parameters: Sequence[Parameter],
    batch: Batch,
    loss: Callable[[Any], LossTerm],
    count: Float[Tensor, ""],
    *,
    team: Team,
    micro_batch: int,
    max_grad_norm: float,
    autocast: Callable[[], AbstractContextManager[Any]],
    check: Callable[[Mapping[str, float]], None],
) -> dict[str, float]:
    """Takes one step; returns the loss, the gradient's norm before clipping and the loss's metrics.

    `batch` and `count` are this process's, over all micro-batches; every process has as many rows. `check`
    sees the metrics, which are those of all, while the weights are still as they were, and raises what must
    stop the run.
    """
    total_count = team.add(count)
    if not total_count > 0:
        raise TrainingError("nothing to learn from: no rollout of this batch has a reward and company")
    optimizer.zero_grad(set_to_none=True)
    terms = []
    for start in range(0, len(batch), micro_batch):
        stop = start + micro_batch
        with team.accumulating(last=stop >= len(batch)):
            with autocast():
                term = team.forward(loss, batch.rows(start, stop))
            (term.sum / total_count * team.averages).backward()
        terms.append(replace(term, sum=term.sum.detach()))
    here = add_terms(terms)
    if not torch.isclose(here.count, count):
        raise ValueError(f"the loss counted {here.count.item():g}, announced were {count.item():g}")
    metrics = {
        **_means(here, team),
        "grad_norm": team.clip(list(parameters), max_grad_norm),
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


def _means(here: LossTerm, team: Team) -> dict[str, float]:
    """Returns the loss and its metrics over all processes: sums by counts, added up in one message."""
    tallies = {"loss": Tally(sum=here.sum, count=here.count), **here.metrics}
    pairs = torch.stack([torch.stack([t.sum, t.count]).double() for t in tallies.values()])
    sums_counts = team.add(pairs)
    return {name: (total / n).item() for name, (total, n) in zip(tallies, sums_counts, strict=True)}


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Sets the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate
