"""Random weights of a tiny Mask2Former in OpenMMLab's layout: names, shapes, and how they are laid out.

Large enough that a wrong layer, mask or order shows in what they compute.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

State = dict[str, Tensor]
LEVELS, POINTS = 3, 4
SPREAD = 2.0  # of the deformable attention's offsets: pixels, so that some fall outside


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of a tiny Mask2Former; group norm has 32 groups."""

    width: int = 8
    depths: tuple[int, ...] = (2, 2, 3, 2)
    heads: tuple[int, ...] = (1, 2, 2, 4)
    window: int = 3
    features: int = 64
    attention: int = 4  # heads of the two decoders
    pixel_layers: int = 2
    query_layers: int = 4  # one more than levels
    queries: int = 7
    classes: int = 80


class Draw:
    """Random weights by name."""

    def __init__(self, seed: int) -> None:
        self.state: State = {}
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, name: str, *shape: int, scale: float = 1.0, mean: float = 0.0) -> None:
        values = torch.randn(*shape, generator=self.generator, dtype=torch.float64)
        self.state[name] = mean + scale * values

    def linear(self, name: str, *shape: int, bias: bool = True) -> None:
        self.normal(f"{name}.weight", *shape, scale=1.5 / math.sqrt(math.prod(shape[1:])))
        if bias:
            self.normal(f"{name}.bias", shape[0], scale=0.2)

    def norm(self, name: str, width: int) -> None:
        self.normal(f"{name}.weight", width, scale=0.3, mean=1.0)
        self.normal(f"{name}.bias", width, scale=0.3)


def drawn(sizes: Sizes, seed: int = 0) -> State:
    """Returns weights in OpenMMLab's layout, float64."""
    draw = Draw(seed)
    draw.linear("backbone.patch_embed.projection", sizes.width, 3, 4, 4)
    draw.norm("backbone.patch_embed.norm", sizes.width)
    for stage, (depth, heads) in enumerate(zip(sizes.depths, sizes.heads, strict=True)):
        width = sizes.width * 2**stage
        for block in range(depth):
            name = f"backbone.stages.{stage}.blocks.{block}"
            draw.norm(f"{name}.norm1", width)
            table = f"{name}.attn.w_msa.relative_position_bias_table"
            draw.normal(table, (2 * sizes.window - 1) ** 2, heads)
            draw.state[f"{name}.attn.w_msa.relative_position_index"] = unfolded_index(sizes.window)
            draw.linear(f"{name}.attn.w_msa.qkv", 3 * width, width)
            draw.linear(f"{name}.attn.w_msa.proj", width, width)
            draw.norm(f"{name}.norm2", width)
            draw.linear(f"{name}.ffn.layers.0.0", 4 * width, width)
            draw.linear(f"{name}.ffn.layers.1", width, 4 * width)
        if stage < len(sizes.depths) - 1:
            draw.norm(f"backbone.stages.{stage}.downsample.norm", 4 * width)
            draw.linear(f"backbone.stages.{stage}.downsample.reduction", 2 * width, 4 * width, bias=False)
        draw.norm(f"backbone.norm{stage}", width)
    _drawn_head(draw, sizes)
    return draw.state


def _drawn_head(draw: Draw, sizes: Sizes) -> None:
    wide, head = sizes.features, "panoptic_head"
    pixel = f"{head}.pixel_decoder"
    for level in range(LEVELS):
        draw.linear(f"{pixel}.input_convs.{level}.conv", wide, sizes.width * 2 ** (3 - level), 1, 1)
        draw.norm(f"{pixel}.input_convs.{level}.gn", wide)
    for layer in range(sizes.pixel_layers):
        name = f"{pixel}.encoder.layers.{layer}"
        samples = sizes.attention * LEVELS * POINTS
        draw.linear(f"{name}.attentions.0.sampling_offsets", 2 * samples, wide)
        draw.normal(f"{name}.attentions.0.sampling_offsets.bias", 2 * samples, scale=SPREAD)
        draw.linear(f"{name}.attentions.0.attention_weights", samples, wide)
        draw.linear(f"{name}.attentions.0.value_proj", wide, wide)
        draw.linear(f"{name}.attentions.0.output_proj", wide, wide)
        _drawn_ffn(draw, name, wide, 2 * wide, norms=2)
    draw.normal(f"{pixel}.level_encoding.weight", LEVELS, wide)
    draw.linear(f"{pixel}.lateral_convs.0.conv", wide, sizes.width, 1, 1, bias=False)
    draw.norm(f"{pixel}.lateral_convs.0.gn", wide)
    draw.linear(f"{pixel}.output_convs.0.conv", wide, wide, 3, 3, bias=False)
    draw.norm(f"{pixel}.output_convs.0.gn", wide)
    draw.linear(f"{pixel}.mask_feature", wide, wide, 1, 1)
    for layer in range(sizes.query_layers):
        name = f"{head}.transformer_decoder.layers.{layer}"
        for attention in (0, 1):
            draw.normal(
                f"{name}.attentions.{attention}.attn.in_proj_weight",
                3 * wide,
                wide,
                scale=1 / math.sqrt(wide),
            )
            draw.normal(f"{name}.attentions.{attention}.attn.in_proj_bias", 3 * wide, scale=0.2)
            draw.linear(f"{name}.attentions.{attention}.attn.out_proj", wide, wide)
        _drawn_ffn(draw, name, wide, 3 * wide, norms=3)
    draw.norm(f"{head}.transformer_decoder.post_norm", wide)
    for name, rows in (
        ("query_embed", sizes.queries),
        ("query_feat", sizes.queries),
        ("level_embed", LEVELS),
    ):
        draw.normal(f"{head}.{name}.weight", rows, wide)
    draw.linear(f"{head}.cls_embed", sizes.classes + 1, wide)
    for layer in (0, 2, 4):
        draw.linear(f"{head}.mask_embed.{layer}", wide, wide)


def _drawn_ffn(draw: Draw, name: str, wide: int, inner: int, norms: int) -> None:
    draw.linear(f"{name}.ffns.0.layers.0.0", inner, wide)
    draw.linear(f"{name}.ffns.0.layers.1", wide, inner)
    for norm in range(norms):
        draw.norm(f"{name}.norms.{norm}", wide)


def unfolded_index(window: int) -> Tensor:
    """Returns for each pair of places of a window the row of its bias, as mmdet makes it."""
    step = 2 * window - 1
    places = (torch.arange(window)[:, None] * step + torch.arange(window)).reshape(1, -1)
    return (places + places.T).flip(1).contiguous()
