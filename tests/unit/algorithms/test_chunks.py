"""Drawing and judging by chunks: whole groups, in order, the same beside the drawing as in between."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from jaxtyping import Int, UInt8
from numpy import ndarray
from torch import Tensor

from tessera.algorithms.base import Context
from tessera.algorithms.chunks import draw_and_judge
from tessera.algorithms.collecting import group_requests
from tessera.errors import SamplingError
from tessera.rewards.noise import NoiseReward
from tessera.tensors import Rollouts, Scores
from tessera.training.beside import Thread
from tessera.types import Prompt, View
from tests.tiny import context

VIEW = View(guidance=2.0)
GROUP = 3
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Noted:
    """A reward that notes how many pictures it saw each time, of which size of group, and in which thread."""

    calls: list[tuple[int, int, str]] = field(default_factory=list)
    name: str = "noted"

    def score(self, prompts: Any, images_BHWC: UInt8[ndarray, "B H W 3"], group: int) -> Scores:
        self.calls.append((len(images_BHWC), group, threading.current_thread().name.partition("_")[0]))
        return NoiseReward().score(prompts, images_BHWC)

    def digest(self) -> str:
        return "noted"


def drawn(here: Context, prompts: int = 4) -> tuple[Rollouts, Scores]:
    asked = [prompt for prompt in here.prompts(0, prompts) for _ in range(GROUP)]
    wanted = group_requests(here.prompts(0, prompts), GROUP)
    return draw_and_judge(here, wanted, asked, VIEW, group=GROUP, seed=5)


@pytest.mark.parametrize(
    ("batch_size", "chunks"),
    [(3, [3, 3, 3, 3]), (6, [6, 6]), (7, [6, 6]), (5, [3, 6, 3]), (2, [3, 3, 3, 3]), (64, [12])],
)
def test_the_reward_sees_whole_groups_once_each_whatever_the_batches(
    tmp_path: Path, batch_size: int, chunks: list[int]
) -> None:
    found = []
    for beside in (None, Thread(CPU)):
        reward = Noted()
        here = replace(context(tmp_path), batch_size=batch_size, reward=reward, beside=beside)
        found.append(drawn(here))
        # One chunk alone has nothing beside which it could be judged.
        thread = "beside" if beside and len(chunks) > 1 else "MainThread"
        assert reward.calls == [(rows, GROUP, thread) for rows in chunks]
    (one, one_scores), (other, other_scores) = found
    assert (one.prompts, one.samples, one.seeds) == (other.prompts, other.samples, other.seeds)
    assert torch.equal(one.tokens, other.tokens)
    assert torch.equal(one.logp, other.logp)
    assert torch.equal(one_scores.value_B, other_scores.value_B)
    by_hand = NoiseReward().score(
        [Prompt(id=text, text=text) for text in one.prompts], here.policy.decode(one.tokens)
    )
    assert torch.equal(one_scores.value_B, by_hand.value_B)


def steps_of(monkeypatch: pytest.MonkeyPatch, here: Context, fail: Callable[[int], None]) -> None:
    """Makes the policy call `fail` with the number of the batch before it draws each."""
    real, begun = here.policy.tokenize, iter(range(100))

    def tokenize(prompts: list[str]) -> Any:
        fail(next(begun))
        return real(prompts)

    monkeypatch.setattr(here.policy, "tokenize", tokenize)


def test_a_chunk_is_judged_while_the_next_is_drawn_and_no_third_one_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judging, drawing = threading.Event(), threading.Event()
    judged: list[int] = []

    @dataclass(frozen=True)
    class Slow(Noted):
        def score(self, prompts: Any, images_BHWC: Any, group: int) -> Scores:
            judging.set()
            assert drawing.wait(10)  # for the next batch to begin: it does not wait for this one
            judged.append(len(judged))
            return NoiseReward().score(prompts, images_BHWC)

    here = replace(context(tmp_path), batch_size=3, reward=Slow(), beside=Thread(CPU))

    def begin(batch: int) -> None:
        if batch == 1:
            assert judging.wait(10)
            drawing.set()
        assert len(judged) >= batch - 1  # all chunks but the last one drawn

    steps_of(monkeypatch, here, begin)
    drawn(here)
    assert len(judged) == 4


@pytest.mark.parametrize("where", ["decode", "reward"])
def test_what_goes_wrong_beside_the_drawing_reaches_the_caller_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    fault = KeyError("in somebody's code")

    def fails(*_: Any) -> Any:
        raise fault

    here = replace(context(tmp_path), batch_size=3, beside=Thread(CPU))
    batches: list[int] = []
    steps_of(monkeypatch, here, batches.append)
    if where == "decode":
        monkeypatch.setattr(here.policy, "decode", fails)
    else:
        reward = Noted()
        monkeypatch.setattr(Noted, "score", fails)
        here = replace(here, reward=reward)
    with pytest.raises(KeyError) as caught:
        drawn(here)
    assert caught.value is fault
    assert fails.__name__ in [entry.name for entry in caught.traceback]
    assert batches == [0, 1]  # not when everything has been drawn


def test_where_drawing_fails_nothing_goes_on_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, waited = threading.Event(), threading.Event()
    here = replace(context(tmp_path), batch_size=3, beside=Thread(CPU))
    real = here.policy.decode

    def decode(tokens_BT: Int[Tensor, "B T"]) -> Any:
        waited.wait(0.2)
        images_BHWC = real(tokens_BT)
        done.set()
        return images_BHWC

    def fail(batch: int) -> None:
        if batch == 1:
            raise SamplingError("no weights")

    monkeypatch.setattr(here.policy, "decode", decode)
    steps_of(monkeypatch, here, fail)
    with pytest.raises(SamplingError, match="no weights"):
        drawn(here)
    assert done.is_set()


def test_the_clock_runs_in_one_thread_for_one_phase_at_a_time(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []
    running: list[str] = []

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        assert not running
        running.append(name)
        seen.append((name, threading.current_thread().name))
        yield
        running.pop()

    here = replace(context(tmp_path), batch_size=6, beside=Thread(CPU), phase=phase)
    drawn(here)
    assert {name for name, _ in seen} == {"sample", "decode", "reward"}
    assert {thread for _, thread in seen} == {"MainThread"}
