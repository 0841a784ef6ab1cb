"""The window that mosaic draws through on a CPU: what a plain cache of all slots gives, however it widens."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tessera.policies.mosaic import cache
from tessera.policies.mosaic.cache import MosaicCache
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.sampling.cache import StaticCache
from tests.contracts.policies import random_tokens, tiny_mosaic

PROMPTS = ("a star", "a photo of two red circles", "a large blue heart drawn on paper")
ROWS = [[0], [0, 0, 1, 1, 2, 2], [2, 0, 1]]


def _fanned(policy: MosaicPolicy, rows: list[int], *, plain: bool) -> MosaicCache:
    """Returns a cache with every row's text in it, in a window or as any static cache has it."""
    text = policy.tokenize(PROMPTS)
    prefix = policy.new_cache(len(PROMPTS), policy.spec.prefix)
    policy.prefill(text, prefix)
    kept = policy.new_cache(len(rows), policy.spec.prefix + policy.spec.tokens - 1)
    if plain:
        StaticCache.fan_out(kept, prefix, torch.tensor(rows), policy.spec.prefix)
    else:
        kept.fan_out(prefix, torch.tensor(rows), policy.spec.prefix)
    return kept


def _steps(policy: MosaicPolicy, kept: MosaicCache, tokens_BT: Tensor) -> Tensor:
    return torch.stack(
        [policy.step(tokens_BT[:, index], index, kept) for index in range(policy.spec.tokens - 1)]
    )


@pytest.mark.parametrize("wider_by", [1, 3, 32, 1000])
@pytest.mark.parametrize("rows", ROWS)
@torch.no_grad()
def test_steps_through_a_window_are_those_over_a_plain_cache(
    rows: list[int], wider_by: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "WIDER_BY", wider_by)
    policy = tiny_mosaic().double()
    tokens_BT = random_tokens(policy, len(rows))
    through = _fanned(policy, rows, plain=False)
    assert through.window
    plain = _fanned(policy, rows, plain=True)
    assert not plain.window
    assert torch.allclose(
        _steps(policy, through, tokens_BT), _steps(policy, plain, tokens_BT), atol=1e-10, rtol=0
    )


@torch.no_grad()
def test_slots_that_are_not_filled_yet_are_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that holds another picture gives what fresh memory gives, bit for bit."""
    monkeypatch.setattr(cache, "WIDER_BY", 5)
    policy = tiny_mosaic()
    tokens_BT = random_tokens(policy, 3)
    fresh = _steps(policy, _fanned(policy, [0, 1, 2], plain=False), tokens_BT)
    used = _fanned(policy, [2, 2, 2], plain=False)
    _steps(policy, used, random_tokens(policy, 3) * 0)
    again = replace(_fanned(policy, [0, 1, 2], plain=False), keys=used.keys, values=used.values)
    prefix = policy.new_cache(len(PROMPTS), policy.spec.prefix)
    policy.prefill(policy.tokenize(PROMPTS), prefix)
    again.fan_out(prefix, torch.tensor([0, 1, 2]), policy.spec.prefix)
    assert torch.equal(_steps(policy, again, tokens_BT), fresh)


@torch.no_grad()
def test_a_window_is_as_wide_as_it_must_be_and_lies_in_the_memory_of_its_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache, "WIDER_BY", 4)
    policy = tiny_mosaic()
    kept = _fanned(policy, [0, 1], plain=False)
    prefix, total = policy.spec.prefix, policy.spec.prefix + policy.spec.tokens - 1
    widths: list[int] = []
    for index in range(policy.spec.tokens - 1):
        policy.step(torch.tensor([0, 0]), index, kept)
        widths.append(kept.window[0].width)
        assert kept.window[0].keys.data_ptr() == kept.keys.data_ptr()
        assert kept.window[0].values.data_ptr() == kept.values.data_ptr()
    assert widths == [min(total, (prefix + index) // 4 * 4 + 4) for index in range(policy.spec.tokens - 1)]
