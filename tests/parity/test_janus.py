"""Our Janus against transformers' own `generate` and forward pass, on random weights at tiny size.

Greedy tokens agree unless two logits lie within rounding (1e-5) of one another: chance about 1e-4 per token
row, decided once by the seed.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from tessera.policies.janus.policy import JanusPolicy
from tessera.policies.trunk import PaddedCache
from tessera.sampling.decode import decode_rows, prefill_rows
from tessera.sampling.replay import replay_distribution, view_logp
from tessera.tensors import TextBatch
from tessera.types import View
from tests.contracts.janus import generated, tiny_janus

PROMPTS = ("a star", "a photo of two red circles", "large blue hearts drawn on paper")


def _greedy(policy: JanusPolicy, text: TextBatch, view: View) -> Tensor:
    """Returns the likeliest token at each step."""
    rows_B = torch.arange(len(text))
    cache, features = prefill_rows(policy, text, rows_B, view)
    assert isinstance(cache, PaddedCache)
    drawn: list[Tensor] = []
    for index in range(policy.spec.tokens):
        drawn.append(view_logp(policy, features, view).argmax(-1))
        if index + 1 < policy.spec.tokens:
            both = torch.cat([drawn[-1], drawn[-1]]) if view.guided else drawn[-1]
            features = policy.step(both, index, cache)
    return torch.stack(drawn, dim=1)


@pytest.mark.parametrize("prompts", [PROMPTS, PROMPTS[:1], PROMPTS[1:]], ids=["three", "one", "two"])
def test_greedy_tokens_with_guidance_are_those_of_generate(prompts: tuple[str, ...]) -> None:
    """Of a padded batch as of a single row, each with a null prompt of its own length."""
    policy = tiny_janus()
    text = policy.tokenize(prompts)
    with torch.no_grad():
        ours = _greedy(policy, text, View(guidance=5.0))
        assert torch.equal(ours, generated(policy, text, guidance=5.0, likeliest=True))
        assert not torch.equal(ours, _greedy(policy, text, View()))  # guidance does something
    assert len(set(ours[0].tolist())) > 4  # and the tokens do vary


def test_logits_are_those_of_transformers_forward_pass_over_the_whole_sequence() -> None:
    """Left-padded with an attention mask and positions, by the model's own masks, without our cache."""
    policy = tiny_janus()
    text = policy.tokenize(PROMPTS)
    tokens_BT = torch.randint(policy.spec.codebook, (len(PROMPTS), policy.spec.tokens))
    model, inner = policy.model, policy.model.model
    first = torch.full_like(text.ids[:, :1], policy.prompts.begin_of_image)
    with torch.no_grad():
        words = inner.language_model.embed_tokens(torch.cat([text.ids, first], dim=1))
        codes = model.prepare_embeddings_for_image_generation(tokens_BT[:, :-1])
        seen = torch.cat([text.mask, torch.ones_like(tokens_BT, dtype=torch.bool)], dim=1)
        states = inner.language_model(
            inputs_embeds=torch.cat([words, codes], dim=1),
            attention_mask=seen.long(),
            position_ids=(seen.cumsum(1) - 1).clamp(min=0),
        ).last_hidden_state
        expected = inner.generation_head(states[:, -policy.spec.tokens :])
        ours = policy.head(policy.features(text, tokens_BT))
    assert torch.allclose(ours, expected, atol=1e-5)


def test_guidance_mixed_before_the_last_layer_is_guidance_mixed_after_it() -> None:
    """With transformers' whole head on both branches, GELU and all."""
    policy, view = tiny_janus(), View(guidance=5.0)
    text, head = policy.tokenize(PROMPTS), policy.model.model.generation_head
    tokens_BT = torch.randint(policy.spec.codebook, (len(PROMPTS), policy.spec.tokens))
    seen: list[Tensor] = []
    hook = head.proj_out.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    with torch.no_grad():
        mixed = replay_distribution(policy, text, tokens_BT, view)
        hook.remove()
        conditional, null = head(seen[0]).chunk(2)
        expected = (null + 5.0 * (conditional - null)).log_softmax(-1)
    assert torch.allclose(mixed, expected, atol=1e-5)


def test_pictures_are_those_of_transformers_decoder_rounded_and_within_one_level_of_cut_off() -> None:
    policy = tiny_janus()
    tokens_BT = torch.randint(policy.spec.codebook, (5, policy.spec.tokens))
    images = policy.decode(tokens_BT)
    with torch.no_grad():
        x_BHWC = policy.model.decode_image_tokens(tokens_BT).double().numpy()
    levels = np.clip((x_BHWC + 1) / 2 * 255, 0, 255)
    assert np.abs(images - levels).max() <= 0.5 + 1e-4
    assert np.abs(images.astype(int) - levels.astype(np.uint8)).max() <= 1  # the official script cuts off
    assert images.std() > 10


def test_a_drawn_picture_is_scored_as_it_was_drawn_with_the_official_view() -> None:
    policy = tiny_janus()
    text = policy.tokenize(PROMPTS)
    uniform = torch.rand(3, policy.spec.tokens, dtype=torch.float64)
    tokens_BT, logp_BT = decode_rows(policy, text, torch.arange(3), uniform, policy.spec.default_view)
    with torch.no_grad():
        conditional, null = (
            policy.model.model.generation_head(_states(policy, each, tokens_BT))
            for each in (text, policy.null_like(text))
        )
    expected = (null + 5.0 * (conditional - null)).log_softmax(-1).gather(-1, tokens_BT[..., None])[..., 0]
    assert torch.allclose(logp_BT, expected, atol=1e-4)


def _states(policy: JanusPolicy, text: TextBatch, tokens_BT: Tensor) -> Tensor:
    """Returns the states of transformers' language model, row by row without padding."""
    language, rows = policy.model.model.language_model, []
    for ids, mask, tokens in zip(text.ids, text.mask, tokens_BT, strict=True):
        words = torch.cat([ids[mask], torch.tensor([policy.prompts.begin_of_image])])
        codes = policy.model.prepare_embeddings_for_image_generation(tokens[None, :-1])
        x_1SD = torch.cat([language.embed_tokens(words)[None], codes], dim=1)
        rows.append(language(inputs_embeds=x_1SD).last_hidden_state[0, len(words) - 1 :])
    return torch.stack(rows)
