"""Which recorded loops are kept, for how long, and when one may not be used."""

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tessera.errors import SamplingError
from tessera.protocols import FixedStep, Policy
from tessera.sampling import captured, loop
from tessera.sampling.cache import bucket_end
from tessera.sampling.captured import MOST_LOOPS, Loops, can_capture
from tessera.sampling.decode import decode_rows
from tessera.sampling.sampler import requests, sample
from tessera.tensors import TextBatch
from tessera.types import View
from tests.contracts.janus import tiny_janus, tiny_janus_lora
from tests.contracts.llamagen import tiny_c2i
from tests.contracts.policies import tiny_lora
from tests.unit.sampling.tape import Tape

CPU = torch.device("cpu")


def _loops(room: int = 2**40) -> tuple[Loops, list[Tape]]:
    """Returns loops that keep so many bytes, and the tapes they will record on."""
    tapes: list[Tape] = []

    def make(device: torch.device) -> Tape:
        tapes.append(Tape())
        return tapes[-1]

    return Loops(make, lambda device: room), tapes


def _batch(policy: Policy, rows: int) -> tuple[TextBatch, Tensor, Tensor]:
    numbers_BT = torch.rand(rows, policy.spec.tokens, dtype=torch.float64)
    return policy.tokenize(["7"]), torch.zeros(rows, dtype=torch.long), numbers_BT


def test_an_adapter_switched_off_is_not_drawn_with_what_was_recorded_of_it() -> None:
    policy = tiny_janus_lora()
    loops, tapes = _loops()
    batch = _batch(policy, 2)
    on, _ = loops.draw(policy, *batch, View())
    with policy.showing(None):
        off, _ = loops.draw(policy, *batch, View())
        assert torch.equal(off, decode_rows(policy, *batch, View())[0])
    assert torch.equal(loops.draw(policy, *batch, View())[0], on)
    assert not torch.equal(on, off)
    assert (len(tapes), loops.count(policy)) == (2, 2)


def test_an_adapter_over_a_policy_without_a_fixed_step_has_none() -> None:
    policy = tiny_lora()
    assert isinstance(policy, FixedStep)
    assert policy.step_variant() is None
    assert not can_capture(policy, torch.device("cuda"))


def test_only_a_gpu_records_and_only_what_has_a_fixed_step() -> None:
    policy = tiny_janus_lora()
    assert can_capture(policy, torch.device("cuda"))
    assert not can_capture(policy, CPU)
    assert not can_capture(policy.reference(), torch.device("cuda"))


def test_a_policy_keeps_its_last_loops_and_no_more() -> None:
    policy = tiny_c2i()
    loops, tapes = _loops()
    for rows in range(1, MOST_LOOPS + 3):
        loops.draw(policy, *_batch(policy, rows), View())
    assert loops.count(policy) == MOST_LOOPS
    loops.draw(policy, *_batch(policy, MOST_LOOPS + 2), View())
    assert len(tapes) == MOST_LOOPS + 2  # the newest is there
    loops.draw(policy, *_batch(policy, 1), View())
    assert len(tapes) == MOST_LOOPS + 3  # the oldest is not


def test_what_is_too_large_lives_until_the_sampler_is_done_or_needs_the_room() -> None:
    policy = tiny_c2i()
    loops, tapes = _loops(room=0)
    for _ in range(2):
        loops.draw(policy, *_batch(policy, 3), View())
    assert (len(tapes), loops.count(policy)) == (1, 1)
    loops.draw(policy, *_batch(policy, 2), View())
    assert (len(tapes), loops.count(policy)) == (2, 1)
    loops.release(policy, CPU)
    assert loops.count(policy) == 0


def test_the_largest_is_forgotten_first() -> None:
    policy = tiny_c2i()
    one = 2 * policy.footprint.layers * (1 + 16) * policy.footprint.cache_width * 4  # a row's cache
    loops, tapes = _loops(room=3 * one)
    for rows in (1, 4, 2):
        loops.draw(policy, *_batch(policy, rows), View())
    loops.release(policy, CPU)
    assert loops.count(policy) == 2
    loops.draw(policy, *_batch(policy, 1), View())
    loops.draw(policy, *_batch(policy, 2), View())
    assert len(tapes) == 3


def test_nothing_recorded_outlives_its_policy() -> None:
    policy = tiny_c2i()
    loops, tapes = _loops()
    loops.draw(policy, *_batch(policy, 2), View())
    alive = [weakref.ref(policy), weakref.ref(policy.transformer.codes.weight)]
    tapes.clear()
    del policy
    gc.collect()
    assert [each() for each in alive] == [None, None]


