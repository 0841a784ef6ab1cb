"""The published models once more, in plain torch from their papers and code: what ours is compared with.

Nothing of transformers is used. Axes: L tokens, N patches, D features.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

State = dict[str, Tensor]

CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711])


def linear(state: State, name: str, x: Tensor) -> Tensor:
    """Returns a linear layer, with its bias if it has one."""
    return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))


def rms(state: State, name: str, x: Tensor) -> Tensor:
    """Returns RMS norm."""
    return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * state[f"{name}.weight"]


def layer_norm(state: State, name: str, x: Tensor) -> Tensor:
    """Returns layer norm, as both vision towers have it."""
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)


def turned(x: Tensor, angles: Tensor) -> Tensor:
    """Returns rotary embedding of (L, heads, 2 * half) by angles (L, half)."""
    half = x.shape[-1] // 2
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    return torch.cat(
        [x[..., :half] * cos - x[..., half:] * sin, x[..., half:] * cos + x[..., :half] * sin], -1
    )


def attend(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """Returns attention of (L, heads, d), fewer keys than queries repeated."""
    repeat = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
    weights = torch.einsum("ihd,jhd->hij", q, k) / math.sqrt(q.shape[-1])
    if causal:
        weights = weights.masked_fill(torch.ones(weights.shape[1:]).triu(1).bool(), -math.inf)
    return torch.einsum("hij,jhd->ihd", weights.softmax(-1), v).flatten(1)


def qwen2(state: State, x_LD: Tensor, heads: int, keys: int, theta: float = 1e6) -> Tensor:
    """Returns the normed features of a Qwen2 decoder at the places 0, 1, 2 ..."""
    length, width = x_LD.shape
    size = width // heads
    frequencies = theta ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angles = (torch.arange(length, dtype=torch.float64)[:, None] * frequencies).float()
    layer = 0
    while f"model.layers.{layer}.input_layernorm.weight" in state:
        name = f"model.layers.{layer}"
        y = rms(state, f"{name}.input_layernorm", x_LD)
        q = linear(state, f"{name}.self_attn.q_proj", y).view(length, heads, size)
        k = linear(state, f"{name}.self_attn.k_proj", y).view(length, keys, size)
        v = linear(state, f"{name}.self_attn.v_proj", y).view(length, keys, size)
        seen = attend(turned(q, angles), turned(k, angles), v, causal=True)
        x_LD = x_LD + linear(state, f"{name}.self_attn.o_proj", seen)
        y = rms(state, f"{name}.post_attention_layernorm", x_LD)
        gate = F.silu(linear(state, f"{name}.mlp.gate_proj", y))
        x_LD = x_LD + linear(state, f"{name}.mlp.down_proj", gate * linear(state, f"{name}.mlp.up_proj", y))
        layer += 1
    return rms(state, "model.norm", x_LD)


def siglip(state: State, pixels_3HW: Tensor, layers: int, heads: int) -> Tensor:
    """Returns SigLIP's hidden states after `layers` layers, before the tower's last norm."""
    root = "model.vision_tower.vision_tower.vision_model"
    kernel = state[f"{root}.embeddings.patch_embedding.weight"]
    patches = F.conv2d(
        pixels_3HW[None],
        kernel,
        state[f"{root}.embeddings.patch_embedding.bias"],
        stride=kernel.shape[-1],
    )
    x_ND = patches[0].flatten(1).T + state[f"{root}.embeddings.position_embedding.weight"]
    for layer in range(layers):
        name = f"{root}.encoder.layers.{layer}"
        y = layer_norm(state, f"{name}.layer_norm1", x_ND)
        q, k, v = (
            linear(state, f"{name}.self_attn.{which}_proj", y).unflatten(-1, (heads, -1)) for which in "qkv"
        )
        x_ND = x_ND + linear(state, f"{name}.self_attn.out_proj", attend(q, k, v, causal=False))
        y = linear(state, f"{name}.mlp.fc1", layer_norm(state, f"{name}.layer_norm2", x_ND))
        x_ND = x_ND + linear(state, f"{name}.mlp.fc2", F.gelu(y, approximate="tanh"))
    return x_ND


def qwen2_vl_tower(state: State, patches_NC: Tensor, rows: int, columns: int, heads: int) -> Tensor:
    """Returns the merged patches of one picture: a tower of Qwen2-VL over `rows` x `columns` patches."""
    kernel = state["visual.patch_embed.proj.weight"]
    x_ND = patches_NC @ kernel.flatten(1).T
    size = x_ND.shape[1] // heads
    frequencies = 10_000.0 ** (-torch.arange(0, size // 2, 2) / (size // 2))
    places = [
        (2 * up + down, 2 * left + right)
        for up in range(rows // 2)
        for left in range(columns // 2)
        for down in range(2)
        for right in range(2)
    ]
    angles = torch.cat([torch.tensor(places)[:, axis : axis + 1] * frequencies for axis in (0, 1)], 1)
    block = 0
    while f"visual.blocks.{block}.norm1.weight" in state:
        name = f"visual.blocks.{block}"
        y = linear(state, f"{name}.attn.qkv", layer_norm(state, f"{name}.norm1", x_ND))
        q, k, v = y.unflatten(-1, (3, heads, size)).unbind(1)
        seen = attend(turned(q, angles), turned(k, angles), v, causal=False)
        x_ND = x_ND + linear(state, f"{name}.attn.proj", seen)
        y = linear(state, f"{name}.mlp.fc1", layer_norm(state, f"{name}.norm2", x_ND))
        x_ND = x_ND + linear(state, f"{name}.mlp.fc2", y * torch.sigmoid(1.702 * y))
        block += 1
    merged = layer_norm(state, "visual.merger.ln_q", x_ND).unflatten(0, (-1, 4)).flatten(1)
    return linear(state, "visual.merger.mlp.2", F.gelu(linear(state, "visual.merger.mlp.0", merged)))


def qwen_size(height: int, width: int, least: int, most: int) -> tuple[int, int]:
    """Returns the height and width that Qwen's preprocessing gives a picture."""
    tall, wide = round(height / 28) * 28, round(width / 28) * 28
    if tall * wide > most:
        shrink = math.sqrt(height * width / most)
        return math.floor(height / shrink / 28) * 28, math.floor(width / shrink / 28) * 28
    if tall * wide < least:
        grow = math.sqrt(least / (height * width))
        return math.ceil(height * grow / 28) * 28, math.ceil(width * grow / 28) * 28
    return tall, wide


