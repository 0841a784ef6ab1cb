"""What log-probabilities cost by method."""

import pytest
import torch
from torch import nn

from tessera.bench.logprob import METHODS, LogpSizes, bench_logprob, logp, plain_of, sizes_of
from tessera.errors import UserError
from tests.contracts.policies import tiny_mosaic

SIZES = LogpSizes(rows=4, tokens=32, codebook=512, channels=16, chunk=16)


def test_what_training_does_holds_a_fraction_of_plain_under_either_head() -> None:
    """Counted, not timed, so exact. Plain holds a logit of 4 bytes for each of 128 x 512 more than once.

    A chunk is an eighth of the tokens: of three times 4 bytes a logit, as plain; kept are 4 bytes of each.
    """
    result = bench_logprob(SIZES, repeats=1, device=torch.device("cpu"), dtype=torch.float32)
    peaks = {method: result["methods"][method]["peak_bytes"] for method in METHODS}
    shares = {method: result["methods"][method]["memory_vs_plain"] for method in METHODS}
    assert peaks["plain"] >= 2 * 4 * 32 * 512 * 4
    assert peaks["plain"] >= peaks["chunked"] > peaks["chunked, recomputed"] > 0
    assert shares["slopes at once"] == peaks["slopes at once"] / peaks["plain"] < 0.2
    assert shares["made again, head trains"] < 0.3
    assert shares["kept, head trains"] < 0.6
    again = bench_logprob(SIZES, repeats=1, device=torch.device("cpu"), dtype=torch.float32)
    assert {method: again["methods"][method]["peak_bytes"] for method in METHODS} == peaks


def test_speeds_are_of_the_same_rounds() -> None:
    methods = bench_logprob(SIZES, repeats=1, device=torch.device("cpu"), dtype=torch.float32)["methods"]
    assert methods["plain"]["speed_vs_plain"]["median"] == 1
    for method, each in methods.items():
        whole = each["seconds"]["median"]
        expected = methods[plain_of(method)]["seconds"]["median"] / whole
        assert each["speed_vs_plain"]["median"] == pytest.approx(expected)
        parts = each["forward_seconds"]["median"] + each["backward_seconds"]["median"]
        assert parts == pytest.approx(whole)


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
