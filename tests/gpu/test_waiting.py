"""Between the prompt and the last token no GPU waits for the host: CUDA itself is asked to refuse it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from tessera.sampling.captured import GraphRecorder
from tessera.sampling.decode import draw_rows, prefill_rows
from tessera.sampling.loop import Loop, LoopKey, Recorder
from tessera.types import View
from tests.contracts.policies import VIEWS
from tests.gpu.batches import FIXED, batch, placed

pytestmark = pytest.mark.gpu


@contextmanager
def no_waiting(device: torch.device) -> Iterator[None]:
    """Makes an error of whatever waits."""
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")


def test_the_mode_refuses_what_waits(device: torch.device) -> None:
    with pytest.raises(RuntimeError), no_waiting(device):
        torch.ones(2, device=device).sum().item()


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("name", [*FIXED, "mosaic-tiny", "mosaic-lora"])
def test_no_step_of_the_plain_loop_waits(name: str, view: View, device: torch.device) -> None:
    policy = placed(name, device)
    text_P, rows_B, numbers_BT = batch(name, policy, 4, 1)
    with torch.no_grad():
        cache, features = prefill_rows(policy, text_P, rows_B, view)
        with no_waiting(device):
            draw_rows(policy, cache, features, numbers_BT, view)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("name", FIXED)
def test_no_replay_waits(name: str, view: View, device: torch.device) -> None:
    replays_without_waiting(name, view, GraphRecorder(device), device)


def replays_without_waiting(name: str, view: View, recorder: Recorder, device: torch.device) -> None:
    """Draws twice; the second time, when all is recorded, nothing may wait."""
    policy = placed(name, device)
    given = batch(name, policy, 4, 1)
    loop = Loop(policy, LoopKey(rows=4, view=view, variant="", device=device), recorder)
    first, _ = loop.go_on(policy, loop.begin(policy, *given))
    shapes = loop.begin(policy, *given)
    with no_waiting(device):
        second, _ = loop.go_on(policy, shapes)
    assert torch.equal(first, second)
