"""Positions: a code turns by its row and its column; what stands before the picture is wiped out."""

import math

import torch

from tessera.policies.llamagen.rope import rotate, rotations

GRID, FEATURES = 3, 8


def test_the_first_half_of_the_pairs_turns_by_row_and_the_second_by_column() -> None:
    turns = rotations(2, GRID, FEATURES)
    assert turns.shape == (2 + GRID**2, FEATURES // 2, 2)
    # Two speeds, 1 and 10000^(-2/4) = 0.01; the code in row 2, column 1 is number 7.
    angles = torch.tensor([2.0, 0.02, 1.0, 0.01])
    expected = torch.stack([angles.cos(), angles.sin()], dim=-1)
    torch.testing.assert_close(turns[2 + 7], expected)


def test_neighbouring_features_turn_together() -> None:
    turns = rotations(0, GRID, FEATURES)
    x = torch.zeros(1, 1, GRID**2, FEATURES)
    x[..., 0] = 1.0
    turned = rotate(x, turns)[0, 0, 6]  # row 2, column 0
    torch.testing.assert_close(turned[:2], torch.tensor([math.cos(2), math.sin(2)]))
    assert not turned[2:].any()


def test_products_depend_on_the_distance_of_two_codes() -> None:
    turns = rotations(0, GRID, FEATURES)
    q, k = (torch.randn(1, 1, 1, FEATURES).expand(-1, -1, GRID**2, -1) for _ in range(2))
    products = (rotate(q, turns) @ rotate(k, turns).transpose(-1, -2))[0, 0]
    for step in (1, GRID, GRID + 1):  # to the right, down, both
        torch.testing.assert_close(products[0, step], products[4, 4 + step])
    assert (products[0, 1] - products[0, GRID]).abs() > 1e-3


def test_before_the_picture_queries_and_keys_are_zero() -> None:
    turned = rotate(torch.randn(2, 3, 5, FEATURES), rotations(5, GRID, FEATURES)[:5])
    assert not turned.any()


def test_half_precision_turns_in_float32() -> None:
    turns = rotations(0, GRID, FEATURES)
    x = torch.randn(1, 1, GRID**2, FEATURES).bfloat16()
    turned = rotate(x, turns)
    assert turned.dtype == torch.bfloat16
    assert torch.equal(turned, rotate(x.float(), turns).bfloat16())
