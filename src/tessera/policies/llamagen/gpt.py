"""The transformer of LlamaGen: what the prompt says, then codes; pre-norm, gated MLPs, no biases.

The prompt's slots are a class's embedding, or T5's features through an MLP. Captions stand at the right end
of their slots (left-padded), and no position sees a padding slot but that slot itself:

    visible[s, t] = (t <= s and t is attended) or t == s

(FoundationVision/LlamaGen: autoregressive/models/gpt.py and generate.py.) The dropout of pretraining is off:
a replayed log-probability must be the drawn one. The null caption is no parameter there but a tensor drawn
once and kept; here it is a buffer too.

Axes: B rows, P slots of the prompt, T codes, S = P + T - 1 positions, D width, H heads, F features of a head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tessera.policies.llamagen.config import Captions, Classes, LlamaGenConfig
from tessera.policies.llamagen.rope import rotate, rotations
from tessera.sampling.cache import KeyValues

EPS = 1e-5  # of the norms
# A prompt's keys are 0 (`rope`), so the cache has room there for what a step must know of each row: the keys
# of a padding slot are kept as this.
PADDING = 1.0


class CaptionEmbedding(nn.Module):
    """T5's features as inputs of the transformer; the null caption stands for features of its own."""

    def __init__(self, captions: Captions, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(captions.width, width, bias=False)
        self.down = nn.Linear(width, width, bias=False)
        self.null: Tensor
        self.register_buffer("null", torch.zeros(captions.slots, captions.width))

    def forward(self, features_BPC: Float[Tensor, "B P C"]) -> Float[Tensor, "B P D"]:
        return self.down(F.gelu(self.up(features_BPC), approximate="tanh"))


class Transformer(nn.Module):
    """Features of prompt and codes; `head` maps them to logits over the codebook."""

    def __init__(self, config: LlamaGenConfig) -> None:
        super().__init__()
        self.recompute = False  # whether backward makes each layer's activations again: slower, smaller
        self.prefix = config.condition.slots
        match config.condition:
            case Classes(count=count):
                self.condition = nn.Embedding(count + 1, config.width)  # the last is the null class
            case Captions():
                self.condition = CaptionEmbedding(config.condition, config.width)
        self.codes = nn.Embedding(config.vq.codebook, config.width)
        self.layers = nn.ModuleList(
            _Layer(config.width, config.heads, config.mlp_width) for _ in range(config.layers)
        )
        self.norm = nn.RMSNorm(config.width, eps=EPS)
        self.head = nn.Linear(config.width, config.vq.codebook, bias=False)
        # No buffer: it stays in float32 whatever the weights are in, and is no part of what is saved.
        self._turns = rotations(self.prefix, config.grid, config.width // config.heads)

    @property
    def stack(self) -> Sequence["_Layer"]:
        """The layers, first to last."""
        return cast("Sequence[_Layer]", self.layers)

    def _turn(self, start: int, stop: int) -> Float[Tensor, "S F2 2"]:
        """Returns the rotations of these positions, where the weights are."""
        if self._turns.device != self.codes.weight.device:
            self._turns = self._turns.to(self.codes.weight.device)
        return self._turns[start:stop]

    def features(
        self,
        condition: Shaped[Tensor, "B P ..."],
        mask_BP: Bool[Tensor, "B P"] | None,
        tokens_BT: Int[Tensor, "B T"],
    ) -> Float[Tensor, "B T D"]:
        """Returns the features that predict each code, all codes before it given; no mask: all is seen."""
        x_BSD = torch.cat([self.condition(condition), self.codes(tokens_BT[:, :-1])], dim=1)
        turns, visible = self._turn(0, x_BSD.shape[1]), _visible(mask_BP, x_BSD.shape[1])
        for layer in self.stack:
            if self.recompute and torch.is_grad_enabled():
                # No dropout here, so there is no random state to put back.
                x_BSD = checkpoint(
                    layer, x_BSD, turns, visible, use_reentrant=False, preserve_rng_state=False
                )
            else:
                x_BSD = layer(x_BSD, turns, visible)
        return self.norm(x_BSD[:, self.prefix - 1 :])

    def prefill(
        self,
        condition: Shaped[Tensor, "B P ..."],
        mask_BP: Bool[Tensor, "B P"] | None,
        cache: KeyValues,
    ) -> Float[Tensor, "B D"]:
        """Writes the prompt's keys and values; returns the features that predict the first code."""
        x_BPD = self.condition(condition)
        turns, visible = self._turn(0, self.prefix), _visible(mask_BP, self.prefix)
        for number, layer in enumerate(self.stack):
            x_BPD = layer.prefill(x_BPD, turns, visible, _Slots(cache, number, 0, self.prefix))
        if mask_BP is not None:
            cache.fill_keys(~mask_BP, PADDING)
        return self.norm(x_BPD[:, -1])

    def step(
        self, tokens_B: Int[Tensor, " B"], index: int, cache: KeyValues, *, padded: bool
    ) -> Float[Tensor, "B D"]:
        """Appends code number `index`; returns the features that predict the next one.

        `padded`: whether prompts may have padding slots.
        """
        slot = self.prefix + index
        visible = self._unpadded(cache, slot + 1) if padded else None
        return self._append(tokens_B, self._turn(slot, slot + 1), visible, cache, slot, slot + 1)

    def fixed_step(
        self,
        tokens_B: Int[Tensor, " B"],
        index: Int[Tensor, ""],
        cache: KeyValues,
        stop: int,
        *,
        padded: bool,
    ) -> Float[Tensor, "B D"]:
        """Does what `step` does, wherever below `stop` the code's slot is; no shape depends on it."""
        slot_1 = (self.prefix + index)[None]
        visible = (torch.arange(stop, device=slot_1.device) <= slot_1)[None, None, None]
        if padded:
            visible = visible & self._unpadded(cache, stop)
        turns = self._turn(0, stop).index_select(0, slot_1)
        return self._append(tokens_B, turns, visible, cache, slot_1, stop)

    def _unpadded(self, cache: KeyValues, stop: int) -> Bool[Tensor, "B 1 1 S"]:
        """Returns which slots are no padding."""
        keys, _ = cache.read(0, 0, self.prefix)
        return F.pad(keys[:, 0, :, 0] != PADDING, (0, stop - self.prefix), value=True)[:, None, None]

    def _append(
        self,
        tokens_B: Int[Tensor, " B"],
        turns: Float[Tensor, "1 F2 2"],
        visible: Bool[Tensor, "_ 1 1 S"] | None,
        cache: KeyValues,
        slot: int | Int[Tensor, "1"],
        stop: int,
    ) -> Float[Tensor, "B D"]:
        x_B1D = self.codes(tokens_B)[:, None]
        for number, layer in enumerate(self.stack):
            x_B1D = layer.step(x_B1D, turns, visible, _Slots(cache, number, slot, stop))
        return self.norm(x_B1D[:, 0])


@dataclass(frozen=True, slots=True)
class _Slots:
    """Where a layer writes, and up to where it looks."""

    cache: KeyValues
    layer: int
    start: int | Int[Tensor, "1"]
    stop: int

    def write(self, keys: Tensor, values: Tensor) -> None:
        """Writes."""
        self.cache.write(self.layer, self.start, keys, values)

    def swap(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Writes; returns keys and values of all slots to be seen."""
        self.write(keys, values)
        return self.cache.read(self.layer, 0, self.stop)


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.RMSNorm(width, eps=EPS)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_mlp = nn.RMSNorm(width, eps=EPS)
        self.gate = nn.Linear(width, mlp_width, bias=False)
        self.up = nn.Linear(width, mlp_width, bias=False)
        self.down = nn.Linear(mlp_width, width, bias=False)

    def forward(
        self,
        x_BSD: Float[Tensor, "B S D"],
        turns: Float[Tensor, "S F2 2"],
        visible: Bool[Tensor, "B 1 S S"] | None,
    ) -> Float[Tensor, "B S D"]:
        q, k, v = self._split(x_BSD, turns)
        return self._finish(x_BSD, _attention(q, k, v, visible, causal=True))

    def prefill(
        self,
        x_BPD: Float[Tensor, "B P D"],
        turns: Float[Tensor, "P F2 2"],
        visible: Bool[Tensor, "B 1 P P"] | None,
        slots: _Slots,
    ) -> Float[Tensor, "B P D"]:
        q, k, v = self._split(x_BPD, turns)
        slots.write(k, v)  # nothing is older, so what is attended needs no reading
        return self._finish(x_BPD, _attention(q, k, v, visible, causal=True))

    def step(
        self,
        x_B1D: Float[Tensor, "B 1 D"],
        turns: Float[Tensor, "1 F2 2"],
        visible: Bool[Tensor, "_ 1 1 S"] | None,
        slots: _Slots,
    ) -> Float[Tensor, "B 1 D"]:
        q, k, v = self._split(x_B1D, turns)
        return self._finish(x_B1D, _attention(q, *slots.swap(k, v), visible, causal=False))

    def _split(
        self, x_BSD: Float[Tensor, "B S D"], turns: Float[Tensor, "S F2 2"]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns queries, keys and values, each (B, heads, S, features)."""
        q, k, v = (
            self.qkv(self.norm_attention(x_BSD)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )
        return rotate(q, turns), rotate(k, turns), v

    def _finish(
        self, x_BSD: Float[Tensor, "B S D"], mixed: Float[Tensor, "B H S F"]
    ) -> Float[Tensor, "B S D"]:
        x_BSD = x_BSD + self.out(mixed.transpose(1, 2).flatten(2))
        h_BSD = self.norm_mlp(x_BSD)
        return x_BSD + self.down(F.silu(self.gate(h_BSD)) * self.up(h_BSD))


def _visible(mask_BP: Bool[Tensor, "B P"] | None, length: int) -> Bool[Tensor, "B 1 S S"] | None:
    """Returns which positions see which; None where the order alone decides."""
    if mask_BP is None:
        return None
    attended_BS = F.pad(mask_BP, (0, length - mask_BP.shape[1]), value=True)
    earlier_SS = torch.ones(length, length, dtype=torch.bool, device=mask_BP.device).tril()
    itself_SS = torch.eye(length, dtype=torch.bool, device=mask_BP.device)
    return ((earlier_SS & attended_BS[:, None]) | itself_SS)[:, None]


def _attention(
    q: Float[Tensor, "B H Q F"],
    k: Float[Tensor, "B H S F"],
    v: Float[Tensor, "B H S F"],
    visible: Bool[Tensor, "_ 1 Q S"] | None,
    *,
    causal: bool,
) -> Float[Tensor, "B H Q F"]:
    """Returns the values mixed by softmax(q k / sqrt(F)) over what is visible, or earlier where causal."""
    if visible is not None:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
