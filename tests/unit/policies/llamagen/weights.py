"""Random weights of a tiny LlamaGen in its authors' layout (FoundationVision/LlamaGen).

Large enough that a wrong layer, mask or order shows.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

State = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of a tiny LlamaGen."""

    layers: int = 2
    width: int = 32
    heads: int = 2
    inner: int = 256  # 8/3 of the width is 85, rounded up to a multiple of 256
    grid: int = 4
    codebook: int = 40
    code_dim: int = 4
    channels: int = 32
    multipliers: tuple[int, ...] = (1, 2)
    residuals: int = 2
    latent: int = 16
    classes: int = 12
    slots: int = 24
    caption_width: int = 16


class Draw:
    """Random weights by name."""

    def __init__(self, seed: int) -> None:
        self.state: State = {}
        self.generator = torch.Generator().manual_seed(seed)

    def weight(self, name: str, *shape: int) -> None:
        drawn = torch.randn(*shape, generator=self.generator)
        self.state[f"{name}.weight"] = drawn / math.sqrt(drawn[0].numel())

    def table(self, name: str, *shape: int) -> None:
        self.state[name] = torch.randn(*shape, generator=self.generator)

    def norm(self, name: str, width: int) -> None:
        self.state[f"{name}.weight"] = 1 + 0.2 * torch.randn(width, generator=self.generator)

    def bias(self, name: str, width: int) -> None:
        self.state[f"{name}.bias"] = 0.2 * torch.randn(width, generator=self.generator)

    def conv(self, name: str, after: int, before: int, side: int) -> None:
        self.weight(name, after, before, side, side)
        self.bias(name, after)

    def group(self, name: str, width: int) -> None:
        self.norm(name, width)
        self.bias(name, width)

    def residual(self, name: str, before: int, after: int) -> None:
        self.group(f"{name}.norm1", before)
        self.conv(f"{name}.conv1", after, before, 3)
        self.group(f"{name}.norm2", after)
        self.conv(f"{name}.conv2", after, after, 3)
        if before != after:
            self.conv(f"{name}.nin_shortcut", after, before, 1)

    def attention(self, name: str, width: int) -> None:
        self.group(f"{name}.norm", width)
        for part in ("q", "k", "v", "proj_out"):
            self.conv(f"{name}.{part}", width, width, 1)

    def middle(self, name: str, width: int) -> None:
        self.residual(f"{name}.mid.0", width, width)
        self.attention(f"{name}.mid.1", width)
        self.residual(f"{name}.mid.2", width, width)


def gpt_state(sizes: Sizes, kind: str) -> State:
    """Returns the weights of a transformer of a kind, c2i or t2i."""
    draw = Draw(31)
    if kind == "c2i":
        draw.table("cls_embedding.embedding_table.weight", sizes.classes + 1, sizes.width)
    else:
        draw.table("cls_embedding.uncond_embedding", sizes.slots, sizes.caption_width)
        draw.weight("cls_embedding.cap_proj.fc1", sizes.width, sizes.caption_width)
        draw.weight("cls_embedding.cap_proj.fc2", sizes.width, sizes.width)
    draw.table("tok_embeddings.weight", sizes.codebook, sizes.width)
    for layer in (f"layers.{number}" for number in range(sizes.layers)):
        draw.weight(f"{layer}.attention.wqkv", 3 * sizes.width, sizes.width)
        draw.weight(f"{layer}.attention.wo", sizes.width, sizes.width)
        for part, after, before in (("1", *_up(sizes)), ("3", *_up(sizes)), ("2", *_up(sizes)[::-1])):
            draw.weight(f"{layer}.feed_forward.w{part}", after, before)
        draw.norm(f"{layer}.attention_norm", sizes.width)
        draw.norm(f"{layer}.ffn_norm", sizes.width)
    draw.norm("norm", sizes.width)
    draw.weight("output", sizes.codebook, sizes.width)
    return draw.state


def _up(sizes: Sizes) -> tuple[int, int]:
    return sizes.inner, sizes.width


def vq_state(sizes: Sizes) -> State:
    """Returns the weights of a tokenizer."""
    draw = Draw(32)
    widths = [sizes.channels * each for each in sizes.multipliers]
    last = len(widths) - 1
    draw.conv("encoder.conv_in", sizes.channels, 3, 3)
    before = sizes.channels
    for level, width in enumerate(widths):
        name = f"encoder.conv_blocks.{level}"
        for block in range(sizes.residuals):
            draw.residual(f"{name}.res.{block}", before, width)
            before = width
            if level == last:
                draw.attention(f"{name}.attn.{block}", width)
        if level != last:
            draw.conv(f"{name}.downsample.conv", width, width, 3)
    draw.middle("encoder", before)
    draw.group("encoder.norm_out", before)
    draw.conv("encoder.conv_out", sizes.latent, before, 3)
    draw.conv("decoder.conv_in", before, sizes.latent, 3)
    draw.middle("decoder", before)
    for level, width in enumerate(reversed(widths)):
        name = f"decoder.conv_blocks.{level}"
        for block in range(sizes.residuals + 1):
            draw.residual(f"{name}.res.{block}", before, width)
            before = width
            if level == 0:
                draw.attention(f"{name}.attn.{block}", width)
        if level != last:
            draw.conv(f"{name}.upsample.conv", width, width, 3)
    draw.group("decoder.norm_out", before)
    draw.conv("decoder.conv_out", 3, before, 3)
    draw.table("quantize.embedding.weight", sizes.codebook, sizes.code_dim)
    draw.state["quantize.codebook_used"] = torch.zeros(65536)
    draw.conv("quant_conv", sizes.code_dim, sizes.latent, 1)
    draw.conv("post_quant_conv", sizes.latent, sizes.code_dim, 1)
    return draw.state


def saved(folder: Path, name: str, state: State, under: str | None = "model") -> str:
    """Returns a torch file of these weights, as the authors publish them."""
    torch.save({under: state} if under else state, folder / name)  # noqa: TID251 - makes what is read
    return str(folder / name)
