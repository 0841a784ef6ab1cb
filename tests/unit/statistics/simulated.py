"""Policies of known accuracy, measured by binomial pictures: what the tests of coverage and of power draw.

Axes: S training seeds of one arm, P prompts.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

SIZES = (20, 40, 60, 60, 80, 100)  # prompts of each category
CATEGORIES = [str(name) for name, size in enumerate(SIZES) for _ in range(size)]
MEAN = 0.5  # true score of every arm: all effects are symmetric about it, so cutting at 0 and 1 keeps it
PICTURES = 2


def measured_arms(
    rng: np.random.Generator, seeds: Sequence[int], seed_sd: float, sizes: Sequence[int] = SIZES
) -> list[Float64[ndarray, "S P"]]:
    """Returns one score_SP per arm: crossed effects of prompts, of training seeds, of both, and of luck.

    Prompts differ in chance (.25 to .75, for all arms alike), suit one arm more than another (± .05) and one
    seed more than another (± .05). With two or more seeds an arm's overall score and its categories vary by
    `seed_sd` each.
    """
    category_P = np.repeat(np.arange(len(sizes)), sizes)
    prompts = len(category_P)
    difficulty_P = 0.25 + 0.5 * rng.beta(1.5, 1.5, prompts)
    arms = []
    for count in seeds:
        chance_SP = difficulty_P + rng.uniform(-0.05, 0.05, prompts)
        chance_SP = chance_SP + rng.uniform(-0.05, 0.05, (count, prompts))
        if count > 1:
            chance_SP = chance_SP + seed_sd * rng.standard_normal((count, 1))
            chance_SP = chance_SP + seed_sd * rng.standard_normal((count, len(sizes)))[:, category_P]
        arms.append(rng.binomial(PICTURES, np.clip(chance_SP, 0, 1)) / PICTURES)
    return arms
