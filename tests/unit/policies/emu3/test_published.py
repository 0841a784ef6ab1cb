"""The published sizes, counted by hand; without memory for the weights."""

import pytest
import torch

from tessera.policies.emu3.config import Emu3Config
from tessera.policies.emu3.policy import Emu3Policy
from tessera.policies.emu3.published import random_emu3


@pytest.fixture(scope="module")
def policy() -> Emu3Policy:
    return random_emu3(seed=0, device=torch.device("meta"))


def test_parameters_are_those_of_the_published_sizes(policy: Emu3Policy) -> None:
    layer = 4096 * (2 * 4096 + 2 * 1024 + 3 * 14336 + 2)
    layers = 32 * layer + 4096
    assert sum(parameter.numel() for _, parameter in policy.trainable()) == layers
    assert policy.codes.weight.numel() + policy.words.numel() == 184622 * 4096
    vq = sum(parameter.numel() for parameter in policy.vq.parameters())
    assert policy.footprint.parameters == layers + 2 * 184622 * 4096 + vq
    assert 8.4e9 < policy.footprint.parameters - vq < 8.6e9  # published as 8B
    assert 2.6e8 < vq < 2.8e8


def test_a_position_of_the_cache_is_as_large_as_the_sizes_say(policy: Emu3Policy) -> None:
    """4 pictures with guidance, bfloat16: 8 rows of 2 x 32 layers x 1024 x 2 bytes, 1 MiB a position."""
    cache = policy.new_cache(8, 10)
    assert sum(half.nbytes for half in cache.store.tensors) == 10 * 2**20


def test_the_spec_is_that_of_the_official_script(policy: Emu3Policy) -> None:
    spec = policy.spec
    assert (spec.tokens, spec.codebook, spec.grid, spec.image_size) == (8100, 32768, (90, 90), (720, 720))
    assert spec.prefix == 256 + 7


def test_smaller_pictures_are_a_setting() -> None:
    small = random_emu3(
        seed=0, settings=Emu3Config(grid=(24, 32), text_slots=256), device=torch.device("meta")
    )
    assert (small.spec.tokens, small.spec.image_size) == (768, (192, 256))
    text = small.prompts.tokenizer.decode(list(small.prompts.preamble), skip_special_tokens=False)
    assert text.replace(" ", "") == "<|imagestart|>24*32<|imagetoken|>"
