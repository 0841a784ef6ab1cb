"""The published sizes, counted by hand; without memory for the weights."""

import pytest
import torch

from tessera.policies.janus.published import LANGUAGE, Size, random_janus

SIGLIP = (
    24 * (4 * (1024**2 + 1024) + 2 * 4 * 1024**2 + 5 * 1024 + 4 * 1024) + 769 * 1024 + 576 * 1024 + 2 * 1024
)


@pytest.mark.parametrize("size", ["1b", "7b"])
def test_parameters_are_those_of_the_published_sizes(size: Size) -> None:
    policy = random_janus(size, seed=0, device=torch.device("meta"))
    width, mlp_width, layers, heads = LANGUAGE[size]
    language = layers * (4 * width**2 + 3 * width * mlp_width + 2 * width) + width + 102400 * width
    assert sum(parameter.numel() for parameter in policy.units()[-1].parameters()) == language
    inner = policy.model.model
    counted = {name: sum(each.numel() for each in part.parameters()) for name, part in inner.named_children()}
    assert counted["vision_model"] == SIGLIP
    assert counted["generation_embeddings"] == 16384 * 8
    assert counted["generation_aligner"] == 8 * width + width + width**2 + width
    assert counted["generation_head"] == width**2 + width + 16384 * width + 16384
    assert 70e6 < counted["vqmodel"] < 73e6  # 72 M: arXiv:2406.06525, table 1
    sizes = policy.footprint
    assert sizes.parameters == sum(counted.values()) + 102400 * width  # and the head of the text
    assert (sizes.layers, sizes.width, sizes.heads, sizes.mlp_width) == (layers, width, heads, mlp_width)


def test_a_position_of_the_cache_is_as_large_as_the_sizes_say() -> None:
    """16 pictures with guidance, 1B in bfloat16: 2 x 16 rows x 2 x 24 layers x 2048 x 2 bytes a position."""
    policy = random_janus("1b", seed=0, device=torch.device("meta"))
    cache = policy.new_cache(32, 10)
    assert sum(half.nbytes for half in cache.store.tensors) == 32 * 10 * 2 * 24 * 2048 * 2


def test_the_spec_is_that_of_the_official_script() -> None:
    spec = random_janus("7b", seed=0, device=torch.device("meta")).spec
    assert (spec.tokens, spec.codebook, spec.grid, spec.image_size) == (576, 16384, (24, 24), (384, 384))
    assert spec.prefix == 97
