"""BLIP in plain torch, on weights in its authors' layout: what the scorers are compared with.

A ViT, a BERT that looks at pictures (its cross-attention with a mask), its head of words, and the head of
ImageReward; written from the papers (arXiv 2010.11929, 1810.04805, 2201.12086), without a class of
transformers. The weights are random, large enough that a wrong layer, mask or order shows.

Axes: B rows, N patches and the class token, L pieces, D width, H heads.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]
MLP = (("0", 40), ("2", 24), ("4", 12), ("6", 6), ("7", 1))  # ImageReward's layers, smaller


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of a tiny BLIP; heads are 64 wide, as in the published ones."""

    vision: int = 128
    text: int = 128
    layers: int = 2
    inner: int = 96
    patch: int = 8
    side: int = 24
    pieces: int = 40  # of the vocabulary; two more are BLIP's own
    positions: int = 48


class Draw:
    """Random weights by name."""

    def __init__(self, seed: int) -> None:
        self.state: State = {}
        self.generator = torch.Generator().manual_seed(seed)

    def weight(self, name: str, *shape: int) -> None:
        scale = 1 / math.sqrt(shape[-1])
        self.state[name] = torch.randn(*shape, generator=self.generator) * scale

    def linear(self, name: str, outer: int, inner: int) -> None:
        self.weight(f"{name}.weight", outer, inner)
        self.state[f"{name}.bias"] = torch.randn(outer, generator=self.generator) * 0.1

    def norm(self, name: str, width: int) -> None:
        self.state[f"{name}.weight"] = 1 + 0.2 * torch.randn(width, generator=self.generator)
        self.state[f"{name}.bias"] = 0.2 * torch.randn(width, generator=self.generator)

    def vit(self, name: str, sizes: Sizes) -> None:
        width = sizes.vision
        self.weight(f"{name}.cls_token", 1, 1, width)
        self.weight(f"{name}.pos_embed", 1, (sizes.side // sizes.patch) ** 2 + 1, width)
        self.weight(f"{name}.patch_embed.proj.weight", width, 3, sizes.patch, sizes.patch)
        self.state[f"{name}.patch_embed.proj.bias"] = torch.zeros(width)
        for layer in range(sizes.layers):
            block = f"{name}.blocks.{layer}"
            self.norm(f"{block}.norm1", width)
            self.linear(f"{block}.attn.qkv", 3 * width, width)
            self.linear(f"{block}.attn.proj", width, width)
            self.norm(f"{block}.norm2", width)
            self.linear(f"{block}.mlp.fc1", sizes.inner, width)
            self.linear(f"{block}.mlp.fc2", width, sizes.inner)
        self.norm(f"{name}.norm", width)

    def bert(self, name: str, sizes: Sizes, seen: int) -> None:
        width = sizes.text
        self.weight(f"{name}.embeddings.word_embeddings.weight", sizes.pieces + 2, width)
        self.weight(f"{name}.embeddings.position_embeddings.weight", sizes.positions, width)
        self.state[f"{name}.embeddings.position_ids"] = torch.arange(sizes.positions)[None]
        self.norm(f"{name}.embeddings.LayerNorm", width)
        for layer in range(sizes.layers):
            block = f"{name}.encoder.layer.{layer}"
            for kind, inner in (("attention", width), ("crossattention", seen)):
                self.linear(f"{block}.{kind}.self.query", width, width)
                self.linear(f"{block}.{kind}.self.key", width, inner)
                self.linear(f"{block}.{kind}.self.value", width, inner)
                self.linear(f"{block}.{kind}.output.dense", width, width)
                self.norm(f"{block}.{kind}.output.LayerNorm", width)
            self.linear(f"{block}.intermediate.dense", sizes.inner, width)
            self.linear(f"{block}.output.dense", width, sizes.inner)
            self.norm(f"{block}.output.LayerNorm", width)


def image_reward_state(sizes: Sizes, seed: int = 0) -> State:
    """Returns weights laid out as in ImageReward.pt."""
    draw = Draw(seed)
    draw.vit("blip.visual_encoder", sizes)
    draw.bert("blip.text_encoder", sizes, sizes.vision)
    draw.linear("blip.vision_proj", 16, sizes.vision)
    draw.linear("blip.text_proj", 16, sizes.text)
    inner = sizes.text
    for layer, outer in MLP:
        draw.linear(f"mlp.layers.{layer}", outer, inner)
        inner = outer
    return draw.state


def vqa_state(sizes: Sizes, seed: int = 0) -> State:
    """Returns weights laid out as in model_base_vqa_capfilt_large.pth."""
    draw = Draw(seed)
    draw.vit("visual_encoder", sizes)
    draw.bert("text_encoder", sizes, sizes.vision)
    draw.bert("text_decoder.bert", sizes, sizes.text)
    head = "text_decoder.cls.predictions"
    draw.linear(f"{head}.transform.dense", sizes.text, sizes.text)
    draw.norm(f"{head}.transform.LayerNorm", sizes.text)
    # The head's rows are the embeddings, and its bias has two names: as in the authors' file.
    draw.state[f"{head}.decoder.weight"] = draw.state["text_decoder.bert.embeddings.word_embeddings.weight"]
    draw.state[f"{head}.bias"] = torch.randn(sizes.pieces + 2, generator=draw.generator)
    draw.state[f"{head}.decoder.bias"] = draw.state[f"{head}.bias"]
    return draw.state


def linear(state: State, name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def norm(state: State, name: str, x: Tensor, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt()
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def attend(query: Tensor, key: Tensor, value: Tensor, mask_BL: Tensor | None) -> Tensor:
    """Returns attention with heads of 64; rows of the mask say which keys are looked at."""
    rows, length, width = query.shape
    query, key, value = (x.view(rows, -1, width // 64, 64).transpose(1, 2) for x in (query, key, value))
    weights = query @ key.transpose(-1, -2) / 8
    if mask_BL is not None:
        weights = weights.masked_fill(~mask_BL.bool()[:, None, None, :], -torch.inf)
    return (weights.softmax(-1) @ value).transpose(1, 2).reshape(rows, length, width)


def vit(state: State, name: str, pixels_B3HW: Tensor) -> Tensor:
    """Returns the states of the class token and the patches."""
    kernel = state[f"{name}.patch_embed.proj.weight"]
    patches = F.unfold(pixels_B3HW, kernel.shape[-1], stride=kernel.shape[-1]).transpose(1, 2)
    patches = patches @ kernel.flatten(1).T + state[f"{name}.patch_embed.proj.bias"]
    start = state[f"{name}.cls_token"].expand(len(patches), -1, -1)
    x = torch.cat([start, patches], dim=1) + state[f"{name}.pos_embed"]
    layer = 0
    while f"{name}.blocks.{layer}.norm1.weight" in state:
        block = f"{name}.blocks.{layer}"
        query, key, value = linear(state, f"{block}.attn.qkv", norm(state, f"{block}.norm1", x, 1e-6)).chunk(
            3, -1
        )
        x = x + linear(state, f"{block}.attn.proj", attend(query, key, value, None))
        inner = F.gelu(linear(state, f"{block}.mlp.fc1", norm(state, f"{block}.norm2", x, 1e-6)))
        x = x + linear(state, f"{block}.mlp.fc2", inner)
        layer += 1
    return norm(state, f"{name}.norm", x, 1e-6)


def bert(
    state: State,
    name: str,
    ids_BL: Tensor,
    mask_BL: Tensor,
    seen_BND: Tensor,
    seen_mask_BN: Tensor | None = None,
) -> Tensor:
    """Returns the states of the pieces, each looking at all unmasked pieces and at what is seen."""
    x = state[f"{name}.embeddings.word_embeddings.weight"][ids_BL]
    x = x + state[f"{name}.embeddings.position_embeddings.weight"][: ids_BL.shape[1]]
    x = norm(state, f"{name}.embeddings.LayerNorm", x, 1e-12)
    layer = 0
    while f"{name}.encoder.layer.{layer}.output.dense.weight" in state:
        block = f"{name}.encoder.layer.{layer}"
        for kind, keys, mask in (("attention", None, mask_BL), ("crossattention", seen_BND, seen_mask_BN)):
            keys = x if keys is None else keys
            mixed = attend(
                linear(state, f"{block}.{kind}.self.query", x),
                linear(state, f"{block}.{kind}.self.key", keys),
                linear(state, f"{block}.{kind}.self.value", keys),
                mask,
            )
            x = norm(
                state,
                f"{block}.{kind}.output.LayerNorm",
                x + linear(state, f"{block}.{kind}.output.dense", mixed),
                1e-12,
            )
        inner = F.gelu(linear(state, f"{block}.intermediate.dense", x))
        x = norm(state, f"{block}.output.LayerNorm", x + linear(state, f"{block}.output.dense", inner), 1e-12)
        layer += 1
    return x


def image_reward(state: State, pixels_B3HW: Tensor, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
    """Returns the standardised reward."""
    seen = vit(state, "blip.visual_encoder", pixels_B3HW)
    x = bert(state, "blip.text_encoder", ids_BL, mask_BL, seen)[:, 0]
    for layer, _ in MLP:
        x = linear(state, f"mlp.layers.{layer}", x)
    return (x[:, 0] - 0.16717362830052426) / 1.0333394966054072


def probability_yes(
    state: State,
    pixels_B3HW: Tensor,
    ids_BL: Tensor,
    mask_BL: Tensor,
    yes: int,
    no: int,
    cross_mask: bool = True,
) -> Tensor:
    """Returns p(yes) / (p(yes) + p(no)) from a softmax over all words; without the decoder's mask if told."""
    seen = vit(state, "visual_encoder", pixels_B3HW)
    asked = bert(state, "text_encoder", ids_BL, mask_BL, seen)
    words = state["text_encoder.embeddings.word_embeddings.weight"].shape[0]
    first = torch.full((len(ids_BL), 1), words - 2)  # [DEC]
    mask = mask_BL if cross_mask else None
    answer = bert(state, "text_decoder.bert", first, torch.ones_like(first), asked, mask)[:, 0]
    head = "text_decoder.cls.predictions"
    answer = F.gelu(linear(state, f"{head}.transform.dense", answer))
    answer = norm(state, f"{head}.transform.LayerNorm", answer, 1e-12)
    probabilities = linear(state, f"{head}.decoder", answer).softmax(-1)
    return probabilities[:, yes] / (probabilities[:, yes] + probabilities[:, no])
