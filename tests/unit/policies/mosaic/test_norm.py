"""The norm of mosaic: values and derivatives of torch's."""

import pytest
import torch
from torch.nn import functional as F

from tessera.policies.mosaic.norm import EPSILON, RMSNorm


@pytest.mark.parametrize("shape", [(5, 8), (2, 3, 8), (1, 8)])
def test_values_and_derivatives_are_those_of_torch(shape: tuple[int, ...]) -> None:
    norm = RMSNorm(8).double()
    torch.nn.init.uniform_(norm.weight, 0.5, 2.0)
    x, grad = torch.randn(2, *shape, dtype=torch.float64)
    mine, theirs = (x.clone().requires_grad_() for _ in range(2))
    found, exact = norm(mine), F.rms_norm(theirs, (8,), norm.weight, EPSILON)
    assert torch.allclose(found, exact, atol=1e-12)
    expected = torch.autograd.grad(exact, [theirs, norm.weight], grad)
    for one, other in zip(torch.autograd.grad(found, [mine, norm.weight], grad), expected, strict=True):
        assert torch.allclose(one, other, atol=1e-12)
    with torch.no_grad():
        assert torch.equal(norm(x), found)


def test_rows_of_zeros_stay_finite() -> None:
    x = torch.zeros(2, 8, requires_grad=True)
    RMSNorm(8)(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sums_of_16_bits_are_made_in_more(dtype: torch.dtype) -> None:
    x = torch.full((1, 8), 300.0, dtype=dtype)  # whose square is no number of 16 bits
    assert torch.allclose(RMSNorm(8).to(dtype)(x).float(), torch.ones(1, 8), atol=1e-2)
