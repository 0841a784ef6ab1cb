"""What log-probabilities cost by method."""

import pytest
import torch
from torch import nn

from tessera.bench.logprob import METHODS, LogpSizes, bench_logprob, logp, sizes_of
from tessera.errors import UserError
from tests.contracts.policies import tiny_mosaic

SIZES = LogpSizes(rows=4, tokens=32, codebook=512, channels=16, chunk=16)


def test_recomputed_chunks_hold_less_than_chunks_and_these_no_more_than_plain() -> None:
    """Counted, not timed, so exact. Plain holds a logit of 4 bytes for each of 128 x 512 more than once."""
    result = bench_logprob(SIZES, repeats=1, device=torch.device("cpu"), dtype=torch.float32)
    peaks = [result["methods"][method]["peak_bytes"] for method in METHODS]
    assert peaks[0] >= peaks[1] > peaks[2] > 0
    assert peaks[0] >= 2 * 4 * 32 * 512 * 4
    assert result["methods"]["chunked, recomputed"]["memory_vs_plain"] == peaks[2] / peaks[0] < 0.5
    again = bench_logprob(SIZES, repeats=1, device=torch.device("cpu"), dtype=torch.float32)
    assert [again["methods"][method]["peak_bytes"] for method in METHODS] == peaks


def test_speeds_are_of_the_same_rounds() -> None:
    methods = bench_logprob(SIZES, repeats=1, device=torch.device("cpu"), dtype=torch.float32)["methods"]
    assert methods["plain"]["speed_vs_plain"]["median"] == 1
    for each in methods.values():
        expected = methods["plain"]["seconds"]["median"] / each["seconds"]["median"]
        assert each["speed_vs_plain"]["median"] == pytest.approx(expected)


def test_all_methods_give_the_log_softmax() -> None:
    generator = torch.Generator().manual_seed(1)
    head, features_ND = nn.Linear(8, 20), torch.randn(30, 8, generator=generator)
    tokens_N = torch.randint(20, (30,), generator=generator)
    expected = torch.stack(
        [head(x).softmax(-1)[token].log() for x, token in zip(features_ND, tokens_N, strict=True)]
    )
    for method in METHODS:
        assert torch.allclose(logp(method, features_ND, head, tokens_N, 7), expected, atol=1e-5)


def test_sizes_come_from_a_policy() -> None:
    policy = tiny_mosaic()
    sizes = sizes_of(policy, 3)
    assert (sizes.rows, sizes.tokens, sizes.codebook) == (3, policy.spec.tokens, policy.spec.codebook)
    assert sizes.channels == policy.config.transformer.width


def test_sizes_below_one_are_refused() -> None:
    with pytest.raises(UserError, match="--codebook must be 1 or more"):
        LogpSizes(codebook=0)
