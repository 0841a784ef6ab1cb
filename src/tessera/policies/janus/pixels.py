"""Codes to pictures and back, some pictures at a time.

The VQ model is that of LlamaGen (arXiv:2406.06525): 16 x 16 pixels per code, a codebook of unit vectors.

Pixels are rounded here; the official script clips and cuts them off (deepseek-ai/Janus:
generation_inference.py), so the two differ by at most one of 255 levels. transformers' own way to pixels,
`JanusProcessor.postprocess`, takes the channels of `decode_image_tokens` for rows, and is not used.

A code is the entry of the codebook nearest in direction: the official quantizer compares unit vectors
(janus/models/vq_model.py: `VectorQuantizer`, l2_norm). `JanusVQVAE.encode` of transformers 5.23 compares the
vectors as they are, which finds other codes; it is not used either.

On a CPU in float32 the modules of transformers' decoder are run as `tessera.policies.convolving` says; the
numbers are those of its own `decode`, which runs them everywhere else.
"""

from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F
from transformers.models.janus.modeling_janus import JanusVQVAE

from tessera.policies.convolving import group_norm, is_plain_cpu, rows_at_once


def pictures(vq: JanusVQVAE, tokens_BT: Int[Tensor, "B T"], at_once: int) -> UInt8[Tensor, "B H W 3"]:
    """Returns the pictures of codes."""
    rows = rows_at_once(tokens_BT.device, at_once, _pixels(vq))
    return torch.cat([_bytes(_decoded(vq, tokens)) for tokens in tokens_BT.split(rows)])


def codes(vq: JanusVQVAE, images_BHWC: UInt8[Tensor, "B H W 3"], at_once: int) -> Int[Tensor, "B T"]:
    """Returns the codes of pictures, in reading order."""
    rows = rows_at_once(images_BHWC.device, at_once, _pixels(vq))
    return torch.cat([_nearest(vq, images) for images in images_BHWC.split(rows)])


def _pixels(vq: JanusVQVAE) -> int:
    """Returns how many pixels a picture has: a level of the decoder but the last doubles its side."""
    grid, _ = vq.quantize.quant_state_dims
    return (grid * 2 ** (vq.decoder.num_resolutions - 1)) ** 2


def _decoded(vq: JanusVQVAE, tokens_BT: Int[Tensor, "B T"]) -> Float[Tensor, "B 3 H W"]:
    ids: Any = tokens_BT  # for which transformers wants one kind of integers
    if not is_plain_cpu(vq.quantize.embedding.weight):
        return vq.decode(ids)
    start = vq.post_quant_conv(vq.quantize.get_codebook_entry(ids))
    return _channels_last(vq.decoder, start.contiguous(memory_format=torch.channels_last))


def _channels_last(decoder: Any, x: Float[Tensor, "B C R S"]) -> Float[Tensor, "B 3 H W"]:
    """Returns what the decoder makes, its activations written over where nothing needs them any more."""
    middle = decoder.mid
    x = _residual(middle.block_1, decoder.conv_in(x))
    x = _residual(middle.block_2, middle.attn_1(x))
    for index, level in enumerate(decoder.up):
        for number, block in enumerate(level.block):
            x = _residual(block, x)
            if level.attn:
                x = level.attn[number](x)
        if index + 1 < decoder.num_resolutions:
            x = level.upsample(x)
    return decoder.conv_out(F.silu(group_norm(decoder.norm_out, x), inplace=True))


def _residual(block: Any, x: Float[Tensor, "B C R S"]) -> Float[Tensor, "B D R S"]:
    inner = block.conv1(F.silu(group_norm(block.norm1, x), inplace=True))
    inner = block.conv2(F.silu(group_norm(block.norm2, inner), inplace=True))
    return inner.add_(x if block.in_channels == block.out_channels else block.nin_shortcut(x))


def _bytes(x_BCHW: Float[Tensor, "B 3 H W"]) -> UInt8[Tensor, "B H W 3"]:
    """Returns pixels of (-1, 1) as bytes."""
    levels_BCHW = ((x_BCHW.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return levels_BCHW.permute(0, 2, 3, 1)


def _nearest(vq: JanusVQVAE, images_BHWC: UInt8[Tensor, "B H W 3"]) -> Int[Tensor, "B T"]:
    entries_VK = F.normalize(vq.quantize.embedding.weight, dim=-1)
    x_BCHW = (images_BHWC.permute(0, 3, 1, 2).float() / 127.5 - 1).to(entries_VK.dtype)
    points_BTK = F.normalize(vq.quant_conv(vq.encoder(x_BCHW)).flatten(2).transpose(1, 2), dim=-1)
    return (points_BTK @ entries_VK.T).argmax(-1)
