"""The VQ tokenizer of LlamaGen: pictures <-> a grid of codes, by convolutions with attention at the codes.

FoundationVision/LlamaGen:tokenizer/tokenizer_image/vq_model.py. Codes are compared by direction: the
encoder's points and the codebook are scaled to length 1 (arXiv:2406.06525, section 2.2). On a CPU it runs as
`tessera.policies.convolving` says.

Axes: B pictures, T codes, K features of a code, C channels, R S rows and columns.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from tessera.policies.convolving import group_norm, is_plain_cpu, rows_at_once
from tessera.policies.llamagen.config import VQConfig

GROUPS = 32  # of a norm
EPS = 1e-6
# Pixels decoded or encoded in one go: eight pictures of 256 x 256. The widest layers keep 128 numbers of
# each pixel, several times over: about 1 GB.
PIXELS_AT_ONCE = 8 * 256**2


class Tokenizer(nn.Module):
    """Encoder, codebook and decoder."""

    def __init__(self, config: VQConfig, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.side = grid * config.patch
        self.encoder = Encoder(config)
        self.to_code = nn.Conv2d(config.latent, config.code_dim, 1)
        self.codebook = nn.Parameter(torch.empty(config.codebook, config.code_dim))
        self.from_code = nn.Conv2d(config.code_dim, config.latent, 1)
        self.decoder = Decoder(config)

    def encode(self, images_BHWC: UInt8[Tensor, "B H W 3"]) -> Int[Tensor, "B T"]:
        """Returns the codes of pictures, in reading order."""
        return self._in_pieces(self._encode, images_BHWC)

    def decode(self, tokens_BT: Int[Tensor, "B T"]) -> UInt8[Tensor, "B H W 3"]:
        """Returns the pictures of codes: rounded, clamped, once; nothing downstream converts pixels again."""
        return self._in_pieces(self._decode, tokens_BT)

    def _in_pieces(self, work: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """Returns the work of all rows, a bounded number of them at a time."""
        most = max(1, PIXELS_AT_ONCE // self.side**2)
        return torch.cat([work(piece) for piece in rows.split(rows_at_once(rows.device, most, self.side**2))])

    def _encode(self, images_BHWC: UInt8[Tensor, "B H W 3"]) -> Int[Tensor, "B T"]:
        pixels = images_BHWC.permute(0, 3, 1, 2).to(self.codebook.dtype) / 127.5 - 1
        points_BKRS = self.to_code(self.encoder(pixels))
        points_BTK = F.normalize(points_BKRS.flatten(2).transpose(1, 2), dim=-1)
        # The nearest of directions is the one of the largest product.
        return (points_BTK @ F.normalize(self.codebook, dim=-1).T).argmax(-1)

    def _decode(self, tokens_BT: Int[Tensor, "B T"]) -> UInt8[Tensor, "B H W 3"]:
        pixels = self.reconstruct(tokens_BT).float()
        return ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)

    def reconstruct(self, tokens_BT: Int[Tensor, "B T"]) -> Float[Tensor, "B 3 H W"]:
        """Returns the pictures of codes as the decoder makes them, about -1 to 1."""
        codes_BTK = F.embedding(tokens_BT, F.normalize(self.codebook, dim=-1))
        codes_BKRS = codes_BTK.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        points_BCRS = self.from_code(codes_BKRS)
        if is_plain_cpu(points_BCRS):
            points_BCRS = points_BCRS.contiguous(memory_format=torch.channels_last)
        return self.decoder(points_BCRS)


class Encoder(nn.Module):
    """Pixels to points, half the side at each level but the last."""

    def __init__(self, config: VQConfig) -> None:
        super().__init__()
        widths = [config.channels * each for each in config.multipliers]
        self.enter = _conv(3, config.channels)
        self.levels = nn.Sequential()
        before = config.channels
        for index, width in enumerate(widths):
            last = index == len(widths) - 1
            self.levels.append(
                _Level(
                    before, width, config.residuals, attends=last, resample=None if last else _Halve(width)
                )
            )
            before = width
        self.middle = _middle(before)
        self.norm = nn.GroupNorm(GROUPS, before, eps=EPS)
        self.leave = _conv(before, config.latent)

    def forward(self, x_BCRS: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C R S"]:
        x_BCRS = self.middle(self.levels(self.enter(x_BCRS)))
        return self.leave(_activated(self.norm, x_BCRS))


class Decoder(nn.Module):
    """Points to pixels, twice the side at each level but the last."""

    def __init__(self, config: VQConfig) -> None:
        super().__init__()
        widths = [config.channels * each for each in reversed(config.multipliers)]
        self.enter = _conv(config.latent, widths[0])
        self.middle = _middle(widths[0])
        self.levels = nn.Sequential()
        before = widths[0]
        for index, width in enumerate(widths):
            resample = None if index == len(widths) - 1 else _Double(width)
            self.levels.append(
                _Level(before, width, config.residuals + 1, attends=index == 0, resample=resample)
            )
            before = width
        self.norm = nn.GroupNorm(GROUPS, before, eps=EPS)
        self.leave = _conv(before, 3)

    def forward(self, x_BCRS: Float[Tensor, "B C R S"]) -> Float[Tensor, "B 3 H W"]:
        x_BCRS = self.levels(self.middle(self.enter(x_BCRS)))
        return self.leave(_activated(self.norm, x_BCRS))


class _Level(nn.Module):
    """Residual blocks of one resolution, each with attention where it attends, and the way to the next."""

    def __init__(
        self, before: int, width: int, blocks: int, *, attends: bool, resample: nn.Module | None
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Residual(before if i == 0 else width, width) for i in range(blocks))
        self.attention = nn.ModuleList(_Attention(width) if attends else nn.Identity() for _ in range(blocks))
        self.resample = nn.Identity() if resample is None else resample

    def forward(self, x_BCRS: Float[Tensor, "B C R S"]) -> Float[Tensor, "B D R2 S2"]:
        for block, attention in zip(self.blocks, self.attention, strict=True):
            x_BCRS = attention(block(x_BCRS))
        return self.resample(x_BCRS)


class _Residual(nn.Module):
    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, before, eps=EPS)
        self.conv1 = _conv(before, width)
        self.norm2 = nn.GroupNorm(GROUPS, width, eps=EPS)
        self.conv2 = _conv(width, width)
        self.shortcut = nn.Identity() if before == width else nn.Conv2d(before, width, 1)

    def forward(self, x_BCRS: Float[Tensor, "B C R S"]) -> Float[Tensor, "B D R S"]:
        h = self.conv1(_activated(self.norm1, x_BCRS))
        return self.conv2(_activated(self.norm2, h)).add_(self.shortcut(x_BCRS))


class _Attention(nn.Module):
    """Every place sees every place, by one head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width, eps=EPS)
        self.q, self.k, self.v, self.out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x_BCRS: Float[Tensor, "B C R S"]) -> Float[Tensor, "B C R S"]:
        h_BCRS = group_norm(self.norm, x_BCRS)
        q, k, v = (layer(h_BCRS).flatten(2).transpose(1, 2) for layer in (self.q, self.k, self.v))
        mixed_BTC = F.scaled_dot_product_attention(q, k, v)
        return x_BCRS + self.out(mixed_BTC.transpose(1, 2).unflatten(2, x_BCRS.shape[2:]))


class _Halve(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x_BCRS: Float[Tensor, "B C R S"]) -> Float[Tensor, "B C R2 S2"]:
        return self.conv(F.pad(x_BCRS, (0, 1, 0, 1)))  # on the right and below only


class _Double(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = _conv(width, width)

    def forward(self, x_BCRS: Float[Tensor, "B C R S"]) -> Float[Tensor, "B C R2 S2"]:
        return self.conv(F.interpolate(x_BCRS, scale_factor=2.0, mode="nearest"))


def _activated(norm: nn.GroupNorm, x_BCRS: Float[Tensor, "B C R S"]) -> Float[Tensor, "B C R S"]:
    return F.silu(group_norm(norm, x_BCRS), inplace=True)


def _conv(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, padding=1)


def _middle(width: int) -> nn.Sequential:
    return nn.Sequential(_Residual(width, width), _Attention(width), _Residual(width, width))
