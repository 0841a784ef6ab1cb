"""Tiny policies of the real classes, by name: the code of the large ones on one core, in seconds.

Their weights are random, large enough that prompt, codes and places all make a difference, and equal at every
call. They draw noise, and learn what a reward asks of the noise.
"""

import torch
from torch import nn

from tessera.policies.base import PolicyModule
from tessera.rng import derive_seed

TINY = ("janus-tiny", "llamagen-tiny", "emu3-tiny")  # after random:
SEED = 0


def tiny_policy(name: str) -> PolicyModule:
    """Returns the tiny policy of that name, in evaluation mode. A family is imported when it is asked for."""
    match name:
        case "janus-tiny":
            from tessera.policies.janus.tiny import tiny_janus  # noqa: PLC0415 - imports transformers

            policy = tiny_janus()
        case "llamagen-tiny":
            from tessera.policies.llamagen.tiny import tiny_llamagen  # noqa: PLC0415 - likewise

            policy = tiny_llamagen()
        case "emu3-tiny":
            from tessera.policies.emu3.tiny import tiny_emu3  # noqa: PLC0415 - likewise

            policy = tiny_emu3()
        case _:
            raise ValueError(f"{name!r} is none of {', '.join(TINY)}")
    draw_weights(policy, SEED)
    return policy.eval()


@torch.no_grad()
def draw_weights(module: nn.Module, seed: int) -> None:
    """Draws all weights, each as its name and the seed say, so that what passes keeps its size.

    Norms begin as they would be trained from, tables of a vocabulary at size 1.
    """
    norms = {
        name
        for name, each in module.named_modules()
        if isinstance(each, nn.GroupNorm | nn.LayerNorm) or type(each).__name__.endswith("RMSNorm")
    }
    tables = {name for name, each in module.named_modules() if isinstance(each, nn.Embedding)}
    for name, tensor in module.named_parameters():
        owner, _, what = name.rpartition(".")
        if tensor.ndim < 2:
            tensor.fill_(1.0 if owner in norms and what == "weight" else 0.0)
            continue
        generator = torch.Generator().manual_seed(derive_seed("tiny", seed, name))
        std = 1.0 if owner in tables else tensor[0].numel() ** -0.5
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * std)
