"""A small benchmark of the field's kind, for tests of how such benchmarks are run: is the picture bright?"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

from tessera.benchmarks.graded import Graded
from tessera.policies.base import PolicyModule
from tessera.policies.load import load_policy
from tessera.types import Grade, Prompt


@dataclass
class Brightness:
    """Prompts of two categories; what is seen is the mean of all pixels."""

    instrument: str = "mean"
    looked: int = 0  # pictures
    name: str = "brightness"
    categories: tuple[str, ...] = ("dim", "glaring")
    samples: int = 2
    evidence: str = "means.jsonl"

    def prompts(self, per_category: int | None) -> list[Prompt]:
        return [
            Prompt(id=f"{category}/{index:02d}", text=f"a {category} picture, {index}", category=category)
            for category in self.categories
            for index in range(5 if per_category is None else min(5, per_category))
        ]

    def picture(self, prompt: Prompt, sample: int) -> PurePosixPath:
        return PurePosixPath(prompt.id.replace("/", "-"), f"{sample}.png")

    def observe(
        self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]
    ) -> list[dict[str, Any]]:
        self.looked += len(prompts)
        return [{"mean": float(image.mean()), "together": len(prompts)} for image in images_BHWC]

    def verdict(self, prompt: Prompt, seen: Mapping[str, Any]) -> Grade:
        bright = seen["mean"] > 200
        return Grade(strict=float(bright == (prompt.category == "glaring")), soft=seen["mean"] / 255)

    def grade(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[Grade]:
        seen = self.observe(prompts, images_BHWC)
        return [self.verdict(prompt, each) for prompt, each in zip(prompts, seen, strict=True)]

    def aggregate(self, graded: Sequence[Any]) -> dict[str, Any]:
        return {"images": len(graded), "mean": sum(each.grade.strict for each in graded) / len(graded)}

    def beside(self, prompts: Sequence[Prompt]) -> Iterator[tuple[PurePosixPath, str]]:
        for prompt in prompts:
            yield PurePosixPath(prompt.id.replace("/", "-"), "prompt.txt"), prompt.text

    def results(self, graded: Sequence[Graded]) -> Iterator[tuple[PurePosixPath, str]]:
        yield PurePosixPath("official.json"), json.dumps([each.picture for each in graded])

    def digest(self) -> str:
        return self.instrument


def open_brightness(name: str, number: int) -> Brightness:
    return Brightness()


def open_blind(number: int) -> PolicyModule:
    return load_policy("mosaic-blind")
