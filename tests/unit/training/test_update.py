"""The update, on a one-parameter problem with numbers by hand, and what stops it before a weight moves."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from tessera.errors import TrainingError
from tessera.tensors import LossTerm, Tally
from tessera.training.distributed import Alone
from tessera.training.update import set_rate, update


@dataclass(frozen=True)
class Numbers:
    """A batch of numbers with weights."""

    x_B: Tensor
    weight_B: Tensor

    def __len__(self) -> int:
        return len(self.x_B)

    def rows(self, start: int, stop: int) -> "Numbers":
        return Numbers(self.x_B[start:stop], self.weight_B[start:stop])


BATCH = Numbers(torch.tensor([1.0, 2.0, 3.0, 10.0]), torch.tensor([1.0, 1.0, 1.0, 0.0]))


def step(
    weight: Parameter, *, batch: Numbers = BATCH, count: float = 3.0, bad: float = 1.0, **changes
) -> dict:
    """Takes one step of plain descent on the mean of w x over the counted rows."""

    def loss(rows: Numbers) -> LossTerm:
        value_B = weight * rows.x_B * bad
        mean = Tally(sum=(value_B * rows.weight_B).sum().detach(), count=rows.weight_B.sum())
        return LossTerm(
            sum=(value_B * rows.weight_B).sum(), count=rows.weight_B.sum(), metrics={"mean": mean}
        )

    settings: dict[str, Any] = {
        "team": Alone(),
        "micro_batch": 3,
        "max_grad_norm": 100.0,
        "autocast": nullcontext,
        "check": lambda _: None,
    }
    optimizer = torch.optim.SGD([weight], lr=0.1)
    return update(optimizer, [weight], batch, loss, torch.tensor(count), **{**settings, **changes})


def test_the_sum_is_divided_once_by_the_global_count() -> None:
    weight = Parameter(torch.tensor(1.0))
    metrics = step(weight)
    assert metrics == pytest.approx({"loss": 2.0, "grad_norm": 2.0, "mean": 2.0})
    assert weight.item() == pytest.approx(1 - 0.1 * 2)


def test_the_gradient_is_clipped_and_its_norm_reported_as_it_was() -> None:
    weight = Parameter(torch.tensor(1.0))
    assert step(weight, max_grad_norm=0.5)["grad_norm"] == pytest.approx(2.0)
    assert weight.item() == pytest.approx(1 - 0.1 * 0.5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_moves_nothing(bad: float) -> None:
    weight = Parameter(torch.tensor(1.0))
    with pytest.raises(TrainingError, match=r"no weight was moved.*lower learning rate"):
        step(weight, bad=bad)
    assert weight.item() == 1


def test_what_the_check_refuses_moves_nothing() -> None:
    def refuse(metrics: Mapping[str, float]) -> None:
        raise TrainingError(f"mean is {metrics['mean']}")

    weight = Parameter(torch.tensor(1.0))
    with pytest.raises(TrainingError, match=r"mean is 2\.0"):
        step(weight, check=refuse)
    assert weight.item() == 1


def test_a_batch_without_anything_that_counts_is_an_error() -> None:
    weight = Parameter(torch.tensor(1.0))
    with pytest.raises(TrainingError, match="nothing to learn from"):
        step(weight, count=0.0)


def test_a_loss_that_counts_otherwise_than_announced_is_a_fault_of_ours() -> None:
    weight = Parameter(torch.tensor(1.0))
    with pytest.raises(ValueError, match="the loss counted 3, announced were 4"):
        step(weight, count=4.0)
    assert weight.item() == 1


def test_the_rate_of_every_group_is_set() -> None:
    optimizer = torch.optim.SGD([{"params": [Parameter(torch.ones(1))]} for _ in range(2)], lr=1.0)
    set_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
