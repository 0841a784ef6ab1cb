"""Rewards that any pictures have, for trials without a judge: custom rewards, as `module:function`.

tessera.rewards.toys:light_from_above
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from tessera.types import Prompt

WHITE = 255


def light_from_above(
    prompts: Sequence[Prompt],  # noqa: ARG001 - every reward is asked the same way
    images_BHWC: UInt8[ndarray, "B H W 3"],
) -> Float64[ndarray, " B"]:
    """Returns by how much the upper half of each picture is brighter than the lower one, in [-1, 1].

    Not brightness itself: the norms of a decoder that nobody trained leave it next to no room.
    """
    middle = images_BHWC.shape[1] // 2
    light_BH = images_BHWC.mean(axis=(2, 3), dtype=np.float64) / WHITE
    return light_BH[:, :middle].mean(axis=1) - light_BH[:, middle:].mean(axis=1)
