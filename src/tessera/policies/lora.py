"""LoRA: a policy whose own weights stay, with a low-rank product beside its linear layers that trains.

    y = W x + (alpha / rank) B A x      A: rank rows, drawn as any linear layer's; B: rank columns, zero

(Hu et al., arXiv:2106.09685, section 4.1.) As B starts at zero, the policy starts as its base, bit for bit,
and the base is its reference: the same weights with the adapter switched off, not a copy of them. Where the
reference moves between rounds, a second, frozen adapter stands for it. An average of two references is then
one of their A and B, each by itself, not of the products.

The layers and the switch are peft's. Dropout, which peft offers, stays at 0: a replayed log-probability
would no longer be the drawn one.
"""

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import Parameter

from tessera.config import config
from tessera.config import digest as config_digest
from tessera.errors import UserError
from tessera.policies.base import PolicyModule, weights_digest
from tessera.protocols import Cache, FixedStep
from tessera.rng import derive_seed
from tessera.tensors import TextBatch
from tessera.types import Footprint, PolicySpec

if TYPE_CHECKING:
    from peft.tuners.lora import LoraLayer

TRAINED, REFERENCE = "trained", "reference"  # peft's names of the two adapters
_MATRIX = re.compile(r"\.lora_[AB]\.(\w+)\.weight$")


@config
class LoRAConfig:
    """Which linear layers get an adapter, and how large it is.

    RL needs little room: rank 1 did as well as full training in "LoRA Without Regret" (Schulman and others,
    Thinking Machines, 2025), which adapts all layers, the MLPs above all, with alpha 32 and about ten times
    the learning rate of full training.
    """

    rank: int = 16  # our choice; see above
    alpha: int = 32  # the product is scaled by alpha / rank
    layers: tuple[str, ...] = ("*.layers.*",)  # patterns of names; the head is none of them

    def __post_init__(self) -> None:
        for name in ("rank", "alpha"):
            if getattr(self, name) < 1:
                raise UserError(f"adapter.{name} must be 1 or more, got {getattr(self, name)}")
        if not self.layers:
            raise UserError('adapter.layers names no layer; the default is ["*.layers.*"]')


