"""The tape is as strict as the graphs it stands for: else what is tested with it would prove nothing."""

import pytest
import torch

from tests.unit.sampling.tape import NoWaiting, Tape, WaitedError


def test_a_replay_reads_memory_anew_and_runs_no_python() -> None:
    total, step, calls = torch.zeros(3), torch.ones(()), []

    def work() -> None:
        calls.append(len(calls) + 1)
        made = (step * 2).view(1) * calls[-1]  # 2, times a number that a graph would have swallowed
        total.add_(made)

    replay = Tape().record(work)
    step.fill_(5)
    replay()
    assert total.tolist() == [2 + 10] * 3
    assert calls == [1]


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: bool(x[0] > 0),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x + torch.tensor([1.0, 2.0]),
        torch.unique,
        lambda x: torch.equal(x, x),
    ],
    ids=["item", "bool", "nonzero", "mask", "from-host", "unique", "equal"],
)
def test_what_makes_a_gpu_wait_is_refused(wait: object) -> None:
    assert callable(wait)
    x = torch.ones(2)
    with pytest.raises(WaitedError), NoWaiting():
        wait(x)
    with pytest.raises(WaitedError):
        Tape().record(lambda: wait(x))


def test_what_does_not_is_let_through() -> None:
    x, at = torch.arange(6.0).view(2, 3), torch.tensor([1])
    with NoWaiting():
        x.index_copy_(1, at, x.topk(1).values)
        x[:, at].sort().values.cumsum(-1).masked_fill(x[:, :1] > 2, 0)
    assert x[:, 1].tolist() == [2, 5]
