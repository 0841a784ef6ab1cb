"""The VQ tokenizer of mosaic: 128 x 128 pixels <-> 64 codes, one per 16 x 16 patch.

The encoder sees one patch at a time, so equal patches get equal codes and the page has one code: what a
transformer can learn. The decoder sees neighbouring codes, which settles the detail that a code leaves open.
"""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from tessera.policies.mosaic.config import TokenizerConfig


class Tokenizer(nn.Module):
    """Vector-quantised autoencoder. Codebook entries are moved by running means, not by gradients."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        pixels = 3 * config.patch**2
        width = config.width
        self.encoder = nn.Sequential(
            nn.Linear(pixels, config.encoder_width),
            nn.GELU(),
            nn.Linear(config.encoder_width, config.code_dim),
        )
        self.codebook = nn.Parameter(torch.randn(config.codebook, config.code_dim), requires_grad=False)
        self.decoder_in = nn.Linear(config.code_dim, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(config.blocks))
        self.decoder_out = nn.Sequential(
            nn.Linear(width, config.decoder_width), nn.GELU(), nn.Linear(config.decoder_width, pixels)
        )

    def to_patches(self, images_BHWC: UInt8[Tensor, "B H W 3"]) -> Float[Tensor, "B T D"]:
        """Returns patches in reading order, scaled to (-1, 1)."""
        size, grid = self.config.patch, self.config.grid
        patches = images_BHWC.unflatten(1, (grid, size)).unflatten(3, (grid, size)).transpose(2, 3)
        return patches.flatten(3).flatten(1, 2).float() / 127.5 - 1

    def embed(self, patches_BTD: Float[Tensor, "B T D"]) -> Float[Tensor, "B T K"]:
        """Returns the point of each patch in code space, before quantisation."""
        return self.encoder(patches_BTD)

    def quantise(self, points: Float[Tensor, "*N K"]) -> Int[Tensor, "*N"]:
        """Returns the index of the nearest codebook entry of each point."""
        # |p - c|^2 without |p|^2, which does not change the order.
        return (self.codebook.square().sum(-1) - 2 * points @ self.codebook.T).argmin(-1)

    def encode(self, images_BHWC: UInt8[Tensor, "B H W 3"]) -> Int[Tensor, "B T"]:
        """Returns the codes of pictures, in reading order."""
        return self.quantise(self.embed(self.to_patches(images_BHWC)))

    def reconstruct(self, codes_BTK: Float[Tensor, "B T K"]) -> Float[Tensor, "B T D"]:
        """Returns the patches that the decoder makes of code vectors, about (-1, 1)."""
        grid = self.config.grid
        x_BCRS = self.decoder_in(codes_BTK).transpose(1, 2).unflatten(2, (grid, grid))
        for block in self.blocks:
            x_BCRS = block(x_BCRS)
        return self.decoder_out(x_BCRS.flatten(2).transpose(1, 2))

    def decode(self, tokens_BT: Int[Tensor, "B T"]) -> UInt8[Tensor, "B H W 3"]:
        """Returns the pictures of codes: rounded, clamped, once; nothing downstream converts pixels again."""
        size, grid = self.config.patch, self.config.grid
        patches_BTD = self.reconstruct(F.embedding(tokens_BT, self.codebook))
        pixels = ((patches_BTD + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        tiles = pixels.unflatten(2, (size, size, 3)).unflatten(1, (grid, grid))
        return tiles.transpose(2, 3).flatten(3, 4).flatten(1, 2)


class _Block(nn.Module):
    """Residual 3 x 3 convolution over the grid of codes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(width, width, 3, padding=1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x_BCRS: Float[Tensor, "B C R S"]) -> Float[Tensor, "B C R S"]:
        return x_BCRS + self.out(F.gelu(self.mix(x_BCRS)))
