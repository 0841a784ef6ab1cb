"""Emu3 as a policy: words and codes as one text through one language model, pictures through a VQ model.

The image tokens of the contract are the codes alone. The end of each row of the picture is a token of the
text, too, and given, as in the official script (baaivision/Emu3: emu3/mllm/utils_emu3.py): `step` appends it
behind the last code of a row, `features` puts it there, and the cache has a position for it. What follows
the last code is never read.

Logits are those of codes: a softmax over the rows of the head that name codes is that of the whole
vocabulary with everything else forbidden. These rows are a layer of their own here, and the rest of the head
is kept to be saved with them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import Parameter
from transformers import Emu3ForConditionalGeneration

from tessera.errors import CheckpointError, UserError
from tessera.policies import trunk
from tessera.policies.base import PolicyModule, weights_digest
from tessera.policies.emu3 import pixels
from tessera.policies.emu3.config import Emu3Config
from tessera.policies.emu3.prompts import Prompts
from tessera.policies.trunk import PaddedCache, blank_slots
from tessera.sampling.cache import CACHES
from tessera.tensors import TextBatch
from tessera.types import Footprint, PolicySpec, View

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}  # of Emu3Config
# classifier_free_guidance and top_k of baaivision/Emu3, image_generation.py; top-k is taken among the codes
# there as here, and temperature is 1.
DEFAULT_VIEW = View(guidance=3.0, top_k=2048)

Index = TypeVar("Index", int, Tensor)


class Emu3Policy(PolicyModule):
    """The parts of an Emu3 model with its tokenizer. It takes them over, and decides what of them trains."""

    def __init__(self, model: Emu3ForConditionalGeneration, tokenizer: Tokenizer, config: Emu3Config) -> None:
        super().__init__()
        self.config = config
        self.sizes: Any = model.config  # whose parts transformers types as dictionaries, too
        self.prompts = Prompts(tokenizer, config, codebook=self.sizes.vq_config.codebook_size)
        self._check()
        model.eval().requires_grad_(False)
        self.language = model.model.text_model
        self.vq = model.model.vqmodel.float()
        head, first = model.lm_head.weight, self.prompts.first_code
        last = first + self.sizes.vq_config.codebook_size
        self.codes = nn.Linear(head.shape[1], last - first, bias=False, device="meta").requires_grad_(False)
        self.codes.weight = Parameter(head[first:last].clone(), requires_grad=False)
        self.words = Parameter(torch.cat([head[:first], head[last:]]), requires_grad=False)
        self._recompute = False
        self.language.config._attn_implementation = "sdpa"  # it reads the masks of `trunk`
        for _, parameter in self.trainable():
            parameter.requires_grad_(True)

    def _check(self) -> None:
        """Refuses a tokenizer of another model, and pictures that its positions do not reach."""
        told, text, prompts = self.sizes.vocabulary_map, self.sizes.text_config, self.prompts
        known = (prompts.first_code, prompts.end_of_row, *prompts.preamble)
        names = [prompts.tokenizer.id_to_token(number) for number in known]
        wrong = [name for name, number in zip(names, known, strict=True) if told.get(name) != number]
        if wrong or max(prompts.vocabulary.values()) >= text.vocab_size:
            raise CheckpointError(
                f"the tokenizer has {wrong[0] if wrong else 'ids'} where the model has something else: "
                "tokenizer.json and the weights do not belong together"
            )
        if text.tie_word_embeddings or self.sizes.tie_word_embeddings:
            raise CheckpointError(
                "the head of these weights is tied to the table of words, which that of Emu3 is not"
            )
        slots = self._prefix + self._place(self._total - 1)
        if slots > text.max_position_embeddings:
            raise UserError(
                f"emu3.grid={self.config.grid} and emu3.text_slots={self.config.text_slots} make {slots} "
                f"tokens, the model has {text.max_position_embeddings} positions: lower one of them"
            )

    @property
    def _total(self) -> int:
        return self.config.grid[0] * self.config.grid[1]

    @property
    def _prefix(self) -> int:
        return self.config.text_slots + len(self.prompts.preamble)

    def _place(self, index: Index) -> Index:
        """Returns how many tokens lie between the prefix and this code: the codes and ends of rows before."""
        return index + index // self.config.grid[1]

    def _ends(self, index: int) -> bool:
        """Returns whether this code is the last of its row."""
        return (index + 1) % self.config.grid[1] == 0

    @property
    def spec(self) -> PolicySpec:
        """Its fixed sizes."""
        (rows, columns), side = self.config.grid, self.vq.spatial_scale_factor
        return PolicySpec(
            name="emu3",
            tokens=self._total,
            codebook=self.codes.out_features,
            grid=(rows, columns),
            image_size=(rows * side, columns * side),
            prefix=self._prefix,
            default_view=DEFAULT_VIEW,
        )

    @property
    def footprint(self) -> Footprint:
        """What its memory depends on; the ends of rows, a position for each row, are not counted."""
        sizes = self.sizes.text_config
        return Footprint(
            parameters=sum(parameter.numel() for parameter in self.parameters()),
            weight_bytes=self._weight.element_size(),
            layers=sizes.num_hidden_layers,
            width=sizes.hidden_size,
            heads=sizes.num_attention_heads,
            cache_width=sizes.num_key_value_heads * self._head_width,
            cache_scales=sizes.num_key_value_heads if self.config.cache == "int8" else 0,
            mlp_width=sizes.intermediate_size,
            mlp_tensors=4,
            keeps_scores=False,
        )

    @property
    def _head_width(self) -> int:
        return self.sizes.text_config.hidden_size // self.sizes.text_config.num_attention_heads

    @property
    def _weight(self) -> Tensor:
        """One of the language model's weights: the others are of its dtype, and where it is."""
        return self.language.norm.weight

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._weight.device

    def recompute(self, on: bool) -> None:
        """Makes each layer's activations again in backward instead of keeping them, or no longer."""
        self._recompute = on

    def tokenize(self, prompts: Sequence[str]) -> TextBatch:
        """Returns the prompts as ids, at the right end of the text window."""
        return self._placed(self.prompts.batch(prompts))

    def null_like(self, text: TextBatch) -> TextBatch:
        """Returns the null prompt for each row."""
        return self._placed(self.prompts.null(len(text)))

    def _placed(self, text: TextBatch) -> TextBatch:
        return TextBatch(ids=text.ids.to(self.device), mask=text.mask.to(self.device))

    def new_cache(self, rows: int, length: int) -> PaddedCache:
        """Returns an empty cache of so many positions, and of those that the ends of rows take besides."""
        beyond = max(0, length - self._prefix)
        store = CACHES[self.config.cache].empty(
            layers=self.sizes.text_config.num_hidden_layers,
            rows=rows,
            heads=self.sizes.text_config.num_key_value_heads,
            length=length + beyond // self.config.grid[1],
            features=self._head_width,
            dtype=self._weight.dtype,
            device=self.device,
        )
        return PaddedCache.around(store)

    def prefill(self, text: TextBatch, cache: PaddedCache) -> Float[Tensor, "B D"]:
        """Fills the cache with the text; returns the features that predict the first code."""
        x_BPD = self.language.embed_tokens(self._read(text))
        return trunk.prefill(self.language, x_BPD, blank_slots(text), cache)

    def step(self, tokens_B: Int[Tensor, " B"], index: int, cache: PaddedCache) -> Float[Tensor, "B D"]:
        """Appends code number `index`, and the end of its row behind the last; returns the next features."""
        x_BND = self._see(tokens_B, ends=self._ends(index))
        return trunk.extend(self.language, x_BND, self._prefix + self._place(index), cache)

    def step_variant(self) -> str:
        """Returns "": a step depends on weights, cache and shape alone."""
        return ""

    def step_shape(self, index: int, cache: PaddedCache) -> tuple[int, ...]:
        """Returns whether the step ends a row, and the slots that it sees then: first and stop."""
        ends = self._ends(index)
        return int(ends), *cache.seen(self._prefix + self._place(index) + ends)

    def fixed_step(
        self, tokens_B: Int[Tensor, " B"], index: Int[Tensor, ""], cache: PaddedCache, shape: tuple[int, ...]
    ) -> Float[Tensor, "B D"]:
        """Does what `step` does, for every index of the shape."""
        ends, first, stop = shape
        x_BND, slot = self._see(tokens_B, ends=bool(ends)), self._prefix + self._place(index)
        return trunk.extend_fixed(self.language, x_BND, slot, cache, (first, stop))

    def _see(self, tokens_B: Int[Tensor, " B"], *, ends: bool) -> Float[Tensor, "B N D"]:
        """Returns the input of codes, and of the end of their row behind them."""
        ids_BN = (tokens_B + self.prompts.first_code)[:, None]
        if ends:
            ids_BN = torch.cat([ids_BN, torch.full_like(ids_BN, self.prompts.end_of_row)], dim=1)
        return self.language.embed_tokens(ids_BN)

    def features(self, text: TextBatch, tokens_BT: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Returns the features that predict each code, all codes before it given."""
        rows, total = tokens_BT.shape
        place_T = torch.tensor([self._place(index) for index in range(total)], device=tokens_BT.device)
        length = self._place(total - 1)
        ids_BS = torch.full((rows, length), self.prompts.end_of_row, device=tokens_BT.device)
        ids_BS[:, place_T[:-1]] = tokens_BT[:, :-1] + self.prompts.first_code
        x_BSD = self.language.embed_tokens(torch.cat([self._read(text), ids_BS], dim=1))
        wanted_T = place_T + self._prefix - 1
        return trunk.states(self.language, x_BSD, blank_slots(text), wanted_T, recompute=self._recompute)

    def _read(self, text: TextBatch) -> Int[Tensor, "B P"]:
        """Returns the text and the preamble of the picture."""
        preamble = torch.tensor(self.prompts.preamble, device=text.ids.device)
        return torch.cat([text.ids, preamble.expand(len(text), -1)], dim=1)

    def head(self, features: Float[Tensor, "*N D"]) -> Float[Tensor, "*N V"]:
        """Returns logits over the codebook."""
        return self.codes(features)

    @torch.no_grad()
    def decode(self, tokens_BT: Int[Tensor, "B T"]) -> UInt8[ndarray, "B H W 3"]:
        """Returns the pictures of the codes."""
        codes_BRC = tokens_BT.to(self.device).unflatten(1, self.config.grid)
        return pixels.pictures(self.vq, codes_BRC, self.config.vq_batch).cpu().numpy()

    @torch.no_grad()
    def encode(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> Int[Tensor, "B T"]:
        """Returns the codes of pictures."""
        images = torch.from_numpy(images_BHWC).to(self.device)
        return pixels.codes(self.vq, images, self.config.vq_batch)

    def trainable(self) -> Iterator[tuple[str, Parameter]]:
        """Yields the parameters of the layers, and those of table and head where they train, too."""
        inside = {id(parameter) for parameter in self.units()[-1].parameters()}
        for name, parameter in self.named_parameters():
            if id(parameter) in inside:
                yield name, parameter

    def units(self) -> Sequence[nn.Module]:
        """Returns the modules whose weights processes gather together: each layer, then all that trains."""
        parts: list[nn.Module] = [self.language.layers, self.language.norm]
        if self.config.train == "all":
            parts += [self.language.embed_tokens, self.codes]
        return [*self.language.layers, nn.ModuleList(parts)]

    def digest(self) -> str:
        """Returns a hash of all weights, by name, of the tokenizer and of what surrounds a prompt."""
        return weights_digest(self.prompts.digest(), self.state_dict())
