"""Rewards as other people write them: named by `module:function` in the tests."""

from collections.abc import Sequence

import numpy as np

from tessera.types import Prompt

THRESHOLD = 0.5  # something in the module that is no function


def brightness(prompts: Sequence[Prompt], images_BHWC: np.ndarray) -> list[float]:
    """How light a picture is, in [0, 1]."""
    return [float(image_HWC.mean()) / 255 for image_HWC in images_BHWC]


def fails(prompts: Sequence[Prompt], images_BHWC: np.ndarray) -> list[float]:
    raise ZeroDivisionError("the judge is out")


def one_too_few(prompts: Sequence[Prompt], images_BHWC: np.ndarray) -> list[float]:
    return [0.5] * (len(prompts) - 1)


def infinite(prompts: Sequence[Prompt], images_BHWC: np.ndarray) -> list[float]:
    return [0.5] * (len(prompts) - 1) + [float("inf")]


def words(prompts: Sequence[Prompt], images_BHWC: np.ndarray) -> list[str]:
    return ["good"] * len(prompts)


def table(prompts: Sequence[Prompt], images_BHWC: np.ndarray) -> np.ndarray:
    return np.zeros((len(prompts), 1))


def every_fourth_missing(prompts: Sequence[Prompt], images_BHWC: np.ndarray) -> list[float]:
    values = brightness(prompts, images_BHWC)
    return [float("nan") if index % 4 == 0 else value for index, value in enumerate(values)]


def always_missing(prompts: Sequence[Prompt], images_BHWC: np.ndarray) -> list[float]:
    return [float("nan")] * len(prompts)


def constant(prompts: Sequence[Prompt], images_BHWC: np.ndarray) -> list[float]:
    return [0.5] * len(prompts)
