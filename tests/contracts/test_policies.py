"""The contract of `tessera.protocols.Policy`: what sampler, trainer and benchmarks take for granted.

The policies are in `policies.py`, what is asked of their weights in `test_policy_weights.py`.
"""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tessera.errors import PromptError
from tessera.protocols import Policy
from tessera.sampling.decode import decode_rows, prefill_rows
from tessera.sampling.replay import replay_logp
from tessera.sampling.sampler import Request, requests, sample
from tessera.tensors import Rollouts, TextBatch
from tessera.types import View
from tests.contracts.policies import Case, random_tokens

TOLERANCE = 1e-5


def _by_request(rollouts: Rollouts) -> dict[tuple[str, int], tuple[list[int], Tensor]]:
    """Returns the tokens and log-probs of each (prompt, sample)."""
    rows = zip(rollouts.prompts, rollouts.samples, rollouts.tokens, rollouts.logp, strict=True)
    return {(prompt, sample): (tokens.tolist(), logp) for prompt, sample, tokens, logp in rows}


# --- sizes --------------------------------------------------------------------------------------------------


def test_the_spec_agrees_with_itself_and_with_what_the_methods_return(policy: Policy, case: Case) -> None:
    spec = policy.spec
    assert spec.grid[0] * spec.grid[1] == spec.tokens
    text = policy.tokenize(case.prompts)
    assert len(text) == len(case.prompts)
    assert text.ids.shape == text.mask.shape
    assert text.mask.dtype == torch.bool
    assert text.ids.shape[1] <= spec.prefix
    tokens_BT = random_tokens(policy, len(text))
    with torch.no_grad():
        features_BTD = policy.features(text, tokens_BT)
        assert features_BTD.shape[:2] == (len(text), spec.tokens)
        assert policy.head(features_BTD).shape == (len(text), spec.tokens, spec.codebook)
        assert policy.head(features_BTD[:, 0]).shape == (len(text), spec.codebook)
        first_BD = policy.prefill(text, policy.new_cache(len(text), spec.prefix))
        assert first_BD.shape == features_BTD[:, 0].shape


def test_pictures_are_bytes_and_codes_are_of_the_codebook(policy: Policy) -> None:
    spec = policy.spec
    images_BHWC = policy.decode(random_tokens(policy, 3))
    assert images_BHWC.dtype == np.uint8
    assert images_BHWC.shape == (3, *spec.image_size, 3)
    tokens_BT = policy.encode(images_BHWC)
    assert tokens_BT.dtype == torch.int64
    assert tokens_BT.shape == (3, spec.tokens)
    assert 0 <= int(tokens_BT.min()) <= int(tokens_BT.max()) < spec.codebook
    assert policy.decode(tokens_BT).shape == images_BHWC.shape


def test_pictures_do_not_depend_on_their_neighbours(policy: Policy) -> None:
    """Up to one level: a convolution may round otherwise in another batch."""
    tokens_BT = random_tokens(policy, 4)
    together = policy.decode(tokens_BT).astype(int)
    for row in range(4):
        assert np.abs(policy.decode(tokens_BT[row : row + 1])[0].astype(int) - together[row]).max() <= 1


# --- text ---------------------------------------------------------------------------------------------------


def test_what_a_policy_cannot_read_it_refuses(policy: Policy, case: Case) -> None:
    with pytest.raises(PromptError):
        policy.tokenize([case.unreadable])
    with pytest.raises(PromptError):
        policy.tokenize([case.prompts[0], case.unreadable])


def test_a_prompt_longer_than_the_window_is_refused_not_cut(policy: Policy, case: Case) -> None:
    with pytest.raises(PromptError, match="at most"):
        policy.tokenize([" ".join([case.prompts[0]] * 2000)])


def test_the_null_prompt_tells_nothing_of_a_prompt_but_its_length(policy: Policy, case: Case) -> None:
    text = policy.tokenize(case.prompts)
    null = policy.null_like(TextBatch(ids=text.ids, mask=text.mask[:1].expand_as(text.mask)))
    tokens_BT = random_tokens(policy, 1).expand(len(null), -1)
    with torch.no_grad():
        features_BTD = policy.features(null, tokens_BT)
    assert len(null) == len(case.prompts)
    assert torch.allclose(features_BTD, features_BTD[:1].expand_as(features_BTD), atol=TOLERANCE)


