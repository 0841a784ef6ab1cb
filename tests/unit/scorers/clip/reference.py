"""open_clip's CLIP in plain torch, written from its layout alone, to compare ours with: weights and forward.

Nothing here calls the package or transformers. Axes: B rows, N positions, W width, H heads.
"""

from collections.abc import Mapping
from math import sqrt

import torch
from torch import Tensor

VISION, TEXT = 128, 64  # widths: two heads and one, of 64
LAYERS = 2
PATCH, SIDE = 14, 28
SHARED, WINDOW = 32, 12


def random_state(
    codes: int, *, vision: int = VISION, text: int = TEXT, inner: int = 96, seed: int = 0
) -> dict[str, Tensor]:
    """Returns random weights under open_clip's names, large enough that every part shows in the output."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int, scale: float = 0.2) -> Tensor:
        return torch.randn(*shape, generator=generator) * scale

    def block(prefix: str, width: int) -> dict[str, Tensor]:
        return {
            f"{prefix}.ln_1.weight": 1 + noise(width),
            f"{prefix}.ln_1.bias": noise(width),
            f"{prefix}.attn.in_proj_weight": noise(3 * width, width),
            f"{prefix}.attn.in_proj_bias": noise(3 * width),
            f"{prefix}.attn.out_proj.weight": noise(width, width),
            f"{prefix}.attn.out_proj.bias": noise(width),
            f"{prefix}.ln_2.weight": 1 + noise(width),
            f"{prefix}.ln_2.bias": noise(width),
            f"{prefix}.mlp.c_fc.weight": noise(inner, width),
            f"{prefix}.mlp.c_fc.bias": noise(inner),
            f"{prefix}.mlp.c_proj.weight": noise(width, inner),
            f"{prefix}.mlp.c_proj.bias": noise(width),
        }

    state = {
        "visual.class_embedding": noise(vision),
        "visual.positional_embedding": noise((SIDE // PATCH) ** 2 + 1, vision),
        "visual.proj": noise(vision, SHARED),
        "visual.conv1.weight": noise(vision, 3, PATCH, PATCH, scale=0.05),
        "visual.ln_pre.weight": 1 + noise(vision),
        "visual.ln_pre.bias": noise(vision),
        "visual.ln_post.weight": 1 + noise(vision),
        "visual.ln_post.bias": noise(vision),
        "positional_embedding": noise(WINDOW, text),
        "text_projection": noise(text, SHARED),
        "logit_scale": torch.tensor(4.0),
        "token_embedding.weight": noise(codes, text),
        "ln_final.weight": 1 + noise(text),
        "ln_final.bias": noise(text),
    }
    for layer in range(LAYERS):
        state |= block(f"visual.transformer.resblocks.{layer}", vision)
        state |= block(f"transformer.resblocks.{layer}", text)
    return state


def image_feature(state: Mapping[str, Tensor], pixels_B3HW: Tensor, *, heads: int) -> Tensor:
    """Returns the projected picture features, not normalised."""
    kernel = state["visual.conv1.weight"]
    rows, patch = len(pixels_B3HW), kernel.shape[-1]
    cells = pixels_B3HW.unfold(2, patch, patch).unfold(3, patch, patch)  # B, 3, rows, columns, patch, patch
    flat = cells.permute(0, 2, 3, 1, 4, 5).reshape(rows, -1, 3 * patch * patch)
    seen = flat @ kernel.reshape(len(kernel), -1).T
    first = state["visual.class_embedding"].expand(rows, 1, -1)
    x = torch.cat([first, seen], dim=1) + state["visual.positional_embedding"]
    x = _norm(state, "visual.ln_pre", x)
    x = _blocks(state, "visual.transformer", x, heads, causal=False)
    return _norm(state, "visual.ln_post", x[:, 0]) @ state["visual.proj"]


def text_feature(state: Mapping[str, Tensor], ids_BL: Tensor, *, heads: int) -> Tensor:
    """Returns the projected text features: read where the largest id stands first, as open_clip does."""
    x = state["token_embedding.weight"][ids_BL] + state["positional_embedding"]
    x = _blocks(state, "transformer", x, heads, causal=True)
    x = _norm(state, "ln_final", x)
    ends = [row.index(max(row)) for row in ids_BL.tolist()]
    return torch.stack([x[row, end] for row, end in enumerate(ends)]) @ state["text_projection"]


def cosine(first_BD: Tensor, second_BD: Tensor) -> Tensor:
    """Returns the cosine of each pair, in float64."""
    first, second = first_BD.double(), second_BD.double()
    return (first * second).sum(-1) / (first.square().sum(-1) * second.square().sum(-1)).sqrt()


def _norm(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    deviation = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return centred / deviation * state[f"{name}.weight"] + state[f"{name}.bias"]


def _blocks(state: Mapping[str, Tensor], prefix: str, x: Tensor, heads: int, *, causal: bool) -> Tensor:
    layer = 0
    while f"{prefix}.resblocks.{layer}.ln_1.weight" in state:
        name = f"{prefix}.resblocks.{layer}"
        x = x + _attention(state, f"{name}.attn", _norm(state, f"{name}.ln_1", x), heads, causal=causal)
        y = _linear(state, f"{name}.mlp.c_fc", _norm(state, f"{name}.ln_2", x))
        y = y * 0.5 * (1 + torch.erf(y / sqrt(2)))
        x = x + _linear(state, f"{name}.mlp.c_proj", y)
        layer += 1
    return x


def _attention(state: Mapping[str, Tensor], name: str, x: Tensor, heads: int, *, causal: bool) -> Tensor:
    rows, positions, width = x.shape
    three = x @ state[f"{name}.in_proj_weight"].T + state[f"{name}.in_proj_bias"]
    q, k, v = (
        part.reshape(rows, positions, heads, width // heads).transpose(1, 2)
        for part in three.split(width, -1)
    )
    logits = q @ k.transpose(-1, -2) / sqrt(width // heads)
    if causal:
        later = torch.ones(positions, positions, dtype=torch.bool).triu(1)
        logits = logits.masked_fill(later, -torch.inf)
    mixed = (logits.softmax(-1) @ v).transpose(1, 2).reshape(rows, positions, width)
    return _linear(state, f"{name}.out_proj", mixed)


def _linear(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]
