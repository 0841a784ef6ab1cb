"""From logits to the distribution of a view, and from a uniform number to a token: values by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from tessera.objective.policy import draw_tokens, log_distribution, mix_guidance, token_logp
from tessera.types import View

LARGEST_UNIFORM = 1 - 2**-53  # the largest number that a generator of [0, 1) returns


def _logits(*weights: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Returns logits whose softmax is proportional to the weights."""
    return torch.tensor(weights, dtype=torch.float64).log().to(dtype)


def _probabilities(weights: tuple[float, ...], view: View) -> list[float]:
    return log_distribution(_logits(*weights), view).exp().tolist()


# --- log_distribution ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "view", "expected"),
    [
        pytest.param((1, 2, 5), View(), (1 / 8, 2 / 8, 5 / 8), id="plain"),
        # Dividing logits by 1/2 squares the weights: 1, 4, 9 of 14. Dividing by 2 takes roots.
        pytest.param((1, 2, 3), View(temperature=0.5), (1 / 14, 4 / 14, 9 / 14), id="cold"),
        pytest.param((1, 4, 9), View(temperature=2.0), (1 / 6, 2 / 6, 3 / 6), id="hot"),
        pytest.param((3, 1, 4, 2), View(top_k=2), (3 / 7, 0, 4 / 7, 0), id="top-k"),
        pytest.param((3, 1, 4, 2), View(top_k=1), (0, 0, 1, 0), id="top-k-of-one"),
        pytest.param((3, 1, 4, 2), View(top_k=4), (0.3, 0.1, 0.4, 0.2), id="top-k-of-all"),
        pytest.param((3, 1, 4, 2), View(top_k=9), (0.3, 0.1, 0.4, 0.2), id="top-k-of-more-than-all"),
        pytest.param((4, 2, 2, 1), View(top_k=2), (4 / 8, 2 / 8, 2 / 8, 0), id="top-k-keeps-ties"),
        # Mass before each, in falling order of (4, 3, 2, 1): 0, .4, .7, .9.
        pytest.param((3, 1, 4, 2), View(top_p=0.35), (0, 0, 1, 0), id="top-p-keeps-the-first"),
        pytest.param((3, 1, 4, 2), View(top_p=0.5), (3 / 7, 0, 4 / 7, 0), id="top-p"),
        pytest.param((3, 1, 4, 2), View(top_p=0.8), (3 / 9, 0, 4 / 9, 2 / 9), id="top-p-of-three"),
        pytest.param((3, 1, 4, 2), View(top_p=0.95), (0.3, 0.1, 0.4, 0.2), id="top-p-of-all"),
        # 1/2 of the mass is reached exactly by the first token: nothing more is needed.
        pytest.param((4, 2, 1, 1), View(top_p=0.5), (1, 0, 0, 0), id="top-p-reached-exactly"),
        # Mass before: 0, 4/10, 7/10. The second token is kept; the third ties with it.
        pytest.param((4, 3, 3), View(top_p=0.5), (0.4, 0.3, 0.3), id="top-p-keeps-ties"),
        pytest.param((1, 1, 1, 1), View(top_p=0.01), (0.25,) * 4, id="top-p-of-equals"),
        # Temperature first: (1, 2, 3) -> (1, 4, 9), mass before 0, 9/14 = .64, 13/14; at p = .6 only the 9
        # stays. Without temperature mass before would be 0, .5, .83 and the 2 would stay as well.
        pytest.param((1, 2, 3), View(temperature=0.5, top_p=0.6), (0, 0, 1), id="temperature-before-top-p"),
        # Top-k first: of (4, 3, 2, 1) the (4, 3, 2) stay, and top-p sees 4/9, 3/9, 2/9, mass before 0, .44,
        # .78. At p = .75 two stay. Over all four tokens mass before is 0, .4, .7 and three would.
        pytest.param((4, 3, 2, 1), View(top_k=3, top_p=0.75), (4 / 7, 3 / 7, 0, 0), id="top-k-before-top-p"),
        # All three: (1, 2, 3, 4) -> (1, 4, 9, 16); k = 3 leaves 16, 9, 4 of 29; mass before 0, .55, .86.
        pytest.param(
            (1, 2, 3, 4), View(temperature=0.5, top_k=3, top_p=0.8), (0, 0, 9 / 25, 16 / 25), id="all-three"
        ),
        # Guidance has been mixed before; the function must not look at it.
        pytest.param((1, 2, 5), View(guidance=7.0), (1 / 8, 2 / 8, 5 / 8), id="guidance-is-not-its-affair"),
    ],
)
def test_the_distribution_is_the_one_worked_out_by_hand(
    weights: tuple[float, ...], view: View, expected: tuple[float, ...]
) -> None:
    probabilities = _probabilities(weights, view)
    assert probabilities == pytest.approx(expected, abs=1e-6)
    assert [p == 0 for p in probabilities] == [e == 0 for e in expected]