def test_every_prompt_and_the_null_prompt_predict_something_else(policy: Policy, case: Case) -> None:
    """Else everything below holds for a policy that does not look at its prompt."""
    text = policy.tokenize(case.prompts)
    first = torch.zeros(1, dtype=torch.long)
    text = text.cat(policy.null_like(text.rows(first)))
    tokens_BT = random_tokens(policy, 1).expand(len(text), -1)
    with torch.no_grad():
        logp_BTV = policy.head(policy.features(text, tokens_BT)).log_softmax(-1)
    for i in range(len(text)):
        for j in range(i):
            assert (logp_BTV[i] - logp_BTV[j]).abs().mean() > 0.01


def test_a_prompt_does_not_depend_on_the_length_of_the_others(policy: Policy, case: Case) -> None:
    tokens_BT = random_tokens(policy, len(case.prompts))
    with torch.no_grad():
        together = policy.features(policy.tokenize(case.prompts), tokens_BT)
        for row, prompt in enumerate(case.prompts):
            alone = policy.features(policy.tokenize([prompt]), tokens_BT[row : row + 1])
            assert torch.allclose(alone[0], together[row], atol=TOLERANCE)


# --- cached steps and teacher forcing -----------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, TOLERANCE), (torch.float64, 1e-12)])
def test_cached_steps_give_the_logits_of_teacher_forcing_at_every_position(
    policy: Policy, case: Case, dtype: torch.dtype, tolerance: float
) -> None:
    """The same function: to rounding in float64, and in float32 to 1e-5 of the largest logit."""
    assert isinstance(policy, nn.Module)
    policy.to(dtype)
    text, spec = policy.tokenize(case.prompts), policy.spec
    tokens_BT = random_tokens(policy, len(text))
    with torch.no_grad():
        expected_BTV = policy.head(policy.features(text, tokens_BT))
        tolerance *= max(1.0, float(expected_BTV.abs().max()))
        cache = policy.new_cache(len(text), spec.prefix + spec.tokens - 1)
        features_BD = policy.prefill(text, cache)
        for index in range(spec.tokens):
            gap = (policy.head(features_BD) - expected_BTV[:, index]).abs().max()
            assert gap < tolerance, index
            if index + 1 < spec.tokens:
                features_BD = policy.step(tokens_BT[:, index], index, cache)
    assert (expected_BTV[:, 1:] - expected_BTV[:, :-1]).abs().mean() > 0.01  # positions do differ


def test_a_token_changes_what_comes_after_it_and_nothing_before(policy: Policy, case: Case) -> None:
    text = policy.tokenize(case.prompts[:1])
    tokens_BT = random_tokens(policy, 1)
    at = policy.spec.tokens // 2
    other_BT = tokens_BT.clone()
    other_BT[:, at] = (other_BT[:, at] + 1) % policy.spec.codebook
    with torch.no_grad():
        change_T = (policy.features(text, tokens_BT) - policy.features(text, other_BT)).abs().amax(-1)[0]
    assert (change_T[: at + 1] < TOLERANCE).all()
    assert (change_T[at + 1 :] > TOLERANCE).all()


def test_rows_of_a_cache_can_be_fanned_out_in_any_order(policy: Policy, case: Case) -> None:
    """Each distinct prompt is read once, then copied to the rows that want it."""
    text = policy.tokenize(case.prompts)
    rows_B = torch.tensor([2, 0, 2, 1, 0])
    tokens_B = random_tokens(policy, 5)[:, 0]
    with torch.no_grad():
        cache, first_BD = prefill_rows(policy, text, rows_B, View())
        second_BD = policy.step(tokens_B, 0, cache)
        tokens_BT = tokens_B[:, None].expand(-1, policy.spec.tokens)
        expected_BTD = policy.features(text.rows(rows_B), tokens_BT)
    assert torch.allclose(first_BD, expected_BTD[:, 0], atol=TOLERANCE)
    assert torch.allclose(second_BD, expected_BTD[:, 1], atol=TOLERANCE)


def test_the_head_is_affine(policy: Policy, case: Case) -> None:
    """Guidance mixes features before the head on the strength of this."""
    with torch.no_grad():
        features_BTD = policy.features(policy.tokenize(case.prompts[:2]), random_tokens(policy, 2))
        a, b = features_BTD
        mixed = policy.head(b + 3.0 * (a - b))
        by_hand = policy.head(b) + 3.0 * (policy.head(a) - policy.head(b))
    assert torch.allclose(mixed, by_hand, atol=1e-4)


