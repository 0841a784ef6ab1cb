"""Randomness that depends on what is drawn, never on when: seeds are hashes of names. No torch here.

A rollout's seed is a function of (run seed, prompt text, sample index), so it does not change with batch
size, order or neighbours. One uniform number per image token, drawn on the CPU in float64, is all the
randomness a rollout has: the same picture on every device, up to rounding of the policy's own logits.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy import ndarray


def derive_seed(*names: int | str) -> int:
    """Returns a 63-bit seed for a path of names; equal paths give equal seeds on every machine."""
    # Lengths are hashed with the names, so that ("ab", "c") and ("a", "bc") differ.
    digest = hashlib.blake2b(digest_size=8)
    for name in names:
        encoded = str(name).encode()
        digest.update(len(encoded).to_bytes(4, "little") + encoded)
    return int.from_bytes(digest.digest(), "little") >> 1


def rollout_seed(run_seed: int, prompt: str, sample: int) -> int:
    """Returns the seed of one rollout."""
    return derive_seed("rollout", run_seed, prompt, sample)


def uniforms(seeds: Sequence[int], count: int) -> Float64[ndarray, "B T"]:
    """Returns `count` uniform numbers in [0, 1) for each seed, one independent stream per row."""
    rows = [np.random.Generator(np.random.Philox(key=seed)).random(count) for seed in seeds]
    return np.stack(rows) if rows else np.empty((0, count))
