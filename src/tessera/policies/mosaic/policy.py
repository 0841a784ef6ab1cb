"""The embedded policy: words in, codes and pictures out, behind the `Policy` contract."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import Parameter

from tessera.config import digest as config_digest
from tessera.errors import PromptError
from tessera.policies.base import PolicyModule, weights_digest
from tessera.policies.mosaic.cache import MosaicCache
from tessera.policies.mosaic.config import MosaicConfig
from tessera.policies.mosaic.tokenizer import Tokenizer
from tessera.policies.mosaic.transformer import Transformer
from tessera.sampling.cache import StaticCache
from tessera.tensors import TextBatch
from tessera.types import Footprint, PolicySpec
from tessera.world.grammar import check_words

PADDING = 0


class MosaicPolicy(PolicyModule):
    """A transformer over the codes of a tokenizer. Only the transformer trains."""

    def __init__(self, config: MosaicConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.tokenizer = Tokenizer(config.tokenizer)
        self.tokenizer.requires_grad_(False)
        self._ids = {word: index + 1 for index, word in enumerate(config.words)}

    @property
    def spec(self) -> PolicySpec:
        """Its fixed sizes."""
        sizes = self.config.tokenizer
        side = sizes.grid * sizes.patch
        return PolicySpec(
            name="mosaic",
            tokens=self.config.tokens,
            codebook=sizes.codebook,
            grid=(sizes.grid, sizes.grid),
            image_size=(side, side),
            prefix=self.transformer.prefix,
            default_view=self.config.default_view,
        )

    @property
    def footprint(self) -> Footprint:
        """What its memory depends on."""
        sizes, weights = self.config.transformer, self.transformer.begin_of_image
        return Footprint(
            parameters=sum(parameter.numel() for parameter in self.parameters()),
            weight_bytes=weights.element_size(),
            layers=sizes.layers,
            width=sizes.width,
            heads=sizes.heads,
            cache_width=sizes.width,
            mlp_width=sizes.mlp_width,
            mlp_tensors=2,
            keeps_scores=not weights.is_cuda,
            shares_texts=True,
        )

    def recompute(self, on: bool) -> None:
        """Makes each layer's activations again in backward instead of keeping them, or no longer."""
        self.transformer.recompute = on

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.transformer.begin_of_image.device

    def tokenize(self, prompts: Sequence[str]) -> TextBatch:
        """Returns the prompts as word ids, padded to the text window."""
        slots = self.config.transformer.text_slots
        ids_BL = torch.full((len(prompts), slots), PADDING)
        for row, prompt in enumerate(prompts):
            words = check_words(prompt)
            if len(words) > slots:
                raise PromptError(
                    f"prompt {prompt[:60]!r}... has {len(words)} words; this policy reads at most {slots}"
                )
            strange = [word for word in words if word not in self._ids]
            if strange:
                raise PromptError(
                    f"prompt {prompt[:60]!r}: this policy was trained without the word {strange[0]!r}"
                )
            ids_BL[row, : len(words)] = torch.tensor([self._ids[w] for w in words], dtype=torch.long)
        ids_BL = ids_BL.to(self.device)
        return TextBatch(ids=ids_BL, mask=torch.ones_like(ids_BL, dtype=torch.bool))

    def null_like(self, text: TextBatch) -> TextBatch:
        """Returns empty text windows."""
        return TextBatch(ids=torch.full_like(text.ids, PADDING), mask=text.mask)

    def new_cache(self, rows: int, length: int) -> MosaicCache:
        """Returns an empty cache."""
        sizes = self.config.transformer
        weights = self.transformer.begin_of_image
        store = StaticCache.empty(
            layers=sizes.layers,
            rows=rows,
            heads=sizes.heads,
            length=length,
            features=sizes.width // sizes.heads,
            dtype=weights.dtype,
            device=weights.device,
        )
        return MosaicCache(store.keys, store.values)

    def prefill(self, text: TextBatch, cache: MosaicCache) -> Float[Tensor, "B D"]:
        """Fills the cache with the text; returns the features that predict the first code."""
        return self.transformer.prefill(text.ids, cache)

    def step(self, tokens_B: Int[Tensor, " B"], index: int, cache: MosaicCache) -> Float[Tensor, "B D"]:
        """Appends code number `index`; returns the features that predict the next one."""
        return self.transformer.step(tokens_B, index, cache)

    def features(self, text: TextBatch, tokens_BT: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Returns the features that predict each code, all codes before it given."""
        texts, text_B = text.distinct()
        return self.transformer.features(texts.ids, text_B, tokens_BT)

    def head(self, features: Float[Tensor, "*N D"]) -> Float[Tensor, "*N V"]:
        """Returns logits over the codebook."""
        return self.transformer.head(features)

    @torch.no_grad()
    def decode(self, tokens_BT: Int[Tensor, "B T"]) -> UInt8[ndarray, "B H W 3"]:
        """Returns the pictures of the codes."""
        return self.tokenizer.decode(tokens_BT.to(self.device)).cpu().numpy()

    @torch.no_grad()
    def encode(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> Int[Tensor, "B T"]:
        """Returns the codes of pictures."""
        return self.tokenizer.encode(torch.from_numpy(images_BHWC).to(self.device))

    def trainable(self) -> Iterator[tuple[str, Parameter]]:
        """Yields the transformer's parameters."""
        return self.transformer.named_parameters()

    def units(self) -> Sequence[nn.Module]:
        """Returns the modules whose weights processes gather together: each layer, then all that trains."""
        return [*self.transformer.layers, self.transformer]

    def digest(self) -> str:
        """Returns a hash of all weights, by name, and of the sizes, words and default view."""
        return weights_digest(config_digest(self.config), self.state_dict())
