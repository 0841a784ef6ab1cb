"""The sizes of a policy that no weight was read for: what a memory plan is computed from.

A policy of a published size is built on torch's `meta` device, whose tensors have shapes and no numbers: the
7 B model of Janus in seconds and kilobytes. Shipped policies and policy folders are small, and are read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tessera.errors import UserError
from tessera.policies.base import PolicyModule
from tessera.policies.emu3.config import Emu3Config
from tessera.policies.janus.config import JanusConfig
from tessera.policies.llamagen.config import SIZES, VIEWS, LlamaGenConfig, VQConfig, condition_of, grid_of
from tessera.policies.llamagen.files import PUBLISHED
from tessera.policies.load import RANDOM, load_policy
from tessera.policies.lora import LoRAConfig
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.policies.settings import NAMED, PolicyConfig
from tessera.training.accountant import peak_of
from tessera.types import Footprint, PolicySpec

META = torch.device("meta")
# The encoder of flan-t5-xl: 24 layers of width 2048 with gated MLPs of 5120 and two norms, a table of 32
# distances x 32 heads, 32,128 words, the last norm (google/flan-t5-xl: config.json).
T5_PARAMETERS = 24 * (4 * 2048**2 + 3 * 2048 * 5120 + 2 * 2048) + 32 * 32 + 32128 * 2048 + 2048
LETTERS = 256  # text slots for the official prompts of Emu3 where a token is a letter

Decode = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerTraits:
    """What autograd keeps of a layer, where families differ; widths are those of the residual stream."""

    norm_weight: int  # bytes a number that a norm keeps for its weight's gradient; its input is 4 beside it
    attention: int  # tensors that attention keeps: q, k, v; its result, where a fused kernel wants it again
    mixed: int  # 1 where the last product of attention has an input of its own
    passing: int  # tensors of the MLP's width that its backward pass makes


@dataclass(frozen=True, kw_only=True, slots=True)
class Linear:
    """A linear layer that may get an adapter."""

    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """What a plan knows of a policy."""

    spec: PolicySpec
    footprint: Footprint
    traits: LayerTraits
    trained: int  # parameters that full training moves
    layer: int  # parameters of one layer
    linear: tuple[Linear, ...]  # among what trains
    in_layer: tuple[Linear, ...]  # those of one layer
    encoder_bytes: int  # of a text encoder beside the policy
    decode_bytes: int  # of activations, for each picture that is decoded at once
    decode_flops: int  # for a picture
    decode_at_once: int | None  # pictures; None: all there are

    @property
    def positions(self) -> int:
        """S, those that a transformer reads: the prefix and all codes but the last."""
        return self.spec.prefix + self.spec.tokens - 1

    @property
    def active(self) -> int:
        """Parameters that a token passes: the layers and the head."""
        return self.footprint.layers * self.layer + self.footprint.width * self.spec.codebook

    def adapter(self, settings: LoRAConfig) -> int:
        """Returns the parameters of an adapter (policies/lora.py says which layers get one)."""
        chosen = [each for each in self.linear if any(fnmatchcase(each.name, one) for one in settings.layers)]
        return sum(settings.rank * (each.inputs + each.outputs) for each in chosen)


def sizes_of(settings: PolicyConfig) -> Sizes:
    """Returns the sizes of a policy by its name, folder or settings."""
    if isinstance(settings, str):
        name = settings.removeprefix(RANDOM)
        if name in PUBLISHED:
            return _llamagen(name)
        settings = NAMED.get(name, settings)
    # transformers takes seconds to import, and not every plan needs its models.
    match settings:
        case JanusConfig() if (size := _published_janus(settings)) is not None:
            from tessera.policies.janus.published import random_janus  # noqa: PLC0415

            return measured(random_janus(size, seed=0, settings=settings, device=META))
        case Emu3Config():
            from tessera.policies.emu3.published import random_emu3  # noqa: PLC0415

            spelt = replace(settings, text_slots=max(settings.text_slots, LETTERS))
            return measured(random_emu3(seed=0, settings=spelt, device=META))
        case _:
            return measured(load_policy(settings))


def _published_janus(settings: JanusConfig) -> Literal["1b", "7b"] | None:
    """Returns the size that the name of the weights tells; None: they must be read."""
    match settings.weights.rpartition("-")[2].lower():
        case "1b":
            return "1b"
        case "7b":
            return "7b"
        case _:
            return None


def _llamagen(name: str) -> Sizes:
    """Returns the sizes of a published checkpoint; its text encoder is counted beside it."""
    from tessera.policies.llamagen.policy import LlamaGenPolicy  # noqa: PLC0415 - imports transformers
    from tessera.policies.llamagen.untrained import random_encoder  # noqa: PLC0415 - likewise

    it, vq = PUBLISHED[name], VQConfig()
    shape, condition = SIZES[it.size], condition_of(it.kind)
    settings = LlamaGenConfig(
        layers=shape.layers,
        width=shape.width,
        heads=shape.heads,
        grid=grid_of(it.image_size, vq),
        condition=condition,
        default_view=VIEWS[it.kind],
        vq=vq,
    )
    if condition.kind == "classes":
        with META:
            return measured(LlamaGenPolicy(settings, None))
    with META:
        sizes = measured(LlamaGenPolicy(settings, random_encoder(condition, 0)))
    return replace(sizes, encoder_bytes=T5_PARAMETERS * (4 if condition.dtype == "float32" else 2))


def measured(policy: PolicyModule) -> Sizes:
    """Returns the sizes of a policy that is there, on whatever device."""
    *layers, _ = policy.units()
    trained = {id(parameter): parameter for _, parameter in policy.trainable()}
    traits, decode, at_once = _family(policy)
    grid = (1, policy.spec.tokens)
    codes = torch.zeros(grid, dtype=torch.long, device=policy.device)
    own = [*policy.parameters(), *policy.buffers(), codes]
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        peak, _ = peak_of(lambda: decode(codes), own)
    held, _ = peak_of(lambda: None, own)
    return Sizes(
        spec=policy.spec,
        footprint=policy.footprint,
        traits=traits,
        trained=sum(parameter.numel() for parameter in trained.values()),
        layer=sum(parameter.numel() for parameter in layers[0].parameters()),
        linear=_linear(policy, trained),
        in_layer=_linear(layers[0], trained),
        encoder_bytes=0,
        decode_bytes=peak - held,
        decode_flops=counter.get_total_flops(),
        decode_at_once=at_once,
    )


def _family(policy: PolicyModule) -> tuple[LayerTraits, Decode, int | None]:
    """Returns what its layers keep, what makes pictures of codes, and how many pictures at once."""
    if isinstance(policy, MosaicPolicy):
        attention = 3 if policy.footprint.keeps_scores else 4
        traits = LayerTraits(norm_weight=4, attention=attention, mixed=1, passing=2)
        return traits, policy.tokenizer.decode, None
    from tessera.policies.emu3 import pixels as emu3_pixels  # noqa: PLC0415 - imports transformers
    from tessera.policies.emu3.policy import Emu3Policy  # noqa: PLC0415 - likewise
    from tessera.policies.janus import pixels as janus_pixels  # noqa: PLC0415 - likewise
    from tessera.policies.janus.policy import JanusPolicy  # noqa: PLC0415 - likewise
    from tessera.policies.llamagen.policy import VQ_BATCH, LlamaGenPolicy  # noqa: PLC0415 - likewise

    # Norms of torch keep the normed input in float32, those of transformers in the dtype of the weights.
    # LlamaGen keeps q and k before and after they are turned.
    llama = LayerTraits(norm_weight=policy.footprint.weight_bytes, attention=4, mixed=0, passing=2)
    match policy:
        case LlamaGenPolicy():
            traits = LayerTraits(norm_weight=4, attention=6, mixed=1, passing=2)
            return traits, policy.tokenizer.decode, VQ_BATCH
        case JanusPolicy():
            vq, at_once = policy.model.model.vqmodel, policy.config.vq_batch
            return llama, lambda codes: janus_pixels.pictures(vq, codes, at_once), at_once
        case Emu3Policy():
            tokenizer, many, grid = policy.vq, policy.config.vq_batch, policy.config.grid
            return llama, lambda codes: emu3_pixels.pictures(tokenizer, codes.unflatten(1, grid), many), many
        case _:
            raise UserError(f"{type(policy).__name__} has no memory plan; try the run with micro_batch=1")


def _linear(module: nn.Module, trained: Mapping[int, nn.Parameter]) -> tuple[Linear, ...]:
    return tuple(
        Linear(name=name, inputs=each.in_features, outputs=each.out_features)
        for name, each in module.named_modules()
        if isinstance(each, nn.Linear) and id(each.weight) in trained
    )
