"""Mask2Former in plain torch, on weights in OpenMMLab's layout: what the converted network is compared with.

Swin (arXiv 2103.14030), the deformable pixel decoder (2010.04159, 2112.01527) and the decoder with masked
attention (2112.01527), written from their formulas and without a class of transformers; only the weights'
names and the order of nn.Unfold are mmdet's. Windows are a mask over all pairs of places, and deformable
attention reads its four neighbours one by one.

Axes: B pictures, N places, D width, H heads, Q queries, L levels, P points.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.unit.scorers.detection.mask2former_drawn import LEVELS, POINTS, Sizes, State


def forward(state: State, sizes: Sizes, pixels_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the logits of the classes and of the masks."""
    maps = _swin(state, sizes, pixels_BCHW)
    return _queries(state, sizes, *_pixel_decoder(state, sizes, maps))


def _linear(state: State, name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state.get(f"{name}.bias", torch.zeros((), dtype=x.dtype))


def _norm(state: State, name: str, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-5)
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def _conv(state: State, name: str, x: Tensor, padding: int = 0, stride: int = 1) -> Tensor:
    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride=stride, padding=padding)


def _group_norm(state: State, name: str, x: Tensor) -> Tensor:
    batch, wide, high, across = x.shape
    groups = x.reshape(batch, 32, -1)
    centred = groups - groups.mean(-1, keepdim=True)
    scaled = centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-5)
    weight, bias = (state[f"{name}.{part}"].view(1, wide, 1, 1) for part in ("weight", "bias"))
    return scaled.reshape(batch, wide, high, across) * weight + bias


def _attend(q: Tensor, k: Tensor, v: Tensor, heads: int, added: Tensor) -> Tensor:
    """Returns attention over all pairs; `added` to the scores, broadcast to B H N M."""
    q, k, v = (x.unflatten(-1, (heads, -1)) for x in (q, k, v))
    scores = torch.einsum("bnhd,bmhd->bhnm", q, k) / math.sqrt(q.shape[-1]) + added
    return torch.einsum("bhnm,bmhd->bnhd", scores.softmax(-1), v).flatten(2)


def _swin(state: State, sizes: Sizes, pixels: Tensor) -> list[Tensor]:
    x = _conv(state, "backbone.patch_embed.projection", pixels, stride=4).permute(0, 2, 3, 1)
    x, maps = _norm(state, "backbone.patch_embed.norm", x), []
    for stage, (depth, heads) in enumerate(zip(sizes.depths, sizes.heads, strict=True)):
        for block in range(depth):
            name = f"backbone.stages.{stage}.blocks.{block}"
            shift = sizes.window // 2 if block % 2 else 0
            x = x + _windows(
                state, f"{name}.attn.w_msa", _norm(state, f"{name}.norm1", x), heads, sizes.window, shift
            )
            inner = F.gelu(_linear(state, f"{name}.ffn.layers.0.0", _norm(state, f"{name}.norm2", x)))
            x = x + _linear(state, f"{name}.ffn.layers.1", inner)
        maps.append(_norm(state, f"backbone.norm{stage}", x).permute(0, 3, 1, 2))
        if stage < len(sizes.depths) - 1:
            high, across = x.shape[1] // 2, x.shape[2] // 2
            fours = torch.nn.Unfold(2, stride=2)(x.permute(0, 3, 1, 2)).transpose(1, 2)
            fours = _norm(state, f"backbone.stages.{stage}.downsample.norm", fours)
            x = _linear(state, f"backbone.stages.{stage}.downsample.reduction", fours).unflatten(
                1, (high, across)
            )
    return maps


