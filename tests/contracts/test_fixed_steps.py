"""The contract of `tessera.protocols.FixedStep`: what is recorded once and replayed draws what `step` draws.

Held on a CPU, by a tape that keeps the rules of a CUDA graph (`tests/unit/sampling/tape.py`): whatever should
have come from the device and came from Python would stay as it was at the first token.

Where two orders of summation round otherwise (1e-6), a number within that of an edge between two tokens would
change a token: chance about 1e-6 per token, decided once by the seed.
"""

import pytest
import torch
from torch import Tensor, nn

from tessera.policies.trunk import PaddedCache
from tessera.protocols import FixedStep, Policy
from tessera.rng import rollout_seed, uniforms
from tessera.sampling import cache, loop
from tessera.sampling.captured import Loops
from tessera.sampling.decode import decode_rows, draw_rows, prefill_rows
from tessera.tensors import TextBatch
from tessera.types import View
from tests.contracts.policies import CASES, VIEWS, Case
from tests.unit.sampling.tape import NoWaiting, Tape

TOLERANCE = 1e-5
FIXED = [name for name in CASES if "mosaic" not in name]
Batch = tuple[TextBatch, Tensor, Tensor]


@pytest.fixture(params=FIXED)
def case_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes several buckets of pictures of 15 or 16 tokens, which are no multiple of them."""
    monkeypatch.setattr(cache, "NARROWEST", 4)
    monkeypatch.setattr(loop, "RECORDED_FROM", 2)


@pytest.fixture(params=["guided", "all"])
def view(request: pytest.FixtureRequest) -> View:
    return VIEWS[request.param]


def _batch(policy: Policy, prompts: tuple[str, ...], rows: list[int], seed: int) -> Batch:
    """Returns text, the prompt of each row, and its numbers."""
    seeds = [rollout_seed(seed, prompts[place], row) for row, place in enumerate(rows)]
    numbers_BT = torch.from_numpy(uniforms(seeds, policy.spec.tokens))
    return policy.tokenize(prompts), torch.tensor(rows), numbers_BT


def _loops(tapes: list[Tape], room: int = 2**40) -> Loops:
    """Returns loops that record on tapes, which are put into the list."""

    def make(device: torch.device) -> Tape:
        tapes.append(Tape())
        return tapes[-1]

    return Loops(make, lambda device: room)


def _assert_same(ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor]) -> None:
    assert torch.equal(ours[0], theirs[0])
    assert torch.allclose(ours[1], theirs[1], atol=TOLERANCE, rtol=0)


def test_every_policy_that_has_such_a_step_is_held_to_this() -> None:
    for name, case in CASES.items():
        policy = case.build()
        has = isinstance(policy, FixedStep) and policy.step_variant() is not None
        assert has == (name in FIXED), name


@pytest.mark.usefixtures("_narrow")
def test_replayed_steps_draw_what_steps_draw(policy: Policy, case: Case, view: View) -> None:
    """Rows of different lengths, then another batch of the same size, for which nothing is recorded anew."""
    tapes: list[Tape] = []
    loops = _loops(tapes)
    batch = _batch(policy, case.prompts, [2, 0, 1, 0], 1)
    _assert_same(loops.draw(policy, *batch, view), decode_rows(policy, *batch, view))
    (tape,) = tapes
    assert tape.recorded
    recorded, replayed = tape.recorded, tape.replayed
    other = _batch(policy, case.prompts[::-1], [1, 2, 1, 0], 2)
    _assert_same(loops.draw(policy, *other, view), decode_rows(policy, *other, view))
    assert len(tapes) == 1
    assert tape.recorded == recorded
    assert tape.replayed >= 2 * replayed + recorded
    assert not torch.equal(decode_rows(policy, *batch, view)[0], decode_rows(policy, *other, view)[0])


@pytest.mark.usefixtures("_narrow")
def test_prompts_of_other_lengths_find_their_own_shape(policy: Policy, case: Case) -> None:
    """Where rows begin elsewhere, a batch sees other slots; what was recorded for the first is not for it."""
    loops, view = _loops([]), View()
    for prompts in (case.prompts[-1:], case.prompts[:1], case.prompts):
        batch = _batch(policy, prompts, [0, 0, len(prompts) - 1], 3)
        _assert_same(loops.draw(policy, *batch, view), decode_rows(policy, *batch, view))


def test_a_buckets_steps_have_one_shape_and_end_where_the_cache_ends(policy: Policy, case: Case) -> None:
    assert isinstance(policy, FixedStep)
    spec = policy.spec
    kept, _ = prefill_rows(policy, policy.tokenize(case.prompts), torch.arange(3), View())
    assert isinstance(kept, cache.KeyValues | PaddedCache)
    shapes = [policy.step_shape(index, kept) for index in range(spec.tokens - 1)]
    assert shapes[-1][-1] == kept.length
    assert [stop for *_, stop in shapes] == sorted(stop for *_, stop in shapes)
    assert len(set(shapes)) <= 4


def test_training_in_place_is_seen_by_what_was_recorded(policy: Policy, case: Case) -> None:
    tapes: list[Tape] = []
    loops, view = _loops(tapes), View(guidance=3.0)
    batch = _batch(policy, case.prompts, [0, 1], 4)
    before, _ = loops.draw(policy, *batch, view)
    with torch.no_grad():
        for _, parameter in policy.trainable():
            parameter.mul_(1.2)
    after = loops.draw(policy, *batch, view)
    assert len(tapes) == 1
    assert not torch.equal(after[0], before)
    _assert_same(after, decode_rows(policy, *batch, view))


def test_weights_that_lie_elsewhere_are_recorded_anew(policy: Policy, case: Case) -> None:
    tapes: list[Tape] = []
    loops, view = _loops(tapes), View()
    batch = _batch(policy, case.prompts, [0, 1], 5)
    loops.draw(policy, *batch, view)
    _, parameter = next(iter(policy.trainable()))
    parameter.data = parameter.data * 2
    _assert_same(loops.draw(policy, *batch, view), decode_rows(policy, *batch, view))
    assert len(tapes) == 2
    assert loops.count(policy) == 1


# --- no waiting, recorded or not ----------------------------------------------------------------------------


def test_no_step_of_the_plain_loop_waits(policy: Policy, case: Case, view: View) -> None:
    text, rows_B, numbers_BT = _batch(policy, case.prompts, [0, 1, 2], 6)
    with torch.no_grad():
        kept, features = prefill_rows(policy, text, rows_B, view)
        with NoWaiting():
            draw_rows(policy, kept, features, numbers_BT, view)


@pytest.mark.parametrize("name", [name for name in CASES if name not in FIXED])
def test_no_step_of_the_plain_loop_waits_without_a_fixed_step_either(name: str) -> None:
    policy, prompts = CASES[name].build(), CASES[name].prompts
    text, rows_B, numbers_BT = _batch(policy, prompts, [0, 1, 2], 6)
    with torch.no_grad():
        kept, features = prefill_rows(policy, text, rows_B, VIEWS["all"])
        with NoWaiting():
            draw_rows(policy, kept, features, numbers_BT, VIEWS["all"])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_replayed_steps_draw_in_every_precision(policy: Policy, case: Case, dtype: torch.dtype) -> None:
    """In half precision the mask's order of summation may draw another token, and all after it with it."""
    assert isinstance(policy, nn.Module)
    policy.to(dtype)
    batch = _batch(policy, case.prompts, [0, 1, 2], 7)
    tokens_BT, logp_BT = _loops([]).draw(policy, *batch, View(guidance=2.0))
    plain_BT, plain_logp_BT = decode_rows(policy, *batch, View(guidance=2.0))
    same_B = (tokens_BT == plain_BT).all(1)
    if dtype == torch.float64:
        assert same_B.all()
    assert (tokens_BT[:, 0] == plain_BT[:, 0]).all()
    bound = 0.3 if dtype == torch.bfloat16 else 1e-6
    assert torch.allclose(logp_BT[same_B], plain_logp_BT[same_B], atol=bound, rtol=0)
