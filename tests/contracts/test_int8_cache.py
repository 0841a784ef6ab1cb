"""What a policy keeps to when its cache rounds keys and values to 8 bits.

Steps are then no longer what `features` says to rounding, but near it: the gap is bounded here. The rest of
the contract holds as it is: rows are what they would be alone, a recorded step draws what a step draws. Two
orders of summation may round a feature to another of 8 bits, though (a difference of 1e-7 does so to one in
1e5), so these are compared in float64, where that happens to one in 1e13.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tessera.algorithms.base import MAX_REPLAY_GAP
from tessera.errors import SamplingError
from tessera.policies.base import PolicyModule
from tessera.policies.saved import read_saved, save_policy
from tessera.policies.trunk import PaddedCache
from tessera.protocols import FixedStep
from tessera.rng import rollout_seed, uniforms
from tessera.sampling import cache as caches
from tessera.sampling import loop
from tessera.sampling.captured import Loops
from tessera.sampling.decode import decode_rows, draw_rows, prefill_rows
from tessera.sampling.replay import replay_logp
from tessera.sampling.sampler import requests, sample
from tessera.types import CacheForm, View
from tests.contracts import llamagen
from tests.contracts.emu3 import tiny_emu3
from tests.contracts.janus import tiny_janus, tiny_janus_lora
from tests.contracts.policies import VIEWS
from tests.unit.sampling.tape import NoWaiting, Tape

TOLERANCE = 1e-6  # log-probabilities are float32
WORDS = ("a star", "two red circles", "large blue hearts")


@dataclass(frozen=True)
class Case:
    """A policy by the form of its cache."""

    build: Callable[[CacheForm], PolicyModule]
    prompts: tuple[str, ...] = WORDS


CASES = {
    "janus": Case(lambda form: tiny_janus(cache=form)),
    "janus-lora": Case(lambda form: tiny_janus_lora(cache=form)),
    "emu3": Case(lambda form: tiny_emu3(cache=form)),
    "llamagen-c2i": Case(lambda form: llamagen.tiny_llamagen(llamagen.CLASSES, form), llamagen.CLASS_PROMPTS),
    "llamagen-t2i": Case(
        lambda form: llamagen.tiny_llamagen(llamagen.CAPTIONS, form), llamagen.CAPTION_PROMPTS
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def exact(case: Case) -> PolicyModule:
    """Returns the policy in float64, whose cache rounds."""
    policy = case.build("int8").double()
    assert isinstance(policy, PolicyModule)
    return policy


@pytest.fixture(params=["conditional", "guided", "all"])
def view(request: pytest.FixtureRequest) -> View:
    return VIEWS[request.param]


def _batch(policy: PolicyModule, prompts: tuple[str, ...], rows: list[int]) -> tuple[Tensor, Tensor]:
    seeds = [rollout_seed(1, prompts[place], row) for row, place in enumerate(rows)]
    return torch.tensor(rows), torch.from_numpy(uniforms(seeds, policy.spec.tokens))


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_drawn_is_replayed_within_what_a_run_allows(
    case: Case, guidance: float, dtype: torch.dtype
) -> None:
    """Of bfloat16, whose own gap is larger, it is what rounding keys and values adds that is bounded."""
    gaps: dict[CacheForm, float] = {}
    forms: tuple[CacheForm, ...] = ("full", "int8")
    for form in forms:
        policy, view = case.build(form).to(dtype), View(guidance=guidance)
        assert isinstance(policy, PolicyModule)
        drawn = sample(policy, requests(case.prompts, 8), view, seed=1)
        with torch.no_grad():
            again_BT = replay_logp(policy, policy.tokenize(drawn.prompts), drawn.tokens, view)
        gaps[form] = (again_BT - drawn.logp).abs().mean().item()
    if dtype == torch.float32:
        assert gaps["full"] < 1e-5 < gaps["int8"] < MAX_REPLAY_GAP * guidance
    else:
        assert gaps["int8"] < gaps["full"] + MAX_REPLAY_GAP * guidance


def test_a_rollout_depends_neither_on_the_batch_size_nor_on_its_neighbours(
    exact: PolicyModule, case: Case, view: View
) -> None:
    """Prompts are of different lengths, so that rows begin at different slots beside one another."""
    wanted = requests(case.prompts, 3)
    expected = sample(exact, wanted, view, seed=6)
    for size in (1, 4):
        other = sample(exact, wanted[::-1], view, seed=6, batch_size=size)
        assert torch.equal(other.tokens.flip(0), expected.tokens)
        assert torch.allclose(other.logp.flip(0), expected.logp, atol=TOLERANCE, rtol=0)


def test_replayed_steps_draw_what_steps_draw(
    exact: PolicyModule, case: Case, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice, so that the second batch finds what the first left in the cache."""
    monkeypatch.setattr(caches, "NARROWEST", 4)
    monkeypatch.setattr(loop, "RECORDED_FROM", 2)
    assert isinstance(exact, FixedStep)
    tapes: list[Tape] = []

    def make(device: torch.device) -> Tape:
        tapes.append(Tape())
        return tapes[-1]

    loops, text = Loops(make, lambda device: 2**40), exact.tokenize(case.prompts)
    for rows in ([2, 0, 1, 0], [1, 1, 2, 0]):
        batch = (text, *_batch(exact, case.prompts, rows))
        tokens_BT, logp_BT = loops.draw(exact, *batch, view)
        plain_BT, plain_logp_BT = decode_rows(exact, *batch, view)
        assert torch.equal(tokens_BT, plain_BT)
        assert torch.allclose(logp_BT, plain_logp_BT, atol=TOLERANCE, rtol=0)
    (tape,) = tapes
    assert tape.recorded
    assert tape.replayed


