"""The loops that ours is timed against draw what it draws, and one that does not is refused."""

from collections.abc import Callable

import pytest
import torch

from tessera.bench.baselines import drawing, growing_rollout, likeliest, own_steps
from tessera.bench.limits import Limits
from tessera.bench.rollout import bench_rollout, generating, parting
from tessera.policies.base import PolicyModule
from tessera.policies.tiny import tiny_policy
from tessera.sampling.decode import decode_rows
from tessera.types import View
from tests.contracts.emu3 import tiny_emu3
from tests.contracts.janus import tiny_janus
from tests.contracts.policies import tiny_mosaic

PROMPTS = ["a photo of a red circle", "a photo of two red circles"]
LIMITS = Limits(bytes_per_second=1e10, flops=1e11)
GREEDY = View(guidance=3.0, top_k=1)
POLICIES: dict[str, Callable[[], PolicyModule]] = {
    "mosaic": tiny_mosaic,
    "janus": tiny_janus,
    "llamagen": lambda: tiny_policy("llamagen-tiny"),
    "emu3": tiny_emu3,
    "emu3-int8": lambda: tiny_emu3(cache="int8"),
}


def _ours(policy: PolicyModule, view: View) -> torch.Tensor:
    rows_B = torch.arange(len(PROMPTS))
    uniform_BT = torch.rand(len(PROMPTS), policy.spec.tokens, dtype=torch.float64)
    return decode_rows(policy, policy.tokenize(PROMPTS), rows_B, uniform_BT, view)[0]


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("family", POLICIES)
def test_the_growing_loop_draws_the_likeliest_tokens_that_ours_draws(family: str, guidance: float) -> None:
    """A near tie of two logits (1e-5) would break this: chance about 1e-4, decided once by the seed."""
    policy, greedy = POLICIES[family](), View(guidance=guidance, top_k=1)
    theirs_BT = growing_rollout(policy, policy.tokenize(PROMPTS), greedy, likeliest)
    assert torch.equal(theirs_BT, _ours(policy, greedy))


def test_janus_by_its_own_steps_is_janus_by_the_loop_of_transformers() -> None:
    policy = tiny_janus()
    text = policy.tokenize(PROMPTS)
    loops = [loop(policy, text, GREEDY, likeliest) for loop in (growing_rollout, own_steps)]
    assert torch.equal(*loops)


@pytest.mark.filterwarnings("ignore")  # transformers warns of its own settings
@pytest.mark.parametrize("family", ["janus", "emu3"])
def test_generate_draws_the_likeliest_tokens_that_ours_draws(family: str) -> None:
    policy = POLICIES[family]()
    generate = generating(policy, policy.tokenize(PROMPTS), GREEDY)
    assert generate is not None
    assert torch.equal(generate(greedy=True), _ours(policy, GREEDY))


def test_mosaic_has_no_generate() -> None:
    policy = tiny_mosaic()
    assert generating(policy, policy.tokenize(PROMPTS), GREEDY) is None


def test_the_loop_draws_from_the_distribution_of_the_view() -> None:
    """A softmax of (0, 1, 2) at temperature 0.5; the bound is five standard errors of 20,000 draws."""
    logits_BV = torch.tensor([[0.0, 1.0, 2.0]]).repeat(20_000, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = drawing(View(temperature=0.5))(logits_BV)
        kept = drawing(View(top_k=2))(logits_BV)
    expected = torch.tensor([0.0, 2.0, 4.0]).softmax(0)
    shares = torch.bincount(drawn, minlength=3) / len(drawn)
    assert ((shares - expected).abs() < 5 * (expected * (1 - expected) / len(drawn)).sqrt()).all()
    assert not (kept == 0).any()


def test_another_token_than_the_likeliest_is_refused() -> None:
    policy = tiny_mosaic()
    ours_BT = _ours(policy, GREEDY)
    theirs_BT = ours_BT.clone()
    theirs_BT[1, 2] = (theirs_BT[1, 2] + 1) % policy.spec.codebook
    text = policy.tokenize(PROMPTS)
    assert parting(policy, text, ours_BT, ours_BT, GREEDY, "theirs") == 0
    with pytest.raises(ValueError, match="theirs draws another likeliest token"):
        parting(policy, text, ours_BT, theirs_BT, GREEDY, "theirs")


def test_a_row_may_part_between_two_codes_of_equal_logits() -> None:
    policy = tiny_mosaic()
    ours_BT = _ours(policy, GREEDY)
    twin = (int(ours_BT[0, -1]) + 1) % policy.spec.codebook
    with torch.no_grad():
        policy.transformer.head.weight[twin] = policy.transformer.head.weight[ours_BT[0, -1]]
    theirs_BT = ours_BT.clone()
    theirs_BT[0, -1] = twin
    assert parting(policy, policy.tokenize(PROMPTS), ours_BT, theirs_BT, GREEDY, "theirs") == 1


@pytest.mark.filterwarnings("ignore")  # transformers warns of its own settings
def test_ratios_and_rates_are_of_the_same_rounds() -> None:
    """With one round, a ratio is the quotient of the two speeds beside it."""
    policy = tiny_janus()
    view = policy.spec.default_view
    result = bench_rollout(policy, PROMPTS, view, LIMITS, batch=3, group=2, repeats=1)
    assert (result["batch"], result["prompts"]) == (3, 2)
    speed = {name: each["median"] for name, each in result["images_per_second"].items()}
    assert result["ratio_vs_growing_cache"]["median"] == pytest.approx(speed["ours"] / speed["growing cache"])
    assert result["ratio_vs_generate"]["median"] == pytest.approx(speed["ours"] / speed["generate"])
    assert result["tokens_per_second"]["median"] == pytest.approx(speed["ours"] * policy.spec.tokens)
    seconds = result["ms_per_step"] / 1e3
    assert seconds == pytest.approx(3 / speed["ours"] / policy.spec.tokens)
    assert result["share_of_bandwidth"] == pytest.approx(result["bytes_per_step"] / 1e10 / seconds)
    assert result["near_ties"] == {"growing cache": 0, "generate": 0}


@pytest.mark.filterwarnings("ignore")  # transformers warns of its own settings
def test_a_cache_in_8_bits_may_part_from_a_full_one_as_half_precision_may() -> None:
    """Janus's growing loop and `generate` have transformers' own cache, which rounds nothing."""
    policy = tiny_janus(cache="int8")
    result = bench_rollout(policy, PROMPTS, policy.spec.default_view, LIMITS, batch=2, group=1, repeats=1)
    full = bench_rollout(tiny_janus(), PROMPTS, policy.spec.default_view, LIMITS, batch=2, group=1, repeats=1)
    assert result["bytes_per_step"] < full["bytes_per_step"]


def test_where_there_is_no_generate_there_is_no_ratio() -> None:
    policy = tiny_mosaic()
    result = bench_rollout(policy, PROMPTS, View(guidance=2.0), LIMITS, batch=2, group=1, repeats=2)
    assert result["ratio_vs_generate"] is None
    assert 0 < result["ratio_vs_growing_cache"]["low"] <= result["ratio_vs_growing_cache"]["high"]
