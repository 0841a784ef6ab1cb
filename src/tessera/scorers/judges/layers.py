"""What the judges are made of: embeddings of patches and words, and pre-norm attention layers.

Axes: B rows, T patches, L word slots, S and K slots of any kind, D width, N patch pixels.
"""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from tessera.scorers.judges.sizes import GRID, PATCH, TEXT_SLOTS

HEAD = 32  # dimensions of an attention head, as in the mosaic policy


def to_patches(images_BHWC: UInt8[Tensor, "B H W 3"]) -> Float[Tensor, "B T N"]:
    """Returns the patches of pictures in reading order, scaled to (-1, 1): all preprocessing there is."""
    tiles = images_BHWC.unflatten(1, (GRID, PATCH)).unflatten(3, (GRID, PATCH)).transpose(2, 3)
    return tiles.flatten(3).flatten(1, 2).float() / 127.5 - 1


class Patches(nn.Module):
    """Patches as vectors: linear, plus their row and column."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * PATCH**2, width)
        self.row = nn.Parameter(torch.randn(GRID, width) * 0.25)
        self.column = nn.Parameter(torch.randn(GRID, width) * 0.25)

    def forward(self, patches_BTN: Float[Tensor, "B T N"]) -> Float[Tensor, "B T D"]:
        return self.linear(patches_BTN) + (self.row[:, None] + self.column[None]).flatten(0, 1)


class Words(nn.Module):
    """Word ids as vectors, plus their place in the window; 0 is padding and a word like any other."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words + 1, width)
        self.position = nn.Parameter(torch.randn(TEXT_SLOTS, width) * 0.25)
        nn.init.normal_(self.embedding.weight, std=0.5)

    def forward(self, ids_BL: Int[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        return self.embedding(ids_BL) + self.position


class Attention(nn.Module):
    """Slots look at a context; added to what they were."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.out.weight)  # every layer starts as the identity

    def forward(
        self, x_BSD: Float[Tensor, "B S D"], context_BKD: Float[Tensor, "B K D"]
    ) -> Float[Tensor, "B S D"]:
        q = self.query(self.norm(x_BSD)).unflatten(2, (-1, HEAD)).transpose(1, 2)
        key_value = self.key_value(context_BKD).unflatten(2, (2, -1, HEAD)).permute(2, 0, 3, 1, 4)
        k, v = key_value[0], key_value[1]
        # Written out: the fused kernel of a CPU is slower at this size, in the backward pass above all.
        weights = ((q * HEAD**-0.5) @ k.transpose(-1, -2)).softmax(-1).to(v.dtype)
        return x_BSD + self.out((weights @ v).transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Self-attention, attention to a context if the layer crosses, and a squared-ReLU hidden layer."""

    def __init__(self, width: int, *, crosses: bool = False) -> None:
        super().__init__()
        self.norm_self = nn.RMSNorm(width, eps=1e-6)
        self.itself = Attention(width)
        self.cross = Attention(width) if crosses else None
        self.norm_hidden = nn.RMSNorm(width, eps=1e-6)
        self.up = nn.Linear(width, 2 * width, bias=False)
        self.down = nn.Linear(2 * width, width, bias=False)
        nn.init.zeros_(self.down.weight)

    def forward(
        self, x_BSD: Float[Tensor, "B S D"], context_BKD: Float[Tensor, "B K D"] | None = None
    ) -> Float[Tensor, "B S D"]:
        x_BSD = self.itself(x_BSD, self.norm_self(x_BSD))
        if self.cross is not None and context_BKD is not None:
            x_BSD = self.cross(x_BSD, context_BKD)
        return x_BSD + self.down(F.relu(self.up(self.norm_hidden(x_BSD))).square())


class Stack(nn.Module):
    """Layers one after another, and a norm at the end."""

    def __init__(self, width: int, layers: int, *, crosses: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, crosses=crosses) for _ in range(layers))
        self.norm = nn.RMSNorm(width, eps=1e-6)

    def forward(
        self, x_BSD: Float[Tensor, "B S D"], context_BKD: Float[Tensor, "B K D"] | None = None
    ) -> Float[Tensor, "B S D"]:
        for layer in self.layers:
            x_BSD = layer(x_BSD, context_BKD)
        return self.norm(x_BSD)
