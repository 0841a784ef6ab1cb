"""Rotary positions over the grid of codes (FoundationVision/LlamaGen:autoregressive/models/gpt.py).

Neighbouring features of a head are a pair that turns; the first half of the pairs by the code's row, the
second by its column:

    angle(place, j) = place / 10000^(2j / (F/2))      j = 0 .. F/4 - 1, F features of a head

Axes: S positions, F features of a head, H heads. What stands before the picture is not turned but wiped out:
the published models were trained with cosine and sine both 0 there, so its queries and keys are 0. A code
then gives each attended caption slot the same weight, exp(0), and the caption speaks through its values
alone.
"""

import torch
from jaxtyping import Float
from torch import Tensor

BASE = 10000.0


def rotations(prefix: int, grid: int, features: int) -> Float[Tensor, "S F2 2"]:
    """Returns cosine and sine of each position's pairs, on the CPU: the prefix, then codes row by row."""
    half = features // 2
    exponents = torch.arange(0, half, 2, dtype=torch.float32, device="cpu") / half
    places = torch.arange(grid, dtype=torch.float32, device="cpu")
    angles = torch.outer(places, BASE**-exponents)
    by_row = angles[:, None].expand(-1, grid, -1)
    by_column = angles[None].expand(grid, -1, -1)
    turn = torch.cat([by_row, by_column], dim=-1).flatten(0, 1)
    wiped = torch.zeros(prefix, half, 2, device="cpu")
    return torch.cat([wiped, torch.stack([turn.cos(), turn.sin()], dim=-1)])


def rotate(x_BHSF: Float[Tensor, "B H S F"], turns: Float[Tensor, "S F2 2"]) -> Float[Tensor, "B H S F"]:
    """Returns queries or keys turned by their positions; at half precision they turn in float32."""
    wide = x_BHSF.to(torch.promote_types(x_BHSF.dtype, torch.float32)).unflatten(-1, (-1, 2))
    first, second = wide.unbind(-1)
    cosine, sine = turns.unbind(-1)
    turned = torch.stack([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
    return turned.flatten(-2).to(x_BHSF.dtype)
