"""A reward that knows nothing: the control of every study. What still improves under it was not learnt."""

import hashlib
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import UInt8
from numpy import ndarray

from tessera.config import config
from tessera.config import digest as config_digest
from tessera.rng import derive_seed, uniforms
from tessera.tensors import Scores
from tessera.types import Prompt


@config
class NoiseReward:
    """A number in [0, 1), evenly distributed: a hash of the seed, the prompt and the picture.

    The picture is a function of the rollout's tokens, so the number is one of (seed, prompt, tokens): a
    rollout gets the same number in whatever batch or order, and two that differ in anything get numbers that
    have nothing to do with each other. No policy can learn to please it on a new prompt.
    """

    kind: Literal["noise"] = "noise"
    seed: int = 0

    @property
    def name(self) -> str:
        """As in messages."""
        return self.kind

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns a number per picture."""
        seeds = [
            derive_seed("noise", self.seed, prompt.text, hashlib.blake2b(image_HWC.tobytes()).hexdigest())
            for prompt, image_HWC in zip(prompts, images_BHWC, strict=True)
        ]
        return Scores(
            value_B=torch.from_numpy(uniforms(seeds, 1)[:, 0].copy()),
            reasons=("",) * len(seeds),
            digest=self.digest(),
        )

    def digest(self) -> str:
        """Returns a hash of the settings."""
        return config_digest(self)