def qwen_patches(image: NDArray[np.uint8], least: int, most: int) -> tuple[Tensor, int, int]:
    """Returns the patches of a picture in the order of 2 x 2 groups, each twice in time; rows; columns."""
    tall, wide = qwen_size(image.shape[0], image.shape[1], least, most)
    resized = Image.fromarray(image).resize((wide, tall), Image.Resampling.BICUBIC)
    pixels = (np.asarray(resized, dtype=np.float64) / 255 - CLIP_MEAN) / CLIP_STD
    rows, columns = tall // 14, wide // 14
    patches = []
    for up in range(0, rows, 2):
        for left in range(0, columns, 2):
            for row, column in ((up, left), (up, left + 1), (up + 1, left), (up + 1, left + 1)):
                patch = pixels[row * 14 : row * 14 + 14, column * 14 : column * 14 + 14].transpose(2, 0, 1)
                patches.append(np.stack([patch, patch], axis=1).ravel())
    return torch.tensor(np.array(patches), dtype=torch.float32), rows, columns


def qwen_positions(before: int, grids: list[tuple[int, int]], between: int, after: int) -> Tensor:
    """Returns time, row and column of each token: text, pictures with text between them, text."""
    places = [(place, place, place) for place in range(before)]
    start = before
    for number, (rows, columns) in enumerate(grids):
        places += [
            (start, start + row, start + column) for row in range(rows // 2) for column in range(columns // 2)
        ]
        start += max(rows, columns) // 2
        text = after if number == len(grids) - 1 else between
        places += [(start + place,) * 3 for place in range(text)]
        start += text
    return torch.tensor(places).T
