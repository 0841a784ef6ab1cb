"""Muon: updates keep the directions of the momentum and lose its scale."""

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from tessera.pretraining.muon import Muon, orthogonalise


def _with_singular_values(rows: int, columns: int, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns (U, V, matrix) of a random matrix with these singular values."""
    u = torch.linalg.qr(torch.randn(rows, len(values), dtype=torch.float64))[0]
    v = torch.linalg.qr(torch.randn(columns, len(values), dtype=torch.float64))[0]
    return u, v, u @ torch.diag(values) @ v.T


def _one(matrix: Tensor) -> Tensor:
    """Returns the orthogonalised matrix, as a batch of one."""
    return orthogonalise(matrix[None])[0]


@pytest.mark.parametrize(("rows", "columns"), [(8, 64), (64, 8), (128, 384), (96, 32), (1, 16), (16, 1)])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_singular_values_of_random_matrices_become_nearly_one(rows: int, columns: int, scale: float) -> None:
    """Of a rectangular Gaussian matrix the smallest is at least a fifth of the largest, all but surely."""
    values = torch.linalg.svdvals(orthogonalise(scale * torch.randn(3, rows, columns)))
    assert values.min() > 0.6
    assert values.max() < 1.3


@pytest.mark.parametrize(("rows", "columns"), [(32, 32), (16, 40), (40, 16)])
def test_singular_values_two_decades_apart_become_nearly_one(rows: int, columns: int) -> None:
    values = torch.logspace(-2, 0, min(rows, columns), dtype=torch.float64)
    _, _, matrix = _with_singular_values(rows, columns, values)
    after = torch.linalg.svdvals(_one(matrix))
    assert after.min() > 0.6
    assert after.max() < 1.3


def test_singular_vectors_stay() -> None:
    """Up to bfloat16, in which the work is done: 8 bits, five times."""
    u, v, matrix = _with_singular_values(12, 20, torch.linspace(0.2, 1, 6, dtype=torch.float64))
    core = u.T @ _one(matrix) @ v
    assert (core.diagonal() > 0.6).all()
    assert (core - torch.diag(core.diagonal())).abs().max() < 0.05


def test_a_matrix_of_zeros_stays_zero() -> None:
    assert torch.equal(orthogonalise(torch.zeros(2, 3, 5)), torch.zeros(2, 3, 5))


def test_a_transposed_matrix_gives_the_transposed_update() -> None:
    matrices = torch.randn(2, 6, 15)
    assert torch.allclose(orthogonalise(matrices.mT), orthogonalise(matrices).mT, atol=0.02)


def test_matrices_of_a_batch_do_not_influence_one_another() -> None:
    matrices = torch.randn(4, 6, 15) * torch.tensor([1.0, 100.0, 0.01, 1.0])[:, None, None]
    together = orthogonalise(matrices)
    for one, expected in zip(matrices, together, strict=True):
        assert torch.allclose(_one(one), expected, atol=0.02)


def test_the_first_step_is_the_orthogonal_gradient_times_rate_and_shape() -> None:
    """Momentum and gradient are parallel at first. A tall matrix moves by sqrt(rows / columns) more."""
    for rows, columns, factor in ((12, 3, 2.0), (3, 12, 1.0)):
        start, gradient = torch.randn(rows, columns), torch.randn(rows, columns)
        parameter = Parameter(start.clone())
        parameter.grad = gradient
        Muon([parameter], lr=0.1).step()
        assert torch.allclose(parameter.data, start - 0.1 * factor * _one(gradient), atol=5e-3)


def test_the_second_step_looks_ahead_along_the_momentum() -> None:
    """By hand: velocity v = m v + (1 - m) g, and the update is of g + m (v - g), with m = 0.95.

    Of several parameters, two of them of one shape, each by its own gradients.
    """
    shapes = ((4, 6), (4, 6), (5, 2))
    start, first, second = ([torch.randn(shape) for shape in shapes] for _ in range(3))
    parameters = [Parameter(matrix.clone()) for matrix in start]
    optimizer = Muon(parameters, lr=0.1, momentum=0.95)
    before: list[Tensor] = []
    for gradients in (first, second):
        before = [parameter.data.clone() for parameter in parameters]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()
    for parameter, was, one, two in zip(parameters, before, first, second, strict=True):
        velocity = 0.95 * (0.05 * one) + 0.05 * two
        update = _one(two + 0.95 * (velocity - two)) * max(1.0, was.shape[0] / was.shape[1]) ** 0.5
        assert torch.allclose(parameter.data, was - 0.1 * update, atol=5e-3)


def test_a_step_lowers_a_quadratic_loss_and_many_nearly_end_it() -> None:
    target, parameter = torch.randn(10, 6), Parameter(torch.zeros(10, 6))
    optimizer = Muon([parameter], lr=0.02)
    losses: list[float] = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = (parameter - target).square().sum()
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    assert losses[1] < losses[0]
    assert losses[-1] < 0.05 * losses[0]


def test_what_has_no_gradient_stays() -> None:
    moved, still = Parameter(torch.ones(2, 3)), Parameter(torch.ones(2, 3))
    moved.grad = torch.randn(2, 3)
    Muon([moved, still], lr=0.1).step()
    assert torch.equal(still.data, torch.ones(2, 3))
    assert not torch.equal(moved.data, torch.ones(2, 3))


def test_a_parameter_keeps_its_own_momentum_when_another_of_its_shape_has_no_gradient() -> None:
    """As a layer that sits out a step would: the other's next step is what it is without that layer."""
    gradients = torch.randn(3, 4, 4)
    alone, beside, other = (Parameter(torch.zeros(4, 4)) for _ in range(3))
    one, two = Muon([alone], lr=0.1), Muon([other, beside], lr=0.1)
    for step, gradient in enumerate(gradients):
        alone.grad, beside.grad = gradient.clone(), gradient.clone()
        other.grad = torch.randn(4, 4) if step != 1 else None
        one.step()
        two.step()
    assert torch.allclose(alone.data, beside.data, atol=5e-3)


def test_a_closure_is_called_with_gradients_on_and_its_loss_returned() -> None:
    parameter = Parameter(torch.ones(2, 3))
    optimizer = Muon([parameter], lr=0.1)

    def closure() -> Tensor:
        loss = parameter.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 6.0
    assert not torch.equal(parameter.data, torch.ones(2, 3))