def _windows(state: State, name: str, x: Tensor, heads: int, window: int, shift: int) -> Tensor:
    """Returns attention within windows: places in one window, after the shift, that did not wrap around."""
    high, across = x.shape[1:3]
    x = F.pad(x, (0, 0, 0, -across % window, 0, -high % window))
    padded = x.shape[1:3]
    rows, columns = torch.meshgrid(*(torch.arange(size) for size in padded), indexing="ij")
    places = [axis.flatten() for axis in (rows, columns)]
    shifted = [(place - shift) % size for place, size in zip(places, padded, strict=True)]
    signs = [*(place // window for place in shifted), *(place < shift for place in places)]
    together = torch.stack([sign[:, None] == sign for sign in signs]).all(0)
    apart = [place[:, None] - place + window - 1 for place in shifted]
    index = (apart[0] * (2 * window - 1) + apart[1]).clamp(0, (2 * window - 1) ** 2 - 1)
    bias = state[f"{name}.relative_position_bias_table"][index].permute(2, 0, 1)
    q, k, v = _linear(state, f"{name}.qkv", x.flatten(1, 2)).chunk(3, -1)
    out = _attend(q, k, v, heads, bias.masked_fill(~together, -math.inf))
    return _linear(state, f"{name}.proj", out).unflatten(1, padded)[:, :high, :across]


def _sine(high: int, across: int, wide: int, like: Tensor) -> Tensor:
    """Returns DETR's encoding of places (arXiv 2005.12872), N D: of the row, then of the column."""
    halves = []
    for size, axis in ((high, 0), (across, 1)):
        place = torch.arange(1, size + 1, dtype=like.dtype) / (size + 1e-6) * 2 * math.pi
        place = place[:, None].expand(high, across) if axis == 0 else place.expand(high, across)
        half = torch.zeros(high, across, wide // 2, dtype=like.dtype)
        for channel in range(0, wide // 2, 2):
            angle = place / 10000 ** (channel / (wide // 2))
            half[..., channel], half[..., channel + 1] = angle.sin(), angle.cos()
        halves.append(half)
    return torch.cat(halves, -1).flatten(0, 1)


def _pixel_decoder(state: State, sizes: Sizes, maps: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    name, wide = "panoptic_head.pixel_decoder", sizes.features
    inputs, places, references, shapes = [], [], [], []
    for level in range(LEVELS):
        x = _conv(state, f"{name}.input_convs.{level}.conv", maps[3 - level])
        x = _group_norm(state, f"{name}.input_convs.{level}.gn", x)
        high, across = x.shape[-2:]
        inputs.append(x.flatten(2).transpose(1, 2))
        places.append(_sine(high, across, wide, x) + state[f"{name}.level_encoding.weight"][level])
        centres = [(torch.arange(size, dtype=x.dtype) + 0.5) / size for size in (high, across)]
        references.append(torch.cartesian_prod(*centres).flip(-1))  # across, down
        shapes.append((high, across))
    x, where, reference = torch.cat(inputs, 1), torch.cat(places), torch.cat(references)
    for layer in range(sizes.pixel_layers):
        layer_name = f"{name}.encoder.layers.{layer}"
        seen = _deformable(state, f"{layer_name}.attentions.0", x, where, reference, shapes, sizes.attention)
        x = _norm(state, f"{layer_name}.norms.0", x + seen)
        x = _norm(state, f"{layer_name}.norms.1", x + _ffn(state, layer_name, x))
    pieces = x.split([high * across for high, across in shapes], 1)
    levels = [piece.transpose(1, 2).unflatten(2, shape) for piece, shape in zip(pieces, shapes, strict=True)]
    fine = _group_norm(
        state, f"{name}.lateral_convs.0.gn", _conv(state, f"{name}.lateral_convs.0.conv", maps[0])
    )
    fine = fine + F.interpolate(levels[-1], size=fine.shape[-2:], mode="bilinear", align_corners=False)
    fine = _conv(state, f"{name}.output_convs.0.conv", fine, padding=1)
    fine = _group_norm(state, f"{name}.output_convs.0.gn", fine).relu()
    return _conv(state, f"{name}.mask_feature", fine), levels


def _ffn(state: State, name: str, x: Tensor) -> Tensor:
    return _linear(state, f"{name}.ffns.0.layers.1", _linear(state, f"{name}.ffns.0.layers.0.0", x).relu())


def _deformable(
    state: State,
    name: str,
    x: Tensor,
    where: Tensor,
    reference: Tensor,
    shapes: list[tuple[int, int]],
    heads: int,
) -> Tensor:
    """Returns each place's weighted sum of what it reads at the points that it chose."""
    values = _linear(state, f"{name}.value_proj", x)
    asked = x + where
    offsets = _linear(state, f"{name}.sampling_offsets", asked).unflatten(-1, (heads, LEVELS, POINTS, 2))
    weights = _linear(state, f"{name}.attention_weights", asked).unflatten(-1, (heads, LEVELS * POINTS))
    weights = weights.softmax(-1).unflatten(-1, (LEVELS, POINTS))
    out = torch.zeros_like(values).unflatten(-1, (heads, -1))
    starts = [sum(high * across for high, across in shapes[:level]) for level in range(LEVELS)]
    picture = torch.arange(len(x))[:, None]
    for head in range(heads):
        of_head = values.unflatten(-1, (heads, -1))[..., head, :]
        for level, (high, across) in enumerate(shapes):
            grid = of_head[:, starts[level] : starts[level] + high * across]
            for point in range(POINTS):
                column = reference[:, 0] * across + offsets[:, :, head, level, point, 0] - 0.5
                row = reference[:, 1] * high + offsets[:, :, head, level, point, 1] - 0.5
                read = torch.zeros_like(out[..., head, :])
                for down in (0, 1):
                    for aside in (0, 1):
                        r, c = row.floor() + down, column.floor() + aside
                        share = (1 - (row - r).abs()) * (1 - (column - c).abs())
                        there = (r >= 0) & (r < high) & (c >= 0) & (c < across)
                        index = (r.clamp(0, high - 1) * across + c.clamp(0, across - 1)).long()
                        read = read + (share * there)[..., None] * grid[picture, index]
                out[..., head, :] += weights[:, :, head, level, point, None] * read
    return _linear(state, f"{name}.output_proj", out.flatten(2))


def _queries(state: State, sizes: Sizes, fine: Tensor, levels: list[Tensor]) -> tuple[Tensor, Tensor]:
    name, batch = "panoptic_head", len(fine)
    memory, where = [], []
    for level, x in enumerate(levels):
        memory.append(x.flatten(2).transpose(1, 2) + state[f"{name}.level_embed.weight"][level])
        where.append(_sine(x.shape[-2], x.shape[-1], sizes.features, x))
    query = state[f"{name}.query_feat.weight"].expand(batch, -1, -1)
    place = state[f"{name}.query_embed.weight"]
    for layer in range(sizes.query_layers):
        level, layer_name = layer % LEVELS, f"{name}.transformer_decoder.layers.{layer}"
        looked = F.interpolate(
            _looks(state, query, fine)[1], size=levels[level].shape[-2:], mode="bilinear", align_corners=False
        ).flatten(2)
        hidden = looked.sigmoid() < 0.5
        hidden = hidden & ~hidden.all(-1, keepdim=True)  # a query that would see nothing sees all
        added = torch.zeros_like(looked).masked_fill(hidden, -math.inf)[:, None]
        keys = memory[level] + where[level]
        seen = _fused(
            state, f"{layer_name}.attentions.0.attn", (query + place, keys, memory[level]), sizes, added
        )
        query = _norm(state, f"{layer_name}.norms.0", query + seen)
        free = torch.zeros((), dtype=query.dtype)
        seen = _fused(
            state, f"{layer_name}.attentions.1.attn", (query + place, query + place, query), sizes, free
        )
        query = _norm(state, f"{layer_name}.norms.1", query + seen)
        query = _norm(state, f"{layer_name}.norms.2", query + _ffn(state, layer_name, query))
    return _looks(state, query, fine)


def _fused(state: State, name: str, inputs: tuple[Tensor, ...], sizes: Sizes, added: Tensor) -> Tensor:
    weights, biases = (state[f"{name}.in_proj_{part}"].chunk(3) for part in ("weight", "bias"))
    q, k, v = (x @ w.T + b for x, w, b in zip(inputs, weights, biases, strict=True))
    return _linear(state, f"{name}.out_proj", _attend(q, k, v, sizes.attention, added))


def _looks(state: State, query: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the logits of the classes and of the masks that queries stand for."""
    query = _norm(state, "panoptic_head.transformer_decoder.post_norm", query)
    mask = query
    for layer in (0, 2, 4):
        mask = _linear(state, f"panoptic_head.mask_embed.{layer}", mask)
        mask = mask.relu() if layer < 4 else mask
    return _linear(state, "panoptic_head.cls_embed", query), torch.einsum("bqd,bdhw->bqhw", mask, fine)
