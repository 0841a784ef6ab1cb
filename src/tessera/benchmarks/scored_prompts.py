"""Anybody's benchmark: a file of prompts, and a scorer that grades.

    tessera eval --benchmark mine.jsonl --set mine.scorer.kind=vqascore --out runs/mine

The file is .jsonl, .csv or .txt (data/prompt_files.py); its categories are the columns of the tables, and
what else a row says is metadata, which scorers such as blip-vqa and gdino read. A picture's number is the
scorer's; with `threshold`, 1 above it and 0 elsewhere, and the scorer's own number stays beside it as `soft`.
What has more to it than one number per picture is a class of your own, `--benchmark module:name`.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import quote

from jaxtyping import UInt8
from numpy import ndarray

from tessera.benchmarks.graded import Graded
from tessera.config import config
from tessera.config import digest as config_digest
from tessera.data.prompt_files import read_prompt_file
from tessera.protocols import Scorer
from tessera.rewards.ask import checked
from tessera.rewards.load import ScorerConfig
from tessera.rewards.metric import MetricReward
from tessera.types import Grade, Prompt

UNNAMED = "all"  # the category of prompts without one


@config
class ScoredPromptsSettings:
    """How prompts of a file are graded."""

    kind: Literal["prompts"] = "prompts"
    scorer: ScorerConfig = MetricReward()
    threshold: float | None = None  # above it a picture counts as right; unset: the scorer's number counts
    samples: int = 4  # pictures of a prompt, where --num does not say


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredPrompts:
    """The benchmark of a file."""

    file: Path
    settings: ScoredPromptsSettings
    scorer: Scorer
    listed: tuple[Prompt, ...]
    evidence: str = "scores.jsonl"

    @property
    def name(self) -> str:
        """That of the file."""
        return self.file.stem

    @property
    def categories(self) -> tuple[str, ...]:
        """In the order of the file."""
        return tuple(dict.fromkeys(prompt.category for prompt in self.listed))

    @property
    def samples(self) -> int:
        """As the settings say."""
        return self.settings.samples

    def prompts(self, per_category: int | None) -> list[Prompt]:
        """Returns the first so many prompts of each category, all where it is None."""
        return [
            prompt
            for category in self.categories
            for prompt in [each for each in self.listed if each.category == category][:per_category]
        ]

    def picture(self, prompt: Prompt, sample: int) -> PurePosixPath:
        """Returns a place by id and sample."""
        return PurePosixPath("pictures", quote(prompt.id, safe=" "), f"{sample:04d}.png")

    def observe(
        self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]
    ) -> list[dict[str, Any]]:
        """Returns {"value", "reason"} of each picture, as the scorer says."""
        said = checked(self.scorer.score(prompts, images_BHWC), self.scorer.name, prompts)
        return [
            {"value": None if math.isnan(value) else value, "reason": reason}
            for value, reason in zip(said.value_B.tolist(), said.reasons, strict=True)
        ]

    def verdict(self, prompt: Prompt, seen: Mapping[str, Any]) -> Grade:  # noqa: ARG002 - as the protocol has it
        """Returns the scorer's number as a grade."""
        value, threshold = seen["value"], self.settings.threshold
        if value is None:
            return Grade(strict=math.nan, soft=math.nan, reason=seen["reason"])
        return Grade(strict=value if threshold is None else float(value > threshold), soft=value)

    def grade(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[Grade]:
        """Returns a verdict on each picture."""
        seen = self.observe(prompts, images_BHWC)
        return [self.verdict(prompt, each) for prompt, each in zip(prompts, seen, strict=True)]

    def aggregate(self, graded: Sequence[Graded]) -> dict[str, Any]:
        """Returns the mean of each category over pictures that could be graded."""
        means = {}
        for category in self.categories:
            known = [
                each.grade.strict
                for each in graded
                if each.prompt.category == category and not math.isnan(each.grade.strict)
            ]
            means[category] = {"mean": sum(known) / len(known) if known else None, "images": len(known)}
        return {"title": f"{self.name} ({self.scorer.name})", "categories": means}

    def beside(self, prompts: Sequence[Prompt]) -> Iterator[tuple[PurePosixPath, str]]:
        """Yields the prompts that were drawn."""
        rows = ({"id": each.id, "prompt": each.text, "category": each.category} for each in prompts)
        yield PurePosixPath("prompts.jsonl"), "".join(json.dumps(row) + "\n" for row in rows)

    def results(self, graded: Sequence[Graded]) -> Iterator[tuple[PurePosixPath, str]]:  # noqa: ARG002
        """Yields nothing: the scores are the evidence."""
        yield from ()

    def digest(self) -> str:
        """Returns a hash of the scorer."""
        return config_digest({"scorer": self.scorer.digest()})


def read_scored_prompts(file: Path, settings: ScoredPromptsSettings, scorer: Scorer) -> ScoredPrompts:
    """Returns the benchmark of a file; prompts without a category are in one together."""
    listed = tuple(
        Prompt(id=each.id, text=each.text, category=each.category or UNNAMED, metadata=each.metadata)
        for each in read_prompt_file(file)
    )
    return ScoredPrompts(file=file, settings=settings, scorer=scorer, listed=listed)
