"""Codes of pictures, and pictures in bounded batches."""

from typing import Any

import numpy as np
import pytest
import torch

from tessera.policies import convolving
from tessera.policies.janus import pixels
from tests.contracts.janus import tiny_janus


def test_a_code_is_the_entry_nearest_in_direction_as_in_the_official_quantizer() -> None:
    """By the official formula, distances of unit vectors; transformers compares the vectors as they are."""
    policy = tiny_janus()
    vq: Any = policy.model.model.vqmodel  # which asks for integers where pixels go
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    with torch.no_grad():
        x_BCHW = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 * 2 - 1
        z = vq.quant_conv(vq.encoder(x_BCHW)).permute(0, 2, 3, 1).reshape(5, 16, 1, 4)
        z = z / z.norm(dim=-1, keepdim=True)
        entries = vq.quantize.embedding.weight
        entries = entries / entries.norm(dim=-1, keepdim=True)
        expected = (z - entries).square().sum(-1).argmin(-1)
        plain = vq.encode(x_BCHW).image_tokens.view(5, 16)
    codes = policy.encode(images)
    assert torch.equal(codes, expected)
    assert not torch.equal(codes, plain)


def test_batches_are_bounded_and_change_nothing() -> None:
    """Up to one level: a convolution may round otherwise in another batch."""
    vq = tiny_janus().model.model.vqmodel
    seen: list[int] = []
    handle = vq.decoder.conv_in.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    tokens_BT = torch.randint(64, (5, 16))
    with torch.no_grad():
        small, large = (pixels.pictures(vq, tokens_BT, at_once) for at_once in (2, 8))
        handle.remove()
        assert torch.equal(pixels.codes(vq, small, 2), pixels.codes(vq, small, 8))
    assert seen == [2, 2, 1, 5]
    assert (small.int() - large.int()).abs().max() <= 1


@torch.no_grad()
def test_on_a_cpu_the_numbers_are_those_of_transformers_decoder_and_no_weight_is_touched() -> None:
    policy = tiny_janus()
    vq: Any = policy.model.model.vqmodel  # for which transformers wants one kind of integers
    tokens_BT, digest = torch.randint(64, (3, 16)), policy.digest()
    torch.testing.assert_close(pixels._decoded(vq, tokens_BT), vq.decode(tokens_BT), rtol=0, atol=1e-5)
    assert policy.digest() == digest
    assert all(each.is_contiguous() for each in vq.parameters())


@torch.no_grad()
def test_sixteen_bits_are_left_to_transformers_decoder() -> None:
    vq: Any = tiny_janus().model.model.vqmodel
    vq.to(torch.bfloat16)
    tokens_BT = torch.randint(64, (3, 16))
    assert torch.equal(pixels._decoded(vq, tokens_BT), vq.decode(tokens_BT))


@torch.no_grad()
def test_a_cpu_takes_large_pictures_one_by_one_and_another_device_as_many_as_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vq: Any = tiny_janus().model.model.vqmodel
    seen: list[int] = []
    vq.decoder.conv_in.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    vq.encoder.conv_in.register_forward_pre_hook(lambda module, given: seen.append(-len(given[0])))
    tokens_BT = torch.randint(64, (3, 16))
    monkeypatch.setattr(convolving, "PIXELS_AT_ONCE", 8 * 8)
    pixels.codes(vq, pixels.pictures(vq, tokens_BT, 2), 2)
    vq.to("meta")
    pixels.pictures(vq, tokens_BT.to("meta"), 2)
    assert seen == [1, 1, 1, -1, -1, -1, 2, 1]


def test_pixels_are_rounded_and_clamped_to_bytes() -> None:
    values = torch.tensor([-3.0, -1.0, 0.0, 0.0039, 0.9961, 1.0, 3.0])
    images = pixels._bytes(values.view(1, 1, 1, -1).expand(1, 3, 1, -1))
    assert images[0, 0, :, 0].tolist() == [0, 0, 128, 128, 255, 255, 255]
    assert images.shape == (1, 1, 7, 3)