def test_filtered_tokens_have_minus_infinity_and_no_nan_appears() -> None:
    logp = log_distribution(_logits(4, 3, 2, 1), View(top_k=2))
    assert logp[2:].tolist() == [-math.inf, -math.inf]
    assert not logp.isnan().any()


VIEWS = st.builds(
    View,
    temperature=st.floats(0.2, 5),
    top_k=st.integers(0, 8),
    top_p=st.floats(0.05, 1),
)
LOGITS = st.lists(st.integers(-6, 6), min_size=2, max_size=7)  # integers tie often


@given(LOGITS, VIEWS)
def test_what_is_kept_is_renormalised_and_keeps_its_ratios(values: list[int], view: View) -> None:
    logits = torch.tensor(values, dtype=torch.float64)
    logp = log_distribution(logits, view)
    assert logp.exp().sum().item() == pytest.approx(1)
    kept = logp > -math.inf
    differences = (logits[kept] - logits[kept][0]) / view.temperature
    assert torch.allclose(logp[kept] - logp[kept][0], differences)


@given(LOGITS, VIEWS)
def test_no_filtered_token_is_as_likely_as_a_kept_one(values: list[int], view: View) -> None:
    logits = torch.tensor(values, dtype=torch.float64)
    kept = log_distribution(logits, view) > -math.inf
    assert kept.any()
    if (~kept).any():
        assert logits[~kept].max() < logits[kept].min()


@given(LOGITS, VIEWS, st.data())
def test_the_result_does_not_depend_on_the_order_of_the_codebook(
    values: list[int], view: View, data: st.DataObject
) -> None:
    order = torch.tensor(data.draw(st.permutations(range(len(values)))))
    logits = torch.tensor(values, dtype=torch.float64)
    assert torch.allclose(log_distribution(logits[order], view), log_distribution(logits, view)[order])


def test_rows_do_not_depend_on_one_another() -> None:
    logits_BTV = torch.randn(3, 4, 9)
    view = View(temperature=0.7, top_k=5, top_p=0.8)
    together = log_distribution(logits_BTV, view)
    for b in range(3):
        for t in range(4):
            assert torch.equal(together[b, t], log_distribution(logits_BTV[b, t], view))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_widened_before_anything_is_done(dtype: torch.dtype) -> None:
    """In bfloat16 itself log(1/3) is off by more than 1e-3; from widened logits it is exact to float32."""
    logits = torch.tensor([0.0, 0.5, 1.0, -1.0]).to(dtype)  # exact in both formats
    view = View(temperature=0.7, top_k=3, top_p=0.9)
    logp = log_distribution(logits, view)
    assert logp.dtype == torch.float32
    assert torch.equal(logp, log_distribution(logits.float(), view))
    third = log_distribution(torch.zeros(3, dtype=dtype), View())[0].item()
    assert third == pytest.approx(-math.log(3), abs=1e-6)


def test_double_precision_is_kept() -> None:
    assert log_distribution(torch.zeros(3, dtype=torch.float64), View()).dtype == torch.float64


def test_gradients_flow_to_kept_tokens_only() -> None:
    """d log p_0 / d logits = 1 - p_0 for itself, -p_j for other kept tokens, 0 for filtered ones."""
    logits = _logits(4, 3, 2, 1).requires_grad_()
    log_distribution(logits, View(top_k=2))[0].backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx([3 / 7, -3 / 7, 0, 0], abs=1e-6)


# --- guidance -----------------------------------------------------------------------------------------------


def test_guidance_moves_from_the_null_branch_past_the_conditional_one() -> None:
    conditional, null = torch.tensor([2.0, 0.0, -1.0]), torch.tensor([1.0, 1.0, 1.0])
    assert mix_guidance(conditional, null, 3.0).tolist() == [4.0, -2.0, -5.0]
    assert mix_guidance(conditional, null, 0.5).tolist() == [1.5, 0.5, 0.0]


