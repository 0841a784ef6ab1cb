"""LlamaGen at tiny size: the real classes, random weights, a random T5 that reads letters.

The weights are larger than fresh ones, so that each prompt, code and position makes a difference.
"""

import torch

from tessera.policies.llamagen.config import Captions, Classes, LlamaGenConfig, VQConfig
from tessera.policies.llamagen.policy import LlamaGenPolicy
from tessera.policies.llamagen.untrained import random_encoder
from tessera.policies.lora import LoRAConfig, LoRAPolicy
from tessera.types import CacheForm, View

TINY_VQ = VQConfig(codebook=64, code_dim=4, channels=32, multipliers=(1, 2), residuals=1, latent=16)
CLASSES = Classes(count=20)
CAPTIONS = Captions(slots=24, width=16, dtype="float32")

CLASS_PROMPTS = ("7", "class 12", "Class  3")
CAPTION_PROMPTS = ("a star", "two red circles", "a large blue heart")
UNREADABLE_CLASS = "class 20"
UNREADABLE_CAPTION = "红色的圆"


def tiny_llamagen(condition: Classes | Captions, cache: CacheForm = "full") -> LlamaGenPolicy:
    """Returns a policy of 16 codes and two layers; the same at every call."""
    settings = LlamaGenConfig(
        layers=2,
        width=32,
        heads=2,
        grid=4,
        condition=condition,
        default_view=View(guidance=4.0, top_k=20),
        vq=TINY_VQ,
        cache=cache,
    )
    encoder = random_encoder(condition, seed=21) if isinstance(condition, Captions) else None
    with torch.random.fork_rng(devices=[]):
        policy = LlamaGenPolicy(settings, encoder)
    generator = torch.Generator().manual_seed(13)
    with torch.no_grad():
        for name, tensor in policy.state_dict().items():
            tensor.normal_(generator=generator)
            if tensor.ndim < 2:
                tensor.mul_(0.1)
                if "norm" in name and name.endswith("weight"):
                    tensor.add_(1)
            elif name not in ("transformer.codes.weight", "transformer.condition.weight"):
                tensor.mul_(tensor[0].numel() ** -0.5)
    return policy.eval()


def tiny_c2i() -> LlamaGenPolicy:
    """Returns the policy that is told a class."""
    return tiny_llamagen(CLASSES)


def tiny_t2i() -> LlamaGenPolicy:
    """Returns the policy that is told a caption."""
    return tiny_llamagen(CAPTIONS)


def tiny_t2i_lora() -> LoRAPolicy:
    """Returns the policy that is told a caption with an adapter that has been trained, as its B is not 0."""
    policy = LoRAPolicy(tiny_t2i(), LoRAConfig(rank=4), seed=3)
    generator = torch.Generator().manual_seed(14)
    with torch.no_grad():
        for name, parameter in policy.trainable():
            if ".lora_B." in name:
                parameter.normal_(std=0.05, generator=generator)
    return policy
