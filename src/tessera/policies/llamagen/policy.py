"""LlamaGen behind the `Policy` contract: the transformer trains, the tokenizer and the text encoder stay.

Departures from FoundationVision/LlamaGen: a caption of more than 120 tokens is refused, not cut; guidance
holds for the whole picture (its cfg_interval, off by default, is not offered); a half rounds to even when
pixels become bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import Parameter

from tessera.config import digest as config_digest
from tessera.config import to_plain
from tessera.policies.base import PolicyModule, weights_digest
from tessera.policies.llamagen.config import Captions, Classes, LlamaGenConfig
from tessera.policies.llamagen.gpt import CaptionEmbedding, Transformer
from tessera.policies.llamagen.text import NULL, TextEncoder, class_ids
from tessera.policies.llamagen.vq import Tokenizer
from tessera.sampling.cache import CACHES, KeyValues, bucket_end
from tessera.tensors import TextBatch
from tessera.types import Footprint, PolicySpec

VQ_BATCH = 8  # pictures decoded or encoded at once: 0.7 GB of activations each at 512 pixels


class LlamaGenPolicy(PolicyModule):
    """A transformer over the codes of a tokenizer, told a class or a caption. Only the transformer trains."""

    def __init__(self, config: LlamaGenConfig, encoder: TextEncoder | None) -> None:
        super().__init__()
        if isinstance(config.condition, Captions) != (encoder is not None):
            raise ValueError("captions need a text encoder, and classes have none")
        self.config = config
        self.transformer = Transformer(config)
        self.tokenizer = Tokenizer(config.vq, config.grid)
        self.tokenizer.requires_grad_(False)
        self._encoder = encoder

    @property
    def spec(self) -> PolicySpec:
        """Its fixed sizes."""
        side = self.tokenizer.side
        return PolicySpec(
            name="llamagen",
            tokens=self.config.tokens,
            codebook=self.config.vq.codebook,
            grid=(self.config.grid, self.config.grid),
            image_size=(side, side),
            prefix=self.config.condition.slots,
            default_view=self.config.default_view,
        )

    @property
    def footprint(self) -> Footprint:
        """What its memory depends on; the text encoder is beside it."""
        return Footprint(
            parameters=sum(parameter.numel() for parameter in self.parameters()),
            weight_bytes=self._weights.element_size(),
            layers=self.config.layers,
            width=self.config.width,
            heads=self.config.heads,
            cache_width=self.config.width,
            cache_scales=self.config.heads if self.config.cache == "int8" else 0,
            mlp_width=self.config.mlp_width,
            mlp_tensors=4,
            keeps_scores=False,
        )

    def recompute(self, on: bool) -> None:
        """Makes each layer's activations again in backward instead of keeping them, or no longer."""
        self.transformer.recompute = on

    @property
    def _weights(self) -> Tensor:
        """One of the transformer's weights, for where and in what precision they are."""
        return self.transformer.codes.weight

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._weights.device

    def tokenize(self, prompts: Sequence[str]) -> TextBatch:
        """Returns classes by number, or captions as T5's ids."""
        if isinstance(self.config.condition, Classes):
            text = class_ids(prompts, self.config.condition.count)
        else:
            text = self._captions.tokenize(prompts)
        return TextBatch(ids=text.ids.to(self.device), mask=text.mask.to(self.device))

    def null_like(self, text: TextBatch) -> TextBatch:
        """Returns the null class, or for each row the null caption in as many slots as its own caption has.

        (The same mask for both branches: FoundationVision/LlamaGen:autoregressive/models/generate.py.)
        """
        condition = self.config.condition
        null = condition.count if isinstance(condition, Classes) else NULL
        return TextBatch(ids=torch.full_like(text.ids, null), mask=text.mask)

    def new_cache(self, rows: int, length: int) -> KeyValues:
        """Returns an empty cache."""
        return CACHES[self.config.cache].empty(
            layers=self.config.layers,
            rows=rows,
            heads=self.config.heads,
            length=length,
            features=self.config.width // self.config.heads,
            dtype=self._weights.dtype,
            device=self.device,
        )

    def prefill(self, text: TextBatch, cache: KeyValues) -> Float[Tensor, "B D"]:
        """Fills the cache with the prompt; returns the features that predict the first code."""
        return self.transformer.prefill(*self._told(text), cache)

    def step(self, tokens_B: Int[Tensor, " B"], index: int, cache: KeyValues) -> Float[Tensor, "B D"]:
        """Appends code number `index`; returns the features that predict the next one."""
        return self.transformer.step(tokens_B, index, cache, padded=self._encoder is not None)

    def step_variant(self) -> str:
        """Returns "": a step depends on weights, cache and shape alone."""
        return ""

    def step_shape(self, index: int, cache: KeyValues) -> tuple[int, ...]:
        """Returns how many slots a step of fixed shape sees."""
        return (bucket_end(self.transformer.prefix + index, cache.length),)

    def fixed_step(
        self, tokens_B: Int[Tensor, " B"], index: Int[Tensor, ""], cache: KeyValues, shape: tuple[int, ...]
    ) -> Float[Tensor, "B D"]:
        """Does what `step` does, for every index of the shape."""
        (stop,) = shape
        padded = self._encoder is not None
        return self.transformer.fixed_step(tokens_B, index, cache, stop, padded=padded)

    def features(self, text: TextBatch, tokens_BT: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Returns the features that predict each code, all codes before it given."""
        return self.transformer.features(*self._told(text), tokens_BT)

    def _told(self, text: TextBatch) -> tuple[Shaped[Tensor, "B P ..."], Tensor | None]:
        """Returns what the transformer is told, and which of its slots it attends to; None: all."""
        if isinstance(self.config.condition, Classes):
            return text.ids, None
        embedding = self.transformer.condition
        assert isinstance(embedding, CaptionEmbedding)  # as the configuration says
        return self._captions.features(text, embedding.null), text.mask

    @property
    def _captions(self) -> TextEncoder:
        assert self._encoder is not None  # as the configuration says
        return self._encoder

    def head(self, features: Float[Tensor, "*N D"]) -> Float[Tensor, "*N V"]:
        """Returns logits over the codebook."""
        return self.transformer.head(features)

    @torch.no_grad()
    def decode(self, tokens_BT: Int[Tensor, "B T"]) -> UInt8[ndarray, "B H W 3"]:
        """Returns the pictures of the codes."""
        pieces = tokens_BT.to(self.device).split(VQ_BATCH)
        return np.concatenate([self.tokenizer.decode(piece).cpu().numpy() for piece in pieces])

    @torch.no_grad()
    def encode(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> Int[Tensor, "B T"]:
        """Returns the codes of pictures."""
        pieces = torch.from_numpy(images_BHWC).split(VQ_BATCH)
        return torch.cat([self.tokenizer.encode(piece.to(self.device)) for piece in pieces])

    def trainable(self) -> Iterator[tuple[str, Parameter]]:
        """Yields the transformer's parameters."""
        return self.transformer.named_parameters()

    def units(self) -> Sequence[nn.Module]:
        """Returns the modules whose weights processes gather together: each layer, then all that trains."""
        return [*self.transformer.layers, self.transformer]

    def digest(self) -> str:
        """Returns a hash of all weights, by name, of the sizes and default view, and of the text encoder."""
        condition = self.config.condition
        if isinstance(condition, Captions):  # where the encoder lies does not matter, what it is does
            condition = replace(condition, encoder=self._captions.digest())
        told = to_plain(replace(self.config, condition=condition))
        del told["cache"]  # how pictures are drawn, and no part of what is trained
        return weights_digest(config_digest(told), self.state_dict())
