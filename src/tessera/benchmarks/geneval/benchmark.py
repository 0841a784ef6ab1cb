"""GenEval (arXiv 2310.11513; github.com/djghosh13/geneval) without mmdet: prompts, eyes, rules, its files.

What the eyes see is kept as plain data, a row per picture (`rows.py`), which `tessera regrade geneval`
reads: objects of every class, down to 0.3 for every tag, so that other thresholds can be tried; and colours
of those classes alone of which the prompt asks one.

Differences from the published tool: of two objects with exactly equal scores the earlier one comes first; and
a detector whose weights are not the published ones, which the `title` says.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

from tessera.benchmarks.geneval import official
from tessera.benchmarks.geneval.rows import right, row_of, verdict_on
from tessera.benchmarks.graded import Graded
from tessera.data.geneval_files import read_geneval
from tessera.errors import UserError
from tessera.scorers.detection.geneval import counted_above
from tessera.scorers.detection.geneval_eyes import Eyes
from tessera.types import Grade, Prompt


@dataclass(frozen=True, kw_only=True, slots=True)
class GenEval:
    """The benchmark. Prompts, places and verdicts need no weights; only `observe` and `digest` do."""

    data: Path  # the folder with its prompts, as `data.home.find` returns it
    eyes: Eyes
    title: str  # as results are to be called
    name: str = "geneval"
    categories: tuple[str, ...] = official.TAGS
    samples: int = official.SAMPLES
    evidence: str = "detections.jsonl"

    def prompts(self, per_category: int | None) -> list[Prompt]:
        """Returns the first so many prompts of each category, all where it is None."""
        listed = read_geneval(self.data)
        if strange := [prompt for prompt in listed if prompt.category not in self.categories]:
            raise UserError(
                f"{self.data}: {strange[0].id} has the tag {strange[0].category!r}, which is none of "
                f"GenEval's ({', '.join(self.categories)}); fetch it again (tessera data get geneval)"
            )
        by_category = ([each for each in listed if each.category == name] for name in self.categories)
        return [prompt for prompts in by_category for prompt in prompts[:per_category]]

    def picture(self, prompt: Prompt, sample: int) -> PurePosixPath:
        """Returns where GenEval's tool looks for a picture."""
        return official.picture_of(prompt, sample)

    def observe(
        self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]
    ) -> list[dict[str, Any]]:
        """Returns what is seen on each picture, as `rows.py` has it."""
        sights = self.eyes.see([prompt.metadata for prompt in prompts], images_BHWC)
        return [row_of(prompt.metadata, sight) for prompt, sight in zip(prompts, sights, strict=True)]

    def verdict(self, prompt: Prompt, seen: Mapping[str, Any]) -> Grade:
        """Returns GenEval's verdict on what is seen; `soft` is the share of clauses that hold."""
        return verdict_on({**seen, "metadata": prompt.metadata}, counted_above(prompt.metadata["tag"]))

    def grade(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[Grade]:
        """Returns a verdict on each picture."""
        rows = zip(prompts, self.observe(prompts, images_BHWC), strict=True)
        return [self.verdict(prompt, seen) for prompt, seen in rows]

    def aggregate(self, graded: Sequence[Graded]) -> dict[str, Any]:
        """Returns GenEval's summary, and which eyes saw it."""
        rows = [
            {"tag": each.prompt.category, "prompt": each.prompt.text, "correct": right(each.grade)}
            for each in graded
        ]
        return {"title": self.title, **official.summarised(rows)}

    def beside(self, prompts: Sequence[Prompt]) -> Iterator[tuple[PurePosixPath, str]]:
        """Yields the metadata of each prompt, which GenEval's tool reads beside its pictures."""
        for prompt in prompts:
            yield official.folder_of(prompt) / "metadata.jsonl", json.dumps(prompt.metadata)

    def results(self, graded: Sequence[Graded]) -> Iterator[tuple[PurePosixPath, str]]:
        """Yields results.jsonl as GenEval's tool does; a picture that could not be judged has no line."""
        judged = (each for each in graded if right(each.grade) is not None)
        lines = (json.dumps(official.result(each)) + "\n" for each in judged)
        yield PurePosixPath(official.RESULTS), "".join(lines)

    def digest(self) -> str:
        """Returns a hash of detector, classifier of colours and their settings."""
        return self.eyes.digest()
