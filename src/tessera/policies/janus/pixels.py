"""Codes to pictures and back, some pictures at a time.

The VQ model is that of LlamaGen (arXiv:2406.06525): 16 x 16 pixels per code, a codebook of unit vectors.

Pixels are rounded here; the official script clips and cuts them off (deepseek-ai/Janus:
generation_inference.py), so the two differ by at most one of 255 levels. transformers' own way to pixels,
`JanusProcessor.postprocess`, takes the channels of `decode_image_tokens` for rows, and is not used.

A code is the entry of the codebook nearest in direction: the official quantizer compares unit vectors
(janus/models/vq_model.py: `VectorQuantizer`, l2_norm). `JanusVQVAE.encode` of transformers 5.23 compares the
vectors as they are, which finds other codes; it is not used either.
"""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F
from transformers.models.janus.modeling_janus import JanusVQVAE


def pictures(vq: JanusVQVAE, tokens_BT: Int[Tensor, "B T"], at_once: int) -> UInt8[Tensor, "B H W 3"]:
    """Returns the pictures of codes."""
    return torch.cat(
        [
            _bytes(vq.decode(tokens))  # pyright: ignore[reportArgumentType] - any integers will do
            for tokens in tokens_BT.split(at_once)
        ]
    )


def codes(vq: JanusVQVAE, images_BHWC: UInt8[Tensor, "B H W 3"], at_once: int) -> Int[Tensor, "B T"]:
    """Returns the codes of pictures, in reading order."""
    return torch.cat([_nearest(vq, images) for images in images_BHWC.split(at_once)])


def _bytes(x_BCHW: Float[Tensor, "B 3 H W"]) -> UInt8[Tensor, "B H W 3"]:
    """Returns pixels of (-1, 1) as bytes."""
    levels_BCHW = ((x_BCHW.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return levels_BCHW.permute(0, 2, 3, 1)


def _nearest(vq: JanusVQVAE, images_BHWC: UInt8[Tensor, "B H W 3"]) -> Int[Tensor, "B T"]:
    entries_VK = F.normalize(vq.quantize.embedding.weight, dim=-1)
    x_BCHW = (images_BHWC.permute(0, 3, 1, 2).float() / 127.5 - 1).to(entries_VK.dtype)
    points_BTK = F.normalize(vq.quant_conv(vq.encoder(x_BCHW)).flatten(2).transpose(1, 2), dim=-1)
    return (points_BTK @ entries_VK.T).argmax(-1)