def test_nan_in_one_batch_is_told_and_not_left_in_the_cache_of_the_next() -> None:
    policy = tiny_c2i()
    loops, _ = _loops()
    batch = _batch(policy, 2)
    weight = policy.transformer.codes.weight
    sound = weight.detach().clone()
    loops.draw(policy, *batch, View())
    with torch.no_grad():
        weight.fill_(torch.nan)
    with pytest.raises(SamplingError, match="NaN"):
        loops.draw(policy, *batch, View())
    with torch.no_grad():
        weight.copy_(sound)
    drawn = loops.draw(policy, *batch, View())
    expected = decode_rows(policy, *batch, View())
    assert torch.equal(drawn[0], expected[0])
    assert torch.allclose(drawn[1], expected[1], atol=1e-5)


class _Never:
    """A recorder that cannot record."""

    def __init__(self) -> None:
        self.asked = 0

    def record(self, work: Callable[[], None]) -> None:
        self.asked += 1
        work()


def test_what_cannot_be_recorded_is_done_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tessera.sampling.cache.NARROWEST", 4)
    monkeypatch.setattr(loop, "RECORDED_FROM", 2)
    policy, never = tiny_c2i(), _Never()
    batch = _batch(policy, 2)
    loops = Loops(lambda device: never, lambda device: 0)
    assert not loops.failed
    assert torch.equal(loops.draw(policy, *batch, View())[0], decode_rows(policy, *batch, View())[0])
    assert loops.failed
    assert loops.count(policy) == 0
    assert never.asked == 1  # not again for the picture's other buckets


def test_after_a_recording_has_failed_the_sampler_takes_the_plain_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[torch.device] = []

    def make(device: torch.device) -> _Never:
        made.append(device)
        return _Never()

    monkeypatch.setattr(captured, "_LOOPS", Loops(make, lambda device: 0))
    monkeypatch.setattr(captured, "can_capture", lambda policy, device: True)
    policy = tiny_c2i()
    batch = _batch(policy, 2)
    first, second = (captured.sample_rows(policy, *batch, View())[0] for _ in range(2))
    assert torch.equal(first, second)
    assert len(made) == 1


def test_a_loop_keeps_a_bounded_number_of_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tessera.sampling.cache.NARROWEST", 4)
    monkeypatch.setattr(loop, "RECORDED_FROM", 2)
    monkeypatch.setattr(loop, "MOST_SHAPES", 1)
    policy = tiny_janus()
    (loops, tapes), batch = _loops(), _batch(policy, 2)
    first, second = (loops.draw(policy, *batch, View())[0] for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(first, decode_rows(policy, *batch, View())[0])
    assert tapes[0].recorded == 4  # both of the picture's buckets, twice: one is forgotten for the other


def test_the_sampler_replays_batch_after_batch_and_leaves_nothing_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seven pictures, three at a time: two batches of a size, and a smaller one."""
    policy = tiny_c2i()
    wanted = requests(["7", "8"], 3) + requests(["9"], 1)
    expected = sample(policy, wanted, View(guidance=2.0), batch_size=3)
    loops, tapes = _loops(room=0)
    monkeypatch.setattr(captured, "_LOOPS", loops)
    monkeypatch.setattr(captured, "can_capture", lambda policy, device: True)
    drawn = sample(policy, wanted, View(guidance=2.0), batch_size=3)
    assert torch.equal(drawn.tokens, expected.tokens)
    assert torch.allclose(drawn.logp, expected.logp, atol=1e-5)
    assert [tape.recorded for tape in tapes] == [1, 1]
    assert tapes[0].replayed == 14 + 15  # of 15 steps a picture, but the first
    assert loops.count(policy) == 0


def test_on_a_cpu_the_sampler_takes_the_plain_loop() -> None:
    policy = tiny_janus()
    batch = _batch(policy, 2)
    drawn, expected = captured.sample_rows(policy, *batch, View()), decode_rows(policy, *batch, View())
    assert all(torch.equal(*pair) for pair in zip(drawn, expected, strict=True))


def test_buckets_widen_so_that_a_step_sees_a_quarter_too_much_at_most() -> None:
    length = 9000
    ends = [bucket_end(slot, length) for slot in range(length)]
    assert all(slot < end <= length for slot, end in enumerate(ends))
    assert all(end - slot <= max(64, slot / 4) for slot, end in enumerate(ends))
    assert len(set(ends)) < 32
    assert set(ends[:512]) == {64, 128, 192, 256, 320, 384, 448, 512}
    assert bucket_end(70, 73) == 73
