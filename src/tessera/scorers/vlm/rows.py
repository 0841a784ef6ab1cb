"""From a question about one picture to the scores of many: one row at a time."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from jaxtyping import UInt8
from numpy import ndarray
from torch.nn import Module

from tessera.scorers import rows
from tessera.scorers.placed import Held
from tessera.tensors import Scores
from tessera.types import Prompt

Verdict = tuple[float, str]  # a value and no reason, or NaN and the reason
ModelT = TypeVar("ModelT", bound=Module)

MAX_ASPECT = 200  # of a picture that Qwen's preprocessing takes (qwen_vl_utils/vision_process.py, MAX_RATIO)


def missing(reason: str) -> Verdict:
    """Returns the verdict on what could not be scored."""
    return math.nan, reason


def finite(value: float) -> Verdict:
    """Returns the verdict of a number, which is missing if it is none."""
    return (value, "") if math.isfinite(value) else missing(rows.NOT_FINITE)


def too_long(image_HWC: UInt8[ndarray, "H W 3"]) -> str:
    """Returns why a picture's shape cannot be taken; empty if it can."""
    height, width, _ = image_HWC.shape
    if max(height, width) > MAX_ASPECT * min(height, width):
        return f"one side of a picture of {width} x {height} is more than {MAX_ASPECT} times the other"
    return ""


def judged(
    held: Held[ModelT],
    verdict: Callable[[ModelT, str, ndarray], Verdict],
    prompts: Sequence[Prompt],
    images_BHWC: UInt8[ndarray, "B H W 3"],
    digest: str,
) -> Scores:
    """Returns the model's verdicts on the pictures, each with its prompt alone."""
    verdicts: list[Verdict] = []
    if prompts:
        with held.at_work() as model:
            for prompt, image_HWC in zip(prompts, images_BHWC, strict=True):
                verdicts.append(verdict(model, prompt.text, image_HWC))
    return scores(verdicts, digest)


def scores(verdicts: Sequence[Verdict], digest: str) -> Scores:
    """Returns the verdicts as scores."""
    return rows.scores([value for value, _ in verdicts], [reason for _, reason in verdicts], digest)
