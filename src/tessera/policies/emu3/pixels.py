"""Codes to pictures and back, some pictures at a time.

The VQ model of Emu3 is one of videos: a code stands for 8 x 8 pixels of four frames, and a picture is four
equal frames on the way in, the first of four on the way out (baaivision/Emu3:
emu3/tokenizer/modeling_emu3visionvq.py). Only the few layers on the codes' side see several frames; the
large ones take each by itself, so here they are given one. The numbers are those of transformers' `decode`
and `encode`, with about a quarter of the work and the memory.

Pixels lie in (-1, 1), mean and deviation 0.5 (emu3/tokenizer/image_processing_emu3visionvq.py); they are
rounded here. The official script clips and cuts them off, so the two differ by at most one of 255 levels.

On a CPU the large layers see few pixels at a time and channels last: `tessera.policies.convolving` says why.
"""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F
from transformers import Emu3VQVAE

from tessera.policies.convolving import is_plain_cpu, rows_at_once


def pictures(vq: Emu3VQVAE, codes_BRC: Int[Tensor, "B R C"], at_once: int) -> UInt8[Tensor, "B H W 3"]:
    """Returns the pictures of codes, given by rows and columns."""
    pixels = codes_BRC[0].numel() * vq.spatial_scale_factor**2
    rows = rows_at_once(codes_BRC.device, at_once, pixels)
    return torch.cat([_bytes(_first_frame(vq, codes)) for codes in codes_BRC.split(rows)])


def codes(vq: Emu3VQVAE, images_BHWC: UInt8[Tensor, "B H W 3"], at_once: int) -> Int[Tensor, "B T"]:
    """Returns the codes of pictures, in reading order."""
    rows = rows_at_once(images_BHWC.device, at_once, images_BHWC[0, ..., 0].numel())
    return torch.cat([_codes(vq, images) for images in images_BHWC.split(rows)])


def _first_frame(vq: Emu3VQVAE, codes_BRC: Int[Tensor, "B R C"]) -> Float[Tensor, "B 3 H W"]:
    decoder = vq.decoder
    entries_BKFRC = vq.quantize.embedding(codes_BRC).permute(0, 3, 1, 2)[:, :, None]
    # Content and, for the norms, entries of the codebook: they go through the same layers.
    both = torch.cat([vq.post_quant_conv(entries_BKFRC), entries_BKFRC])
    for layer in decoder.time_res_stack:
        both = layer(both)
    for layer in decoder.time_conv:
        both = F.silu(layer(both))
    first = both[:, :, 0]
    if is_plain_cpu(first):
        first = first.contiguous(memory_format=torch.channels_last)
    x, entries = first.chunk(2)
    x = decoder.middle_block(decoder.conv_in(x), entries)
    x = decoder.up_block(x, entries)
    return decoder.conv_out(F.silu(decoder.norm_out(x, entries)))


def _bytes(x_BCHW: Float[Tensor, "B 3 H W"]) -> UInt8[Tensor, "B H W 3"]:
    """Returns pixels of (-1, 1) as bytes."""
    levels_BCHW = ((x_BCHW.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return levels_BCHW.permute(0, 2, 3, 1)


def _codes(vq: Emu3VQVAE, images_BHWC: UInt8[Tensor, "B H W 3"]) -> Int[Tensor, "B T"]:
    encoder = vq.encoder
    x = (images_BHWC.permute(0, 3, 1, 2).float() / 127.5 - 1).to(vq.dtype)
    x = encoder.middle_block(encoder.down_block(encoder.conv_in(x)))
    x = encoder.conv_out(F.silu(encoder.norm_out(x)))
    x = x[:, :, None].expand(-1, -1, vq.config.temporal_downsample_factor, -1, -1)
    for layer in encoder.time_conv:
        x = F.silu(layer(x))
    for layer in encoder.time_res_stack:
        x = layer(x)
    return vq.quantize(vq.quant_conv(x).transpose(1, 2)).flatten(1)
