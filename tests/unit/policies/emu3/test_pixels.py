"""Pictures in bounded batches, one frame of each, rounded once."""

import pytest
import torch

from tessera.policies import convolving
from tessera.policies.emu3 import pixels
from tests.contracts.emu3 import tiny_emu3


def test_batches_are_bounded_and_change_nothing_and_one_frame_of_each_picture_is_made() -> None:
    """Up to one level: a convolution may round otherwise in another batch."""
    vq = tiny_emu3().vq
    seen: list[int] = []
    handle = vq.decoder.up_block.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    codes_BRC = torch.randint(64, (5, 3, 5))
    with torch.no_grad():
        small, large = (pixels.pictures(vq, codes_BRC, at_once) for at_once in (2, 8))
        handle.remove()
        assert torch.equal(pixels.codes(vq, small, 2), pixels.codes(vq, small, 8))
    assert seen == [2, 2, 1, 5]
    assert (small.int() - large.int()).abs().max() <= 1


@torch.no_grad()
def test_a_cpu_takes_large_pictures_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    vq = tiny_emu3().vq
    codes_BRC = torch.randint(64, (3, 3, 5))
    together = pixels.pictures(vq, codes_BRC, 3)
    seen: list[int] = []
    vq.decoder.conv_in.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    vq.encoder.conv_in.register_forward_pre_hook(lambda module, given: seen.append(-len(given[0])))
    side = vq.spatial_scale_factor
    monkeypatch.setattr(convolving, "PIXELS_AT_ONCE", 2 * 3 * 5 * side**2)
    apart = pixels.pictures(vq, codes_BRC, 3)
    pixels.codes(vq, apart, 3)
    assert seen == [2, 1, -2, -1]
    assert (apart.int() - together.int()).abs().max() <= 1


def test_pixels_are_rounded_and_clamped_to_bytes() -> None:
    values = torch.tensor([-3.0, -1.0, 0.0, 0.0039, 0.9961, 1.0, 3.0])
    images = pixels._bytes(values.view(1, 1, 1, -1).expand(1, 3, 1, -1))
    assert images[0, 0, :, 0].tolist() == [0, 0, 128, 128, 255, 255, 255]
    assert images.shape == (1, 1, 7, 3)
