"""Blank slots are never attended, whatever stands in them, and rows give what they give alone."""

import torch
from torch import Tensor

from tessera.policies.janus.policy import JanusPolicy
from tessera.policies.trunk import PaddedCache
from tessera.sampling.decode import prefill_rows
from tessera.tensors import TextBatch
from tessera.types import View
from tests.contracts.janus import tiny_janus

PROMPTS = ("a star", "a photo of two red circles", "large blue hearts drawn on paper")


def _tokens(policy: JanusPolicy, rows: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(policy.spec.codebook, (rows, policy.spec.tokens), generator=generator)


def _stepped(policy: JanusPolicy, text: TextBatch, cache: PaddedCache) -> Tensor:
    """Returns the features of all steps, through the given cache."""
    tokens_BT = _tokens(policy, len(text))
    rows = [policy.prefill(text, cache)]
    rows += [policy.step(tokens_BT[:, i], i, cache) for i in range(policy.spec.tokens - 1)]
    return torch.stack(rows, dim=1)


def _cache(policy: JanusPolicy, rows: int) -> PaddedCache:
    return policy.new_cache(rows, policy.spec.prefix + policy.spec.tokens - 1)


def test_what_stands_in_blank_slots_changes_nothing() -> None:
    policy = tiny_janus()
    text = policy.tokenize(PROMPTS)
    other = TextBatch(ids=torch.where(text.mask, text.ids, 77), mask=text.mask)
    tokens_BT = _tokens(policy, len(text))
    with torch.no_grad():
        assert torch.equal(policy.features(text, tokens_BT), policy.features(other, tokens_BT))
        ours, theirs = (_stepped(policy, each, _cache(policy, len(text))) for each in (text, other))
    assert torch.equal(ours, theirs)


def test_what_a_cache_held_before_is_never_read() -> None:
    policy = tiny_janus()
    text, cache = policy.tokenize(PROMPTS), _cache(tiny_janus(), len(PROMPTS))
    with torch.no_grad():
        for half in cache.store.tensors:
            half.zero_()
        clean = _stepped(policy, text, cache)
        for half in cache.store.tensors:
            half.fill_(torch.nan)
        assert torch.equal(_stepped(policy, text, cache), clean)


def test_no_slot_that_all_rows_leave_blank_is_computed() -> None:
    policy = tiny_janus()
    text, cache = policy.tokenize(PROMPTS[:1]), _cache(tiny_janus(), 1)
    blank = int(text.mask.logical_not().sum())
    keys, _ = cache.store.tensors
    keys.fill_(torch.nan)
    with torch.no_grad():
        policy.prefill(text, cache)
    assert keys[:, :, :, :blank].isnan().all()
    assert keys[:, :, :, blank : policy.spec.prefix].isfinite().all()


def test_fan_out_carries_where_rows_begin() -> None:
    policy = tiny_janus()
    text = policy.tokenize(PROMPTS)
    blank = text.mask.logical_not().sum(1)
    with torch.no_grad():
        cache, _ = prefill_rows(policy, text, torch.tensor([2, 0, 2]), View(guidance=5.0))
    assert isinstance(cache, PaddedCache)
    assert cache.blank_B.tolist() == [blank[2], blank[0], blank[2]] * 2
    assert cache.bounds.tolist() == [int(cache.blank_B.min()), int(cache.blank_B.max())]
    assert cache.bounds.device.type == "cpu"


def test_the_width_of_the_window_changes_nothing() -> None:
    wide, narrow = tiny_janus(text_slots=70), tiny_janus(text_slots=40)
    tokens_BT = _tokens(wide, len(PROMPTS))
    with torch.no_grad():
        expected = narrow.features(narrow.tokenize(PROMPTS), tokens_BT)
        assert torch.allclose(wide.features(wide.tokenize(PROMPTS), tokens_BT), expected, atol=1e-6)
        stepped = _stepped(wide, wide.tokenize(PROMPTS), _cache(wide, len(PROMPTS)))
    assert torch.allclose(stepped, expected, atol=1e-5)


def test_gradients_do_not_depend_on_the_neighbours_lengths() -> None:
    policy = tiny_janus()
    tokens_BT = _tokens(policy, 1)
    gradients = []
    for prompts in (PROMPTS[:1], PROMPTS):
        text = policy.tokenize(prompts)
        policy.features(text, tokens_BT.expand(len(text), -1))[0].square().sum().backward()
        gradients.append({name: parameter.grad for name, parameter in policy.trainable()})
        for _, parameter in policy.trainable():
            parameter.grad = None
    for name, alone in gradients[0].items():
        if alone is not None:  # the head's last layer is not among the features
            scale = max(1.0, float(alone.abs().max()))
            assert torch.allclose(alone, gradients[1][name], atol=1e-5 * scale), name