class LoRAPolicy(PolicyModule):
    """A policy whose adapter alone trains. It takes the base over: whoever holds it sees the adapter too."""

    def __init__(
        self, base: PolicyModule, settings: LoRAConfig, *, seed: int, reference_moves: bool = False
    ) -> None:
        super().__init__()
        self.settings = settings
        self._reference_moves = reference_moves
        self._base_digest = base.digest()  # once: nothing changes the base from here on
        names = (TRAINED, REFERENCE) if reference_moves else (TRAINED,)
        self._layers = _inject(base, settings, names, seed)
        self.base = base
        self._shown: str | None = TRAINED

    @property
    def spec(self) -> PolicySpec:
        """Its fixed sizes."""
        return self.base.spec

    @property
    def footprint(self) -> Footprint:
        """What its memory depends on."""
        return self.base.footprint

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.base.device

    def units(self) -> Sequence[nn.Module]:
        """Returns the base's: the adapters are inside."""
        return self.base.units()

    def recompute(self, on: bool) -> None:
        """Makes the layers' activations again in backward instead of keeping them, or no longer."""
        self.base.recompute(on)

    def tokenize(self, prompts: Sequence[str]) -> TextBatch:
        """Returns the prompts as ids."""
        return self.base.tokenize(prompts)

    def null_like(self, text: TextBatch) -> TextBatch:
        """Returns the null prompt for each row."""
        return self.base.null_like(text)

    def new_cache(self, rows: int, length: int) -> Cache:
        """Returns an empty cache."""
        return self.base.new_cache(rows, length)

    def prefill(self, text: TextBatch, cache: Any) -> Float[Tensor, "B D"]:
        """Fills the cache with the text; returns the features that predict the first code."""
        return self.base.prefill(text, cache)

    def step(self, tokens_B: Int[Tensor, " B"], index: int, cache: Any) -> Float[Tensor, "B D"]:
        """Appends code number `index`; returns the features that predict the next one."""
        return self.base.step(tokens_B, index, cache)

    def step_variant(self) -> str | None:
        """Returns that of the base, and which adapter is on; None where the base has no such step."""
        within = self.base.step_variant() if isinstance(self.base, FixedStep) else None
        return None if within is None else f"{within}/{self._shown}"

    def step_shape(self, index: int, cache: Any) -> tuple[int, ...]:
        """Returns the base's."""
        return self._fixed.step_shape(index, cache)

    def fixed_step(
        self, tokens_B: Int[Tensor, " B"], index: Int[Tensor, ""], cache: Any, shape: tuple[int, ...]
    ) -> Float[Tensor, "B D"]:
        """Does what `step` does, for every index of the shape."""
        return self._fixed.fixed_step(tokens_B, index, cache, shape)

    @property
    def _fixed(self) -> FixedStep:
        assert isinstance(self.base, FixedStep)  # as `step_variant` says
        return self.base

    def features(self, text: TextBatch, tokens_BT: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Returns the features that predict each code, all codes before it given."""
        return self.base.features(text, tokens_BT)

    def head(self, features: Float[Tensor, "*N D"]) -> Float[Tensor, "*N V"]:
        """Returns logits over the codebook."""
        return self.base.head(features)

    def decode(self, tokens_BT: Int[Tensor, "B T"]) -> UInt8[ndarray, "B H W 3"]:
        """Returns the pictures of the codes."""
        return self.base.decode(tokens_BT)

    def encode(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> Int[Tensor, "B T"]:
        """Returns the codes of pictures."""
        return self.base.encode(images_BHWC)

    def trainable(self) -> Iterator[tuple[str, Parameter]]:
        """Yields the adapter's tensors."""
        return self.adapter(TRAINED)

    def adapter(self, which: str) -> Iterator[tuple[str, Parameter]]:
        """Yields the tensors of an adapter under names that do not tell which one it is."""
        for name, parameter in self.base.named_parameters():
            if (match := _MATRIX.search(name)) and match[1] == which:
                yield name.replace(f".{which}.", "."), parameter

    def digest(self) -> str:
        """Returns a hash of base and adapter; that of the base where the adapter adds nothing."""
        return self.digest_of(TRAINED)

    def digest_of(self, which: str) -> str:
        """Returns the hash that the policy has with this adapter."""
        tensors = dict(self.adapter(which))
        if not any(tensor.any() for name, tensor in tensors.items() if ".lora_B." in name):
            return self._base_digest
        return weights_digest(f"{self._base_digest}/{config_digest(self.settings)}", tensors)

    @torch.no_grad()
    def merged(self) -> dict[str, Tensor]:
        """Returns the weights of the same policy without an adapter: W + (alpha / rank) B A, in float32."""
        matrices = dict(self.trainable())
        weights = {}
        for name, tensor in self.base.state_dict().items():
            if _MATRIX.search(name):
                continue
            down, up = (matrices.get(name.replace("base_layer", f"lora_{which}")) for which in "AB")
            if down is not None and up is not None:
                tensor = tensor.float() + up @ down * (self.settings.alpha / self.settings.rank)
            weights[name.replace(".base_layer.", ".")] = tensor.cpu()  # in float32 all are too many for a GPU
        return weights

    def reference(self) -> "LoRAReference":
        """Returns what this policy started from, on the same weights."""
        return LoRAReference(self, REFERENCE if self._reference_moves else None)

    @contextmanager
    def showing(self, which: str | None) -> Iterator[None]:
        """Puts another adapter in place of the trained one, or none, until the context ends."""
        try:
            self._shown = which
            for layer in self._layers:
                if which is None:
                    layer.enable_adapters(False)
                else:
                    layer.set_adapter(which, inference_mode=True)
            yield
        finally:
            self._shown = TRAINED
            for layer in self._layers:
                layer.set_adapter(TRAINED)
                layer.enable_adapters(True)


class LoRAReference:
    """The reference of a LoRA policy: its weights without the trained adapter. It takes no gradient.

    Every call switches, and switches back before it returns, so backward always finds the trained adapter.
    """

    def __init__(self, policy: LoRAPolicy, which: str | None) -> None:
        self._policy = policy
        self._which = which

    @property
    def spec(self) -> PolicySpec:
        """Its fixed sizes."""
        return self._policy.spec

    @property
    def footprint(self) -> Footprint:
        """What its memory depends on."""
        return self._policy.footprint

    def recompute(self, on: bool) -> None:
        """Does what it does for the policy, whose layers these are."""
        self._policy.recompute(on)

    def tokenize(self, prompts: Sequence[str]) -> TextBatch:
        """Returns the prompts as ids."""
        return self._policy.tokenize(prompts)

    def null_like(self, text: TextBatch) -> TextBatch:
        """Returns the null prompt for each row."""
        return self._policy.null_like(text)

    def new_cache(self, rows: int, length: int) -> Cache:
        """Returns an empty cache."""
        return self._policy.new_cache(rows, length)

    @torch.no_grad()
    def prefill(self, text: TextBatch, cache: Any) -> Float[Tensor, "B D"]:
        """Fills the cache with the text; returns the features that predict the first code."""
        with self._policy.showing(self._which):
            return self._policy.prefill(text, cache)

    @torch.no_grad()
    def step(self, tokens_B: Int[Tensor, " B"], index: int, cache: Any) -> Float[Tensor, "B D"]:
        """Appends code number `index`; returns the features that predict the next one."""
        with self._policy.showing(self._which):
            return self._policy.step(tokens_B, index, cache)

    @torch.no_grad()
    def features(self, text: TextBatch, tokens_BT: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Returns the features that predict each code, all codes before it given."""
        with self._policy.showing(self._which):
            return self._policy.features(text, tokens_BT)

    @torch.no_grad()
    def head(self, features: Float[Tensor, "*N D"]) -> Float[Tensor, "*N V"]:
        """Returns logits over the codebook."""
        with self._policy.showing(self._which):
            return self._policy.head(features)

    def decode(self, tokens_BT: Int[Tensor, "B T"]) -> UInt8[ndarray, "B H W 3"]:
        """Returns the pictures of the codes."""
        return self._policy.decode(tokens_BT)

    def encode(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> Int[Tensor, "B T"]:
        """Returns the codes of pictures."""
        return self._policy.encode(images_BHWC)

    def trainable(self) -> Iterator[tuple[str, Parameter]]:
        """Yields what moves with the policy between rounds: the second adapter, or nothing."""
        return self._policy.adapter(self._which) if self._which else iter(())

    def digest(self) -> str:
        """Returns the base's hash, or that of the policy that the reference has moved to."""
        return self._policy.digest_of(self._which or REFERENCE)


def _inject(
    base: PolicyModule, settings: LoRAConfig, adapters: Sequence[str], seed: int
) -> "Sequence[LoraLayer]":
    """Puts adapters beside the chosen layers, all of them with the same A; returns the layers."""
    # peft takes seconds to import, and only such a run needs it.
    from peft import LoraConfig, inject_adapter_in_model  # noqa: PLC0415
    from peft.tuners.lora import LoraLayer  # noqa: PLC0415

    ours = {id(parameter) for _, parameter in base.trainable()}
    linear = [
        name
        for name, module in base.named_modules()
        if isinstance(module, nn.Linear) and id(module.weight) in ours
    ]
    chosen = [name for name in linear if any(fnmatchcase(name, pattern) for pattern in settings.layers)]
    if not chosen:
        raise UserError(
            f"adapter.layers={list(settings.layers)} matches no linear layer of this policy; it has "
            f"{', '.join(linear[:5])}, ... (* stands for anything)"
        )
    arguments = LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=chosen)
    # peft draws from the global generator what is drawn again below.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`")  # two adapters are meant
        for adapter in adapters:
            inject_adapter_in_model(arguments, base, adapter)
    layers = [module for module in base.modules() if isinstance(module, LoraLayer)]
    for layer in layers:
        layer.set_adapter(TRAINED)
    for name, parameter in base.named_parameters():
        if match := _MATRIX.search(name):
            # In float32, whatever the base is in: a step is too small for half precision.
            parameter.data = torch.zeros(parameter.shape, device=parameter.device)
            if ".lora_A." in name:
                generator = torch.Generator().manual_seed(derive_seed("lora", seed, name[: match.start()]))
                drawn = torch.empty(parameter.shape)
                nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=generator)  # as nn.Linear does
                parameter.data.copy_(drawn)
    return layers
