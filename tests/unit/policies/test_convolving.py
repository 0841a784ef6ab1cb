"""The norm against its formula in double precision, in both layouts; how many pictures at once."""

import pytest
import torch
from torch import Tensor, nn

from tessera.policies.convolving import PIXELS_AT_ONCE, group_norm, rows_at_once

CPU, META = torch.device("cpu"), torch.device("meta")
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def norm_of(channels: int, groups: int) -> nn.GroupNorm:
    norm = nn.GroupNorm(groups, channels, eps=1e-6)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def by_formula(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """Returns the norm in double precision, group by group."""
    groups = x.double().unflatten(1, (norm.num_groups, -1))
    mean = groups.mean((2, 3, 4), keepdim=True)
    variance = (groups - mean).square().mean((2, 3, 4), keepdim=True)
    plain = ((groups - mean) / (variance + norm.eps).sqrt()).flatten(1, 2)
    return plain * norm.weight.double()[:, None, None] + norm.bias.double()[:, None, None]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("channels", "groups"), [(8, 8), (12, 4)])
@torch.no_grad()
def test_the_norm_is_that_of_the_formula_and_keeps_the_layout(
    channels: int, groups: int, layout: torch.memory_format
) -> None:
    norm = norm_of(channels, groups)
    x = (torch.randn(3, channels, 5, 7) * 2 + 1).contiguous(memory_format=layout)
    before = x.clone()
    out = group_norm(norm, x)
    torch.testing.assert_close(out.double(), by_formula(norm, x), rtol=0, atol=1e-5)
    assert out.is_contiguous(memory_format=layout)
    assert torch.equal(x, before)


@torch.no_grad()
def test_the_norm_of_large_pictures_is_nearer_than_the_running_sum_of_torch() -> None:
    norm = norm_of(8, 8)
    x = (torch.randn(1, 8, 384, 384) * 2 + 1).contiguous(memory_format=torch.channels_last)
    expected = by_formula(norm, x)
    ours, theirs = ((each.double() - expected).abs().max().item() for each in (group_norm(norm, x), norm(x)))
    assert ours < 1e-5
    assert ours < theirs


@torch.no_grad()
def test_a_mean_ten_times_the_deviation_costs_two_digits_and_no_more() -> None:
    norm = norm_of(8, 4)
    x = torch.randn(1, 8, 96, 96) + 10
    assert (group_norm(norm, x).double() - by_formula(norm, x)).abs().max() < 2e-4


def test_sixteen_bits_and_gradients_are_left_to_the_module() -> None:
    norm, x = norm_of(8, 4), torch.randn(2, 8, 6, 6)
    with torch.no_grad():
        half = norm.to(torch.bfloat16)
        assert torch.equal(group_norm(half, x.bfloat16()), half(x.bfloat16()))
    plain = norm_of(8, 4)
    group_norm(plain, x).sum().backward()
    assert plain.weight.grad is not None


def test_a_cpu_takes_few_pixels_at_once_and_another_device_what_it_is_told() -> None:
    assert rows_at_once(CPU, 16, 384**2) == 1
    assert rows_at_once(CPU, 16, PIXELS_AT_ONCE // 4) == 4
    assert rows_at_once(CPU, 16, 8 * 8) == 16
    assert rows_at_once(CPU, 16, 1024**2) == 1
    assert rows_at_once(META, 16, 384**2) == 16