def test_no_step_waits_for_a_gpu(case: Case) -> None:
    policy = case.build("int8")
    text = policy.tokenize(case.prompts)
    rows_B, uniform_BT = _batch(policy, case.prompts, [0, 1, 2])
    with torch.no_grad():
        kept, features = prefill_rows(policy, text, rows_B, VIEWS["all"])
        with NoWaiting():
            draw_rows(policy, kept, features, uniform_BT, VIEWS["all"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_cache_takes_what_the_footprint_says(case: Case, dtype: torch.dtype) -> None:
    sizes: dict[CacheForm, int] = {}
    forms: tuple[CacheForm, ...] = ("full", "int8")
    for form in forms:
        policy = case.build(form).to(dtype)
        assert isinstance(policy, PolicyModule)
        made = policy.new_cache(2, 3)
        store = made.store if isinstance(made, PaddedCache) else made
        assert isinstance(store, caches.KeyValues)
        sizes[form] = sum(each.nbytes for each in store.tensors)
        it = policy.footprint
        assert sizes[form] == 2 * 3 * it.layers * it.slot_bytes
        assert (it.read_bytes > 0) == (form == "int8")
    # Heads of these are 8 or 16 wide, so that a scale weighs more than in the published models.
    assert sizes["int8"] < (0.5 if dtype == torch.float32 else 0.65) * sizes["full"]


def test_the_form_is_no_part_of_what_a_policy_is(case: Case) -> None:
    assert case.build("int8").digest() == case.build("full").digest()


@pytest.mark.parametrize("name", ["janus", "emu3", "llamagen-c2i"])
def test_a_saved_policy_keeps_its_form(name: str, tmp_path: Path) -> None:
    """So that a run that is resumed goes on as it began."""
    save_policy(CASES[name].build("int8"), tmp_path)
    assert read_saved(tmp_path).footprint.cache_scales > 0


def test_weights_that_overflow_are_still_seen(case: Case) -> None:
    policy = case.build("int8")
    assert isinstance(policy, nn.Module)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "v_proj" in name or "qkv" in name:
                parameter.fill_(torch.inf)
    rows_B, uniform_BT = _batch(policy, case.prompts, [0, 1])
    with pytest.raises(SamplingError, match="unusable"):
        decode_rows(policy, policy.tokenize(case.prompts), rows_B, uniform_BT, View())
