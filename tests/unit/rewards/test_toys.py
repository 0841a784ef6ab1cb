"""Light from above: by hand on pictures of two halves, and as the custom reward that recipes name."""

import numpy as np
import pytest

from tessera.recipes.tiny import LIGHT
from tessera.rewards.custom import load_function
from tessera.rewards.toys import light_from_above
from tessera.types import Prompt


def test_it_is_the_upper_halfs_brightness_less_the_lower_ones() -> None:
    images_BHWC = np.zeros((3, 4, 4, 3), dtype=np.uint8)
    images_BHWC[0, :2] = 255
    images_BHWC[1, 2:] = 51  # a fifth of white
    images_BHWC[2] = 200
    assert light_from_above([], images_BHWC) == pytest.approx([1.0, -0.2, 0.0])


def test_the_recipes_name_it() -> None:
    scores = load_function(LIGHT).score([Prompt(id="0", text="a")], np.zeros((1, 4, 4, 3), dtype=np.uint8))
    assert scores.value_B.tolist() == [0.0]
