"""The decoder-only transformer of mosaic: a text window, a begin-of-image slot, then 64 codes.

Pre-norm (RMS), learned positions (one per slot, plus row and column of the code grid), squared-ReLU MLPs, no
biases. The text window has a fixed length and its padding is attended like any word, so shapes never change
and a row never depends on the length of another's prompt. The null prompt of guidance is an empty window.
"""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tessera.policies.mosaic.activation import squared_relu
from tessera.policies.mosaic.attention import attention, causal_attention
from tessera.policies.mosaic.cache import MosaicCache
from tessera.policies.mosaic.config import MosaicConfig
from tessera.policies.mosaic.groups import Columns
from tessera.policies.mosaic.norm import RMSNorm
from tessera.products import Linear

PLACES = ("position", "row", "column")


class Transformer(nn.Module):
    """Features of text and codes; `head` maps them to logits over the codebook."""

    def __init__(self, config: MosaicConfig) -> None:
        super().__init__()
        sizes = config.transformer
        grid, tokens = config.tokenizer.grid, config.tokens
        self.config = config
        self.recompute = False  # whether backward makes each layer's activations again: slower, smaller
        self.prefix = sizes.text_slots + 1
        self.text_embedding = nn.Embedding(len(config.words) + 1, sizes.width)  # 0 is padding
        self.image_embedding = nn.Embedding(config.tokenizer.codebook, sizes.width)
        self.begin_of_image = nn.Parameter(torch.empty(sizes.width))
        # The last code is never an input: nothing comes after it.
        self.position = nn.Parameter(torch.empty(self.prefix + tokens - 1, sizes.width))
        # Row and column of the code that a slot predicts, counted from the begin-of-image slot.
        self.row = nn.Parameter(torch.empty(grid, sizes.width))
        self.column = nn.Parameter(torch.empty(grid, sizes.width))
        self.layers = nn.ModuleList(
            _Layer(sizes.width, sizes.heads, sizes.mlp_width) for _ in range(sizes.layers)
        )
        self.norm = RMSNorm(sizes.width)
        self.head = Linear(sizes.width, config.tokenizer.codebook)
        self.reset()

    def reset(self) -> None:
        """Draws fresh weights from torch's global generator."""
        for name, parameter in self.named_parameters():
            if parameter.ndim < 2 and name != "begin_of_image":
                nn.init.ones_(parameter)
            elif name.endswith(("out.weight", "down.weight")):
                nn.init.zeros_(parameter)  # every layer starts as the identity
            elif ".qkv." in name or ".up." in name:
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
            elif name == "head.weight":
                nn.init.normal_(parameter, std=0.02)
            else:
                # Words, codes and places enter as large as what the layers will add to them; from a start
                # of 0.02 their meaning was drowned for tens of thousands of pictures.
                nn.init.normal_(parameter, std=0.25 if name in PLACES else 0.5)

    @property
    def _stack(self) -> Sequence["_Layer"]:
        return cast("Sequence[_Layer]", self.layers)

    def _positions(self) -> Float[Tensor, "S D"]:
        """Returns what is added to each slot."""
        place_TD = (self.row[:, None] + self.column[None]).flatten(0, 1)
        return torch.cat([self.position[: self.prefix - 1], self.position[self.prefix - 1 :] + place_TD])

    def _prefix_input(self, text_BL: Int[Tensor, "B L"]) -> Float[Tensor, "B P D"]:
        begin_B1D = self.begin_of_image.expand(text_BL.shape[0], 1, -1)
        return torch.cat([self.text_embedding(text_BL), begin_B1D], dim=1)

    def features(
        self, texts_UL: Int[Tensor, "U L"], text_B: Int[Tensor, " B"], tokens_BT: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T D"]:
        """Returns the features that predict each code, all codes before it given; `text_B` names texts.

        Each of the texts passes the layers once, whatever number of rows has it.
        """
        columns = Columns.of(len(texts_UL), self.prefix, text_B, tokens_BT.shape[1] - 1)
        positions = self._positions()
        texts_UPD = self._prefix_input(texts_UL) + positions[: self.prefix]
        codes_BCD = self.image_embedding(tokens_BT[:, :-1]) + positions[self.prefix :]
        x_ND = torch.cat([texts_UPD.flatten(0, 1), codes_BCD.flatten(0, 1)])
        for layer in self._stack:
            if self.recompute and torch.is_grad_enabled():
                # No dropout here, so there is no random state to put back.
                x_ND = checkpoint(layer, x_ND, columns, use_reentrant=False, preserve_rng_state=False)
            else:
                x_ND = layer(x_ND, columns)
        texts_UPD, codes_BCD = columns.split(x_ND)
        return self.norm(torch.cat([texts_UPD[text_B, -1:], codes_BCD], dim=1))

    def prefill(self, text_BL: Int[Tensor, "B L"], cache: MosaicCache) -> Float[Tensor, "B D"]:
        """Writes the text's keys and values; returns the features that predict the first code."""
        x_BPD = self._prefix_input(text_BL) + self._positions()[: self.prefix]
        for index, layer in enumerate(self._stack):
            x_BPD = layer.prefill(x_BPD, cache.keys[index], cache.values[index])
        return self.norm(x_BPD[:, -1])

    def step(self, tokens_B: Int[Tensor, " B"], index: int, cache: MosaicCache) -> Float[Tensor, "B D"]:
        """Appends code number `index`; returns the features that predict the next one."""
        slot = self.prefix + index
        grid = self.config.tokenizer.grid
        row, column = divmod(index + 1, grid)  # of the code to be predicted
        place = self.position[slot] + self.row[row] + self.column[column]
        x_BD = self.image_embedding(tokens_B) + place
        for number, layer in enumerate(self._stack):
            x_BD = layer.step(x_BD, slot, cache, number)
        return self.norm(x_BD)


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = RMSNorm(width)
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)
        self.norm_mlp = RMSNorm(width)
        self.up = Linear(width, mlp_width)
        self.down = Linear(mlp_width, width)

    def forward(self, x_ND: Float[Tensor, "N D"], columns: Columns) -> Float[Tensor, "N D"]:
        return self._finish(x_ND, attention(self.qkv(self.norm_attention(x_ND)), columns, self.heads))

    def prefill(
        self,
        x_BPD: Float[Tensor, "B P D"],
        keys: Float[Tensor, "B H S F"],
        values: Float[Tensor, "B H S F"],
    ) -> Float[Tensor, "B P D"]:
        q, k, v = self._split(self.qkv(self.norm_attention(x_BPD)))
        length = x_BPD.shape[1]
        keys[:, :, :length], values[:, :, :length] = k, v
        return self._finish(x_BPD, causal_attention(q, k, v).transpose(1, 2).flatten(2))

    def step(self, x_BD: Float[Tensor, "B D"], slot: int, cache: MosaicCache, number: int) -> Tensor:
        qkv_BE = self.qkv(self.norm_attention(x_BD))
        return self._finish(x_BD, cache.attend(number, slot, qkv_BE.unflatten(1, (3, self.heads, -1))))

    def _split(self, qkv: Float[Tensor, "B S E"]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns queries, keys and values, each (B, heads, S, features)."""
        q, k, v = qkv.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return q, k, v

    def _finish(self, x: Float[Tensor, "*N D"], mixed: Float[Tensor, "*N D"]) -> Float[Tensor, "*N D"]:
        x = x + self.out(mixed)
        return x + self.down(squared_relu(self.up(self.norm_mlp(x))))
