"""A LlamaGen of 16 codes and two layers that reads captions by a random T5, for trials: not drawn yet."""

import torch

from tessera.policies.llamagen.config import VIEWS, Captions, LlamaGenConfig, VQConfig
from tessera.policies.llamagen.policy import LlamaGenPolicy
from tessera.policies.llamagen.untrained import random_encoder, random_name

ENCODER_SEED = 0
CAPTIONS = Captions(slots=96, width=16, encoder=random_name(ENCODER_SEED), dtype="float32")

SETTINGS = LlamaGenConfig(
    layers=2,
    width=32,
    heads=2,
    grid=4,
    condition=CAPTIONS,
    default_view=VIEWS["t2i"],
    vq=VQConfig(codebook=64, code_dim=4, channels=32, multipliers=(1, 1, 1), residuals=1, latent=16),
)


def tiny_llamagen() -> LlamaGenPolicy:
    """Returns the policy."""
    with torch.random.fork_rng(devices=[]):
        return LlamaGenPolicy(SETTINGS, random_encoder(CAPTIONS, ENCODER_SEED))
