"""Janus-Pro as a policy: text and image codes through one language model, pictures through a VQ model.

Only what makes pictures is run: no logits over the text vocabulary, no tower that reads pictures. The head of
the image codes is a layer, GELU and another layer; the first two are counted among the features, so that
`head` is affine and guidance may be mixed before it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import Parameter
from transformers import JanusForConditionalGeneration, LlamaModel

from tessera.errors import CheckpointError
from tessera.policies import trunk
from tessera.policies.base import PolicyModule, weights_digest
from tessera.policies.janus import pixels
from tessera.policies.janus.config import JanusConfig
from tessera.policies.janus.prompts import Prompts
from tessera.policies.trunk import PaddedCache, blank_slots
from tessera.sampling.cache import CACHES
from tessera.tensors import TextBatch
from tessera.types import Footprint, PolicySpec, View

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}  # of JanusConfig
DEFAULT_VIEW = View(guidance=5.0)  # cfg_weight 5, temperature 1: deepseek-ai/Janus, generation_inference.py


class JanusPolicy(PolicyModule):
    """A Janus model with its tokenizer. It takes the model over, and decides what of it trains."""

    def __init__(
        self, model: JanusForConditionalGeneration, tokenizer: Tokenizer, config: JanusConfig
    ) -> None:
        super().__init__()
        self.config = config
        self.model = model.eval().requires_grad_(False)
        self.prompts = Prompts(tokenizer, slots=config.text_slots)
        if self.prompts.largest_id >= self._text.vocab_size:
            raise CheckpointError(
                f"the tokenizer has the id {self.prompts.largest_id}, the model knows those below "
                f"{self._text.vocab_size}: tokenizer.json and the weights do not belong together"
            )
        self._recompute = False
        self._language.set_attn_implementation("sdpa")  # which reads the masks of `trunk`
        for _, parameter in self.trainable():
            parameter.requires_grad_(True)

    @property
    def _language(self) -> LlamaModel:
        return self.model.model.language_model

    @property
    def _sizes(self) -> Any:  # whose parts transformers types as dictionaries, too
        return self.model.config

    @property
    def _text(self) -> Any:
        """The sizes of the language model."""
        return self._language.config

    @property
    def spec(self) -> PolicySpec:
        """Its fixed sizes."""
        sizes = self._sizes
        grid, size = sizes.vq_config.num_patches, sizes.vision_config.image_size
        return PolicySpec(
            name="janus",
            tokens=grid**2,
            codebook=sizes.vq_config.num_embeddings,
            grid=(grid, grid),
            image_size=(size, size),
            prefix=self.config.text_slots + 1,
            default_view=DEFAULT_VIEW,
        )

    @property
    def footprint(self) -> Footprint:
        """What its memory depends on."""
        sizes = self._text
        return Footprint(
            parameters=sum(parameter.numel() for parameter in self.parameters()),
            weight_bytes=self._weight.element_size(),
            layers=sizes.num_hidden_layers,
            width=sizes.hidden_size,
            heads=sizes.num_attention_heads,
            cache_width=sizes.num_key_value_heads * sizes.head_dim,
            cache_scales=sizes.num_key_value_heads if self.config.cache == "int8" else 0,
            mlp_width=sizes.intermediate_size,
            mlp_tensors=4,
            keeps_scores=False,
        )

    @property
    def _weight(self) -> Tensor:
        """One of the weights: the others are of its dtype, and where it is."""
        return self._language.norm.weight

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._weight.device

    def recompute(self, on: bool) -> None:
        """Makes each layer's activations again in backward instead of keeping them, or no longer."""
        self._recompute = on

    def tokenize(self, prompts: Sequence[str]) -> TextBatch:
        """Returns the prompts as ids, at the right end of the text window."""
        text = self.prompts.batch(prompts)
        return TextBatch(ids=text.ids.to(self.device), mask=text.mask.to(self.device))

    def null_like(self, text: TextBatch) -> TextBatch:
        """Returns the null prompt for each row, as long as its text."""
        return self.prompts.null(text)

    def new_cache(self, rows: int, length: int) -> PaddedCache:
        """Returns an empty cache."""
        sizes = self._text
        store = CACHES[self.config.cache].empty(
            layers=sizes.num_hidden_layers,
            rows=rows,
            heads=sizes.num_key_value_heads,
            length=length,
            features=sizes.head_dim,
            dtype=self._weight.dtype,
            device=self.device,
        )
        return PaddedCache.around(store)

    def prefill(self, text: TextBatch, cache: PaddedCache) -> Float[Tensor, "B D"]:
        """Fills the cache with the text; returns the features that predict the first code."""
        return self._features(trunk.prefill(self._language, self._read(text), blank_slots(text), cache))

    def step(self, tokens_B: Int[Tensor, " B"], index: int, cache: PaddedCache) -> Float[Tensor, "B D"]:
        """Appends code number `index`; returns the features that predict the next one."""
        slot = self.config.text_slots + 1 + index
        return self._features(trunk.extend(self._language, self._see(tokens_B)[:, None], slot, cache))

    def step_variant(self) -> str:
        """Returns "": a step depends on weights, cache and shape alone."""
        return ""

    def step_shape(self, index: int, cache: PaddedCache) -> tuple[int, ...]:
        """Returns the slots that a step of fixed shape sees: first and stop."""
        return cache.seen(self.config.text_slots + 1 + index)

    def fixed_step(
        self, tokens_B: Int[Tensor, " B"], index: Int[Tensor, ""], cache: PaddedCache, shape: tuple[int, ...]
    ) -> Float[Tensor, "B D"]:
        """Does what `step` does, for every index of the shape."""
        slot, (first, stop) = self.config.text_slots + 1 + index, shape
        x_B1D = self._see(tokens_B)[:, None]
        return self._features(trunk.extend_fixed(self._language, x_B1D, slot, cache, (first, stop)))

    def features(self, text: TextBatch, tokens_BT: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Returns the features that predict each code, all codes before it given."""
        x_BSD = torch.cat([self._read(text), self._see(tokens_BT[:, :-1])], dim=1)
        wanted_T = torch.arange(x_BSD.shape[1] - tokens_BT.shape[1], x_BSD.shape[1], device=x_BSD.device)
        return self._features(
            trunk.states(self._language, x_BSD, blank_slots(text), wanted_T, recompute=self._recompute)
        )

    def _read(self, text: TextBatch) -> Float[Tensor, "B P D"]:
        """Returns the input of the text and the begin-of-image token."""
        last_B1 = torch.full_like(text.ids[:, :1], self.prompts.begin_of_image)
        return self._language.embed_tokens(torch.cat([text.ids, last_B1], dim=1))

    def _see(self, tokens: Int[Tensor, "*N"]) -> Float[Tensor, "*N D"]:
        """Returns the input of image codes."""
        return self.model.prepare_embeddings_for_image_generation(tokens)

    def _features(self, states: Float[Tensor, "*N D"]) -> Float[Tensor, "*N D"]:
        head = self.model.model.generation_head
        return head.activation_fn(head.proj_out(states))

    def head(self, features: Float[Tensor, "*N D"]) -> Float[Tensor, "*N V"]:
        """Returns logits over the codebook."""
        return self.model.model.generation_head.vision_head(features)

    @torch.no_grad()
    def decode(self, tokens_BT: Int[Tensor, "B T"]) -> UInt8[ndarray, "B H W 3"]:
        """Returns the pictures of the codes."""
        images = pixels.pictures(self.model.model.vqmodel, tokens_BT.to(self.device), self.config.vq_batch)
        return images.cpu().numpy()

    @torch.no_grad()
    def encode(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> Int[Tensor, "B T"]:
        """Returns the codes of pictures."""
        images = torch.from_numpy(images_BHWC).to(self.device)
        return pixels.codes(self.model.model.vqmodel, images, self.config.vq_batch)

    def trainable(self) -> Iterator[tuple[str, Parameter]]:
        """Yields the language model's parameters, and those of the image codes where they train, too."""
        parts = ("model.language_model.", "model.generation_")[: 2 if self.config.train == "all" else 1]
        for name, parameter in self.model.named_parameters():
            if name.startswith(parts):
                yield name, parameter

    def units(self) -> Sequence[nn.Module]:
        """Returns the modules whose weights processes gather together: each layer, then all that trains."""
        inner = self.model.model
        parts: list[nn.Module] = [self._language]
        if self.config.train == "all":
            parts += [inner.generation_embeddings, inner.generation_aligner, inner.generation_head]
        return [*self._language.layers, nn.ModuleList(parts)]

    def digest(self) -> str:
        """Returns a hash of all weights, by name, and of the tokenizer."""
        return weights_digest(self.prompts.digest(), self.state_dict())
