"""The policies that are held to the contract, as small as they can be, and what their tests share.

To hold another policy to it, add one line to CASES. A case builds a policy with the same weights at every
call, small enough that a picture takes milliseconds, and random enough that no two prompts agree.

Axes as in `tessera.types`: B rows, T image tokens, V codebook, D features.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tessera.policies.load import load_policy
from tessera.policies.lora import LoRAConfig, LoRAPolicy
from tessera.policies.mosaic.config import MosaicConfig, TokenizerConfig, TransformerConfig
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.protocols import Policy
from tessera.types import View
from tessera.world.grammar import vocabulary
from tests.contracts import llamagen
from tests.contracts.emu3 import tiny_emu3, tiny_emu3_lora
from tests.contracts.janus import tiny_janus, tiny_janus_lora


@dataclass(frozen=True)
class Case:
    """A policy to be held to the contract, and what it can and cannot read."""

    build: Callable[[], Policy]
    prompts: tuple[str, ...]  # three or more, of different lengths
    unreadable: str
    frozen: str = ""  # beginning of the names of weights that are taken to stay, and hashed once


def tiny_mosaic() -> MosaicPolicy:
    """Returns the embedded policy at tiny size; `reset` would leave it blind to its input."""
    policy = MosaicPolicy(
        MosaicConfig(
            tokenizer=TokenizerConfig(
                codebook=64, code_dim=4, encoder_width=16, width=16, blocks=1, decoder_width=16
            ),
            transformer=TransformerConfig(width=32, layers=2, heads=2, mlp_width=64),
            words=vocabulary(),
        )
    )
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            parameter.normal_(generator=generator)
            if parameter.ndim < 2 and "norm" in name:
                parameter.mul_(0.1).add_(1)
            elif parameter.ndim >= 2 and "embedding" not in name and name != "tokenizer.codebook":
                parameter.mul_(parameter[0].numel() ** -0.5)
    return policy


def tiny_lora() -> LoRAPolicy:
    """Returns the tiny policy with an adapter that has been trained, as its B is not 0."""
    policy = LoRAPolicy(tiny_mosaic(), LoRAConfig(rank=4), seed=3)
    generator = torch.Generator().manual_seed(12)
    with torch.no_grad():
        for name, parameter in policy.trainable():
            if ".lora_B." in name:
                parameter.normal_(std=0.05, generator=generator)
    return policy


CASES = {
    "mosaic": Case(
        build=lambda: load_policy("mosaic"),
        prompts=("a star", "a photo of two red circles", "a large blue heart drawn on paper"),
        unreadable="a photo of a red circel",
    ),
    "mosaic-tiny": Case(
        build=tiny_mosaic,
        prompts=(
            "a star",
            "a photo of two red circles",
            "on a white page there is a small striped blue heart on the left of a large yellow ring",
        ),
        unreadable="a photo of a red circel",
    ),
    "mosaic-lora": Case(
        build=tiny_lora,
        prompts=("a star", "a photo of two red circles", "a large blue heart drawn on paper"),
        unreadable="a photo of a red circel",
        frozen="base.",
    ),
    "llamagen-c2i-tiny": Case(
        build=llamagen.tiny_c2i, prompts=llamagen.CLASS_PROMPTS, unreadable=llamagen.UNREADABLE_CLASS
    ),
    "llamagen-t2i-tiny": Case(
        build=llamagen.tiny_t2i, prompts=llamagen.CAPTION_PROMPTS, unreadable=llamagen.UNREADABLE_CAPTION
    ),
    "llamagen-t2i-lora": Case(
        build=llamagen.tiny_t2i_lora,
        prompts=llamagen.CAPTION_PROMPTS,
        unreadable=llamagen.UNREADABLE_CAPTION,
        frozen="base.",
    ),
    "janus-tiny": Case(
        build=tiny_janus,
        prompts=("a star", "a photo of two red circles", "large blue hearts drawn on paper"),
        unreadable="a star <begin_of_image>",
    ),
    "janus-lora": Case(
        build=tiny_janus_lora,
        prompts=("a star", "a photo of two red circles", "large blue hearts drawn on paper"),
        unreadable="a star <begin_of_image>",
        frozen="base.",
    ),
    "emu3-tiny": Case(
        build=tiny_emu3,
        prompts=("a star", "a photo of two red circles", "large blue hearts on paper"),
        unreadable="a star <|image start|>",
    ),
    "emu3-lora": Case(
        build=tiny_emu3_lora,
        prompts=("a star", "a photo of two red circles", "large blue hearts on paper"),
        unreadable="a star <|image start|>",
        frozen="base.",
    ),
}

VIEWS = {
    "conditional": View(),
    "guided": View(guidance=3.0),
    "temperature": View(temperature=0.7),
    "top-k": View(top_k=5),
    "top-p": View(top_p=0.9),
    "all": View(guidance=3.0, temperature=0.7, top_k=5, top_p=0.9),
}


def random_tokens(policy: Policy, rows: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(policy.spec.codebook, (rows, policy.spec.tokens), generator=generator)


def whole(policy: Policy) -> nn.Module:
    """Returns the policy as the module that holds all of its weights, frozen ones too."""
    assert isinstance(policy, nn.Module)
    return policy