@given(st.integers(0, 10**6))
def test_guidance_of_one_is_the_conditional_branch_and_of_zero_the_null_one(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    conditional, null = torch.randn(2, 3, 5, generator=generator)
    assert torch.equal(mix_guidance(conditional, null, 1.0), conditional)
    assert torch.equal(mix_guidance(conditional, null, 0.0), null)


@given(st.integers(0, 10**6), st.floats(0, 10))
def test_guidance_commutes_with_an_affine_head(seed: int, guidance: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    conditional, null = torch.randn(2, 4, 6, generator=generator, dtype=torch.float64)
    weight = torch.randn(9, 6, generator=generator, dtype=torch.float64)
    bias = torch.randn(9, generator=generator, dtype=torch.float64)
    before = mix_guidance(conditional, null, guidance) @ weight.T + bias
    after = mix_guidance(conditional @ weight.T + bias, null @ weight.T + bias, guidance)
    assert torch.allclose(before, after, atol=1e-6, rtol=0)


# --- draw_tokens --------------------------------------------------------------------------------------------


def _draw(weights: tuple[float, ...], uniform: float) -> int:
    logp_BV = log_distribution(_logits(*weights)[None], View())
    return int(draw_tokens(logp_BV, torch.tensor([uniform], dtype=torch.float64)))


@pytest.mark.parametrize(
    ("uniform", "token"),
    [(0.0, 0), (0.0999, 0), (0.1001, 1), (0.2999, 1), (0.3001, 2), (0.5999, 2), (0.6001, 3), (0.999999, 3)],
)
def test_a_token_owns_its_stretch_of_the_cumulative_distribution(uniform: float, token: int) -> None:
    assert _draw((1, 2, 3, 4), uniform) == token  # stretches end at .1, .3, .6, 1


@pytest.mark.parametrize(("uniform", "token"), [(0.0, 0), (0.25, 1), (0.5, 2), (0.75, 3)])
def test_a_stretch_holds_its_lower_end(uniform: float, token: int) -> None:
    logp_BV = torch.tensor([[0.25, 0.25, 0.25, 0.25]]).log()
    assert int(draw_tokens(logp_BV, torch.tensor([uniform], dtype=torch.float64))) == token


@pytest.mark.parametrize("uniform", [0.0, 2**-53, 0.5, LARGEST_UNIFORM])
@pytest.mark.parametrize("weights", [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 3, 0, 1, 0, 0), (0, 1e-30, 0)])
def test_a_token_of_probability_zero_is_never_drawn(weights: tuple[float, ...], uniform: float) -> None:
    """At both ends of the unit interval too, and with such tokens in front, behind and between."""
    assert weights[_draw(weights, uniform)] > 0


@given(st.integers(0, 10**6), st.floats(0, LARGEST_UNIFORM), st.integers(1, 30))
def test_whatever_is_drawn_was_kept(seed: int, uniform: float, top_k: int) -> None:
    logits_BV = 5 * torch.randn(4, 30, generator=torch.Generator().manual_seed(seed))
    logp_BV = log_distribution(logits_BV, View(top_k=top_k))
    tokens_B = draw_tokens(logp_BV, torch.full((4,), uniform, dtype=torch.float64))
    assert (logp_BV.gather(1, tokens_B[:, None]) > -math.inf).all()


def test_rows_are_drawn_with_their_own_number_and_distribution() -> None:
    logp_BV = torch.stack([_logits(1, 1, 2), _logits(2, 1, 1), _logits(0, 1, 0)]) - math.log(4)
    uniform_B = torch.tensor([0.3, 0.3, 0.9], dtype=torch.float64)
    assert draw_tokens(logp_BV, uniform_B).tolist() == [1, 0, 1]


def test_tokens_are_drawn_as_often_as_their_probability_says() -> None:
    """Chi-square over 40 tokens and 200,000 draws: a correct program fails with chance 1e-6."""
    view = View(temperature=0.8, top_k=40)
    logp_V = log_distribution(torch.randn(64), view)
    uniform_B = torch.from_numpy(np.random.default_rng(7).random(200_000))
    tokens_B = draw_tokens(logp_V.expand(len(uniform_B), -1), uniform_B)
    counts_V = torch.bincount(tokens_B, minlength=64)
    kept = logp_V > -math.inf
    assert counts_V[~kept].sum() == 0
    expected_V = logp_V.exp().double() * len(uniform_B)
    chi_square = ((counts_V - expected_V).square() / expected_V)[kept].sum().item()
    assert chi_square < stats.chi2.isf(1e-6, df=int(kept.sum()) - 1)


def test_a_larger_number_never_draws_an_earlier_token() -> None:
    logp_V = log_distribution(torch.randn(50), View())
    uniform_B = torch.linspace(0, LARGEST_UNIFORM, 1000, dtype=torch.float64)
    tokens_B = draw_tokens(logp_V.expand(1000, -1), uniform_B)
    assert (tokens_B.diff() >= 0).all()


# --- token_logp ---------------------------------------------------------------------------------------------


def test_token_logp_picks_the_entry_of_each_token() -> None:
    logp_BTV = torch.arange(24.0).reshape(2, 3, 4)
    tokens_BT = torch.tensor([[0, 3, 1], [2, 2, 0]])
    assert token_logp(logp_BTV, tokens_BT).tolist() == [[0, 7, 9], [14, 18, 20]]