# --- log-probabilities --------------------------------------------------------------------------------------


def test_a_replayed_log_probability_is_the_drawn_one(policy: Policy, case: Case, view: View) -> None:
    """In float64, as guidance multiplies what two orders of summation differ by: 1e-5 in float32.

    A token within rounding of a filter's edge could fall on its other side: a chance of about 1e-9.
    """
    assert isinstance(policy, nn.Module)
    policy.to(torch.float64)
    drawn = sample(policy, requests(case.prompts, 3), view, seed=1)
    with torch.no_grad():
        replayed_BT = replay_logp(policy, policy.tokenize(drawn.prompts), drawn.tokens, view)
    # What was drawn is noted in float32.
    assert torch.allclose(replayed_BT.float(), drawn.logp, atol=TOLERANCE, rtol=0)


def test_drawn_tokens_have_finite_log_probabilities_not_above_zero(
    policy: Policy, case: Case, view: View
) -> None:
    drawn = sample(policy, requests(case.prompts, 3), view, seed=2)
    assert drawn.logp.isfinite().all()
    assert (drawn.logp <= 0).all()
    assert ((drawn.tokens >= 0) & (drawn.tokens < policy.spec.codebook)).all()


def test_a_view_filters_what_is_drawn(policy: Policy, case: Case) -> None:
    """With k = 5 each token is one of the five likeliest, which without it has chance 1e-30 and less."""
    drawn = sample(policy, requests(case.prompts, 3), View(top_k=5), seed=3)
    with torch.no_grad():
        logits_BTV = policy.head(policy.features(policy.tokenize(drawn.prompts), drawn.tokens))
    fifth_BT = logits_BTV.topk(5, dim=-1).values[..., -1]
    chosen_BT = logits_BTV.gather(-1, drawn.tokens[..., None])[..., 0]
    assert (chosen_BT >= fifth_BT - TOLERANCE).all()


def test_guidance_of_one_is_the_conditional_branch(policy: Policy, case: Case) -> None:
    """Through the mixed path too, which a guidance of one skips: a hair off one is a hair off."""
    wanted = requests(case.prompts, 2)
    plain = sample(policy, wanted, View(), seed=4)
    text = policy.tokenize(plain.prompts)
    with torch.no_grad():
        one = replay_logp(policy, text, plain.tokens, View(guidance=1.0))
        almost = replay_logp(policy, text, plain.tokens, View(guidance=1.0 + 1e-7))
    assert torch.allclose(one, plain.logp, atol=TOLERANCE)
    assert torch.allclose(almost, plain.logp, atol=TOLERANCE)


def test_guidance_of_zero_is_the_null_prompt(policy: Policy, case: Case) -> None:
    drawn = sample(policy, requests(case.prompts, 2), View(guidance=0.0), seed=5)
    null = policy.null_like(policy.tokenize(drawn.prompts))
    with torch.no_grad():
        assert torch.allclose(replay_logp(policy, null, drawn.tokens, View()), drawn.logp, atol=TOLERANCE)


def test_guidance_mixes_logits_by_hand(policy: Policy, case: Case) -> None:
    text = policy.tokenize(case.prompts)
    tokens_BT = random_tokens(policy, len(text))
    with torch.no_grad():
        conditional = policy.head(policy.features(text, tokens_BT))
        null = policy.head(policy.features(policy.null_like(text), tokens_BT))
        expected = (
            (null + 3.0 * (conditional - null)).log_softmax(-1).gather(-1, tokens_BT[..., None])[..., 0]
        )
        assert torch.allclose(replay_logp(policy, text, tokens_BT, View(guidance=3.0)), expected, atol=1e-4)


def test_tokens_are_drawn_by_the_numbers_given(policy: Policy, case: Case) -> None:
    """The number 0 draws the first token of the codebook that has any mass; nearly 1 the last one."""
    text = policy.tokenize(case.prompts[:1])
    rows_B = torch.zeros(2, dtype=torch.long)
    uniform_BT = torch.tensor([[0.0], [1 - 2**-53]], dtype=torch.float64).expand(-1, policy.spec.tokens)
    tokens_BT, _ = decode_rows(policy, text, rows_B, uniform_BT, View(top_k=3))
    with torch.no_grad():
        logits_BTV = policy.head(policy.features(text.rows(rows_B), tokens_BT))
    kept_BT3 = logits_BTV.topk(3, dim=-1).indices
    assert (tokens_BT[0] == kept_BT3[0].amin(-1)).all()
    assert (tokens_BT[1] == kept_BT3[1].amax(-1)).all()


