"""Graphs draw what the plain loop draws: the same tokens, and log-probabilities to rounding.

In float32 both sum in another order (1e-6); a number within that of an edge between two tokens would change a
token: chance about 1e-6 per token.
"""

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from tessera.policies.lora import LoRAPolicy
from tessera.sampling import captured
from tessera.sampling.captured import GraphRecorder, can_capture, sample_rows
from tessera.sampling.decode import decode_rows
from tessera.types import View
from tests.gpu.batches import FIXED, batch, placed

pytestmark = pytest.mark.gpu
TOLERANCE = 1e-4
VIEWS = {"plain": View(), "all": View(guidance=3.0, temperature=0.7, top_k=5, top_p=0.9)}


def assert_same(ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor]) -> None:
    assert torch.equal(ours[0], theirs[0])
    assert torch.allclose(ours[1], theirs[1], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("name", FIXED)
def test_graphs_draw_what_the_plain_loop_draws(name: str, view: View, device: torch.device) -> None:
    """In the first batch, which records, and in the second, which only replays."""
    policy = placed(name, device)
    assert can_capture(policy, device)
    for seed in (1, 2):
        given = batch(name, policy, 4, seed)
        assert_same(sample_rows(policy, *given, view), decode_rows(policy, *given, view))
    assert captured._LOOPS.count(policy) == 1


@pytest.mark.parametrize("name", FIXED)
def test_weights_trained_in_place_are_the_ones_that_draw(name: str, device: torch.device) -> None:
    policy, view = placed(name, device), View(guidance=3.0)
    given = batch(name, policy, 2, 3)
    before, _ = sample_rows(policy, *given, view)
    with torch.no_grad():
        for _, parameter in policy.trainable():
            parameter.mul_(1.2)
    after = sample_rows(policy, *given, view)
    assert not torch.equal(after[0], before)
    assert_same(after, decode_rows(policy, *given, view))


def test_weights_that_lie_elsewhere_are_recorded_anew(device: torch.device) -> None:
    policy = placed("janus-tiny", device)
    given = batch("janus-tiny", policy, 2, 4)
    sample_rows(policy, *given, View())
    for _, parameter in policy.trainable():
        parameter.data = parameter.data * 1.2
    assert_same(sample_rows(policy, *given, View()), decode_rows(policy, *given, View()))


def test_an_adapter_switched_off_is_not_replayed_switched_on(device: torch.device) -> None:
    policy = placed("janus-lora", device)
    assert isinstance(policy, LoRAPolicy)
    given = batch("janus-lora", policy, 2, 5)
    on, _ = sample_rows(policy, *given, View())
    with policy.showing(None):
        off = sample_rows(policy, *given, View())
        assert_same(off, decode_rows(policy, *given, View()))
    assert not torch.equal(on, off[0])


def test_autocast_is_left_to_the_plain_loop(device: torch.device) -> None:
    policy = placed("janus-tiny", device)
    with torch.autocast(device.type, torch.bfloat16):
        assert not can_capture(policy, device)


BROKEN = """
import torch, warnings
from tessera.sampling.captured import GraphRecorder

device = torch.device("cuda")
total, here = torch.zeros((), device=device), torch.cuda.current_stream(device)

def waits():
    total.add_(1)
    total.item()

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    assert GraphRecorder(device).record(waits) is None
assert any("could not be recorded" in str(each.message) for each in told), told
assert torch.cuda.current_stream(device) == here
assert total.item() == 1
assert (torch.ones(64, 64, device=device) @ torch.ones(64, 64, device=device)).sum().item() == 64**3
"""


def test_work_that_waits_is_not_recorded_but_done_with_a_warning(device: torch.device) -> None:
    """In a process of its own: a recording that breaks off leaves torch's allocator in a state of its own."""
    done = subprocess.run([sys.executable, "-c", BROKEN], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_work_that_does_not_wait_is_recorded_and_replayed(device: torch.device) -> None:
    total = torch.zeros((), device=device)

    def adds() -> None:
        total.add_(1)

    replay = GraphRecorder(device).record(adds)
    assert replay is not None
    for _ in range(3):
        replay()
    assert total.item() == 4
