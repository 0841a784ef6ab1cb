"""Tiny policies of the real classes: equal at every call, small, and read again as saved."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tessera.data.toy import toy_prompts
from tessera.errors import UserError
from tessera.policies.load import load_policy
from tessera.policies.saved import save_policy
from tessera.policies.tiny import TINY
from tessera.sampling.sampler import requests, sample

PROMPTS = [prompt.text for prompt in toy_prompts()]


@pytest.mark.parametrize("name", TINY)
def test_it_is_equal_at_every_call_whatever_was_drawn_before(name: str) -> None:
    first = load_policy(f"random:{name}")
    torch.manual_seed(7)
    state = torch.get_rng_state()
    assert load_policy(f"random:{name}").digest() == first.digest()
    assert torch.equal(torch.get_rng_state(), state)
    assert sum(parameter.numel() for parameter in first.parameters()) < 500_000
    assert not first.training


@pytest.mark.parametrize("name", TINY)
def test_it_reads_every_shipped_prompt_and_its_pictures_differ(name: str) -> None:
    policy = load_policy(f"random:{name}")
    rollouts = sample(policy, requests(PROMPTS[::4], 1), policy.spec.default_view, seed=3)
    images_BHWC = policy.decode(rollouts.tokens)
    assert images_BHWC.shape == (16, 16, 16, 3)
    assert len(np.unique(images_BHWC.reshape(16, -1), axis=0)) == 16
    assert images_BHWC.std() > 1  # shades of 255: something is to be seen


@pytest.mark.parametrize("name", TINY)
def test_saved_and_read_again_it_draws_the_same(name: str, tmp_path: Path) -> None:
    """Of LlamaGen the random text encoder could not be found again."""
    policy = load_policy(f"random:{name}")
    save_policy(policy, tmp_path, torch.float32)
    read = load_policy(str(tmp_path))
    wanted, view = requests(PROMPTS[:2], 2), policy.spec.default_view
    assert torch.equal(sample(read, wanted, view).tokens, sample(policy, wanted, view).tokens)


def test_an_unknown_tiny_policy_is_told_the_nearest() -> None:
    with pytest.raises(UserError, match=r"Did you mean 'emu3-tiny'"):
        load_policy("random:emu3-tniy")
