"""The exact verifier of mosaic as an instrument: which facts of its prompt a picture shows."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from tessera.errors import PromptError
from tessera.types import Grade
from tessera.world.grammar import Description, parse
from tessera.world.verify import read, verify


def grade(prompts: Sequence[str], images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[Grade]:
    """Returns a grade per picture; NaN with the reason where the prompt's words make no description."""
    descriptions: dict[str, Description | str] = {}
    for prompt in prompts:
        if prompt not in descriptions:
            try:
                descriptions[prompt] = parse(prompt)
            except PromptError as error:
                descriptions[prompt] = str(error)
    grades = []
    for prompt, reading in zip(prompts, read(images_BHWC), strict=True):
        description = descriptions[prompt]
        if isinstance(description, str):
            grades.append(Grade(strict=np.nan, soft=np.nan, reason=description))
        else:
            grades.append(verify(description, reading))
    return grades
