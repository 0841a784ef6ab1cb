"""The tokenizer: pieces of a batch, levels of a pixel. Its numbers are in tests/parity/test_llamagen.py."""

import pytest
import torch

from tessera.policies import convolving
from tessera.policies.llamagen import vq
from tessera.policies.llamagen.config import VQConfig
from tests.contracts.llamagen import TINY_VQ, tiny_c2i


def test_a_batch_is_decoded_and_encoded_in_bounded_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tiny_c2i().tokenizer
    tokens_BT = torch.randint(TINY_VQ.codebook, (5, 16))
    whole = tokenizer.decode(tokens_BT)
    codes = tokenizer.encode(whole)
    seen: list[int] = []
    tokenizer.decoder.register_forward_hook(lambda module, args, out: seen.append(len(args[0])))
    tokenizer.encoder.register_forward_hook(lambda module, args, out: seen.append(len(args[0])))
    monkeypatch.setattr(vq, "PIXELS_AT_ONCE", 2 * 8 * 8)
    assert (tokenizer.decode(tokens_BT).int() - whole.int()).abs().max() <= 1
    assert torch.equal(tokenizer.encode(whole), codes)
    assert seen == [2, 2, 1, 2, 2, 1]


def test_one_picture_is_decoded_even_where_it_is_larger_than_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vq, "PIXELS_AT_ONCE", 1)
    assert tiny_c2i().tokenizer.decode(torch.zeros(2, 16, dtype=torch.long)).shape == (2, 8, 8, 3)


def test_what_a_cpu_does_otherwise_gives_the_same_numbers() -> None:
    """With gradients torch's own norms run, without them those for a CPU."""
    tokenizer = tiny_c2i().tokenizer
    tokens_BT = torch.randint(TINY_VQ.codebook, (3, 16))
    plain = tokenizer.reconstruct(tokens_BT)
    with torch.no_grad():
        torch.testing.assert_close(tokenizer.reconstruct(tokens_BT), plain, rtol=0, atol=1e-5)


def test_a_cpu_takes_large_pictures_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tiny_c2i().tokenizer
    seen: list[int] = []
    tokenizer.decoder.register_forward_hook(lambda module, args, out: seen.append(len(args[0])))
    monkeypatch.setattr(convolving, "PIXELS_AT_ONCE", 8 * 8)
    tokenizer.decode(torch.zeros(3, 16, dtype=torch.long))
    assert seen == [1, 1, 1]


def test_levels_are_rounded_and_clamped(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tiny_c2i().tokenizer
    values = torch.tensor([-1.5, -1.0, 0.0, 0.999, 1.0, 3.0])  # 127.5 rounds to the even 128
    pixels = values.repeat(3, 1)[None, :, None]
    monkeypatch.setattr(tokenizer, "reconstruct", lambda tokens: pixels)
    decoded = tokenizer.decode(torch.zeros(1, 16, dtype=torch.long))
    assert decoded[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255, 255]


def test_the_length_of_a_codebook_entry_does_not_matter() -> None:
    tokenizer = tiny_c2i().tokenizer
    tokens_BT = torch.randint(TINY_VQ.codebook, (2, 16))
    before = tokenizer.reconstruct(tokens_BT)
    with torch.no_grad():
        tokenizer.codebook.mul_(torch.rand(TINY_VQ.codebook, 1) + 0.5)
    torch.testing.assert_close(tokenizer.reconstruct(tokens_BT), before, rtol=0, atol=1e-5)


def test_a_code_of_the_published_tokenizer_stands_for_16_by_16_pixels() -> None:
    assert VQConfig().patch == 16
    with torch.device("meta"):
        tokenizer = vq.Tokenizer(VQConfig(), 24)
    assert tokenizer.side == 384
    assert sum(parameter.numel() for parameter in tokenizer.parameters()) == pytest.approx(72e6, rel=0.01)
