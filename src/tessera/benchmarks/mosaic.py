"""The benchmarks of the embedded world: test prompts of a family and its shifts, graded exactly."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import UInt8
from numpy import ndarray

from tessera.scorers import mosaic as verifier
from tessera.types import Grade, Prompt
from tessera.world.prompts import PromptSource, Split, prompt_set

PUBLISHED = 60  # prompts of a category


@dataclass(frozen=True, slots=True)
class MosaicBenchmark:
    """`mosaic-id`, `mosaic-ood`, or either with axes of shift: `mosaic-ood+counts`."""

    source: PromptSource
    split: Split = "test"

    @property
    def name(self) -> str:
        """As on the command line."""
        return self.source.name

    @property
    def categories(self) -> tuple[str, ...]:
        """In the order of the tables."""
        return self.source.categories

    @property
    def samples(self) -> int:
        """How many pictures of a prompt its published numbers are made of."""
        return 2

    def prompts(self, per_category: int | None) -> list[Prompt]:
        """Returns the first so many prompts of each category."""
        source, count = self.source, PUBLISHED if per_category is None else per_category
        return prompt_set(source.family, self.split, count, axes=source.axes, only=source.only)

    def grade(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[Grade]:
        """Returns a verdict on each picture."""
        return verifier.grade([prompt.text for prompt in prompts], images_BHWC)