# --- independence of rows -----------------------------------------------------------------------------------
# Rounding differs between batch sizes by about 1e-6; a number within that of an edge between two tokens would
# change a token: chance about 1e-6 per token, 1e-3 for each of these tests, decided once by the seed.


def test_a_rollout_does_not_depend_on_the_batch_size(policy: Policy, case: Case, view: View) -> None:
    wanted = requests(case.prompts, 3)
    one, three, eight = (sample(policy, wanted, view, seed=6, batch_size=size) for size in (1, 3, 8))
    assert torch.equal(one.tokens, three.tokens)
    assert torch.equal(one.tokens, eight.tokens)
    assert torch.allclose(one.logp, eight.logp, atol=TOLERANCE)


def test_a_rollout_does_not_depend_on_order_or_neighbours(policy: Policy, case: Case) -> None:
    view = View(guidance=3.0, top_p=0.9)
    wanted = requests(case.prompts, 3)
    expected = _by_request(sample(policy, wanted, view, seed=7))
    order = torch.randperm(len(wanted)).tolist()
    for other in ([wanted[i] for i in order], wanted[::-1], wanted[4:5], [wanted[8], wanted[0]]):
        for key, (tokens, logp) in _by_request(sample(policy, other, view, seed=7, batch_size=4)).items():
            assert tokens == expected[key][0]
            assert torch.allclose(logp, expected[key][1], atol=TOLERANCE)


def test_requests_come_back_in_order_with_their_names_and_seeds(policy: Policy, case: Case) -> None:
    wanted = [Request(case.prompts[1], 4), Request(case.prompts[0], 0), Request(case.prompts[1], 2)]
    heard: list[tuple[int, int]] = []

    def listen(what: str, done: int, total: int, note: str = "") -> None:
        heard.append((done, total))

    drawn = sample(policy, wanted, View(), seed=8, batch_size=2, on_progress=listen)
    assert drawn.prompts == (case.prompts[1], case.prompts[0], case.prompts[1])
    assert drawn.samples == (4, 0, 2)
    assert len(set(drawn.seeds)) == 3
    assert (drawn.view, drawn.policy_digest) == (View(), policy.digest())
    assert heard == [(2, 3), (3, 3)]


def test_samples_of_a_prompt_differ(policy: Policy, case: Case) -> None:
    """Two of them agree with a chance far below 2^-64: every token would have to fall the same way."""
    drawn = sample(policy, requests(case.prompts[:1], 8), View(), seed=9)
    assert len({tuple(tokens) for tokens in drawn.tokens.tolist()}) == 8


def test_the_same_seed_draws_the_same_and_another_seed_something_else(policy: Policy, case: Case) -> None:
    wanted = requests(case.prompts, 2)
    first, again, other = (sample(policy, wanted, View(), seed=seed) for seed in (10, 10, 11))
    assert torch.equal(first.tokens, again.tokens)
    assert torch.equal(first.logp, again.logp)
    assert not (first.tokens == other.tokens).all(dim=1).any()


def test_sampling_leaves_the_global_generators_alone(policy: Policy, case: Case) -> None:
    before = torch.get_rng_state(), str(np.random.get_state())
    sample(policy, requests(case.prompts, 1), View(), seed=12)
    assert torch.equal(before[0], torch.get_rng_state())
    assert str(np.random.get_state()) == before[1]


def test_text_batches_are_picked_and_joined_by_row(policy: Policy, case: Case) -> None:
    text = policy.tokenize(case.prompts)
    picked: TextBatch = text.rows(torch.tensor([2, 0])).cat(text)
    expected = [case.prompts[2], case.prompts[0], *case.prompts]
    tokens_BT = random_tokens(policy, len(expected))
    with torch.no_grad():
        assert torch.allclose(
            policy.features(picked, tokens_BT),
            policy.features(policy.tokenize(expected), tokens_BT),
            atol=TOLERANCE,
        )
